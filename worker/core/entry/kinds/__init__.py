"""The kinds of entries, one module each. They are registered in `worker.core.entry.wanted`."""
