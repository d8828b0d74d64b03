"""One router made to match what is wanted: lease, read, plan, write, read back, confirm."""
