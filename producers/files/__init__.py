"""Reads and writes services in CSV and NDJSON files."""
