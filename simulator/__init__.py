"""A simulated RouterOS: see README.md beside this file."""
