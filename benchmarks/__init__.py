"""What the figures in README and decisions come from."""
