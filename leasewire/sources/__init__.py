"""Commands about publishers: events in, outcomes out."""
