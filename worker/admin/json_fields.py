"""Fields of JSON documents: times, and fields that are left out because they are empty."""

from datetime import UTC, datetime
from typing import Any


def utc_time(ms: int) -> str | None:
    """Milliseconds since 1970 as RFC 3339 in UTC; None for 0."""
    if not ms:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def without_empty(document: dict[str, Any]) -> dict[str, Any]:
    """The document without empty fields: an absent field means "none"."""
    return {name: value for name, value in document.items() if value not in (None, "", [], {})}
