"""Events out of a BSS's own database: its table, and the relay that empties it."""
