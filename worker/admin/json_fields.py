"""Fields of JSON documents: times, and fields that are left out because they are empty."""

from typing import Any

from worker.core.storage_format import rfc3339


def utc_time(ms: int) -> str | None:
    """Return milliseconds since 1970 as RFC 3339 in UTC; None for 0."""
    return rfc3339(ms) if ms else None


def without_empty(document: dict[str, Any]) -> dict[str, Any]:
    """The document without empty fields: an absent field means "none"."""
    return {name: value for name, value in document.items() if value not in (None, "", [], {})}
