"""Rows of a router: how they are read, compared, owned and written."""
