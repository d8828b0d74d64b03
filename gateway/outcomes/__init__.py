"""Signed webhooks to a BSS: the outcomes of its events."""
