"""Search, and the pages of a service."""
