"""What a router should hold for a service."""
