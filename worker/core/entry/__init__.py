"""The entry that a router should hold for a service, and the brake on losses."""
