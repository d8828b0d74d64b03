"""The HTTP API: accepts events into the journal, and answers for events and services."""
