"""Webhooks of BSS systems, in each vendor's own format: mapped to events, or read at the vendor."""
