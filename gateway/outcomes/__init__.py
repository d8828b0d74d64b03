"""The way back: tells a BSS what became of its events, by signed webhooks."""
