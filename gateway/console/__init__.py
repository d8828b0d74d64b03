"""The console: web pages for the NOC, below `/console/` of the gateway."""
