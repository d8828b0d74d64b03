"""Commands about services and their events."""
