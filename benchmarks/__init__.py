"""Benchmarks: the source of the figures in docs and decisions."""
