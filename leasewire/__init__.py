"""The command that puts the parts together."""
