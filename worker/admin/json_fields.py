"""Fields of JSON documents: times, printable text, and fields that are left out."""

from typing import Any

from worker.core.storage_format import rfc3339


def utc_time(ms: int) -> str | None:
    """Return milliseconds since 1970 as RFC 3339 in UTC; None for 0."""
    return rfc3339(ms) if ms else None


def without_empty(document: dict[str, Any]) -> dict[str, Any]:
    """The document without empty fields: an absent field means "none"."""
    return {name: value for name, value in document.items() if value not in (None, "", [], {})}


def clean(value: object) -> str:
    """A value as one line of printable text."""
    text = "" if value is None else str(value)
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def shortened(text: str, most: int) -> str:
    """A text with at most so many characters, and a sign where it was longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
