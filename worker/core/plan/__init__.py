"""Which writes make a router's rows match. Start reading at `planner.plan`."""
