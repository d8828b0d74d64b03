"""What is said to Leasewire: events, their parts, their names. Pure; imports nothing of ours."""

from contracts.identity import content_hash, deterministic_id, event_key, version_hash

__all__ = ["content_hash", "deterministic_id", "event_key", "version_hash"]
