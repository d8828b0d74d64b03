"""Webhooks of BSS systems, in each vendor's own format: mapped, or read again at the vendor."""
