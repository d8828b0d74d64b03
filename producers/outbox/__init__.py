"""The outbox table in a BSS's own database, and the relay that publishes its rows."""
