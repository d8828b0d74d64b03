"""Suggests how to write a time that was given in a wrong format.

It is used in error messages only. Such a time is never accepted, because its time zone may be
another one than was meant.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

EXAMPLE: Final = "2026-11-24T09:15:00Z"
_CLOCK: Final = (
    r"(?:(?:[Tt]| +)(?P<hour>\d{1,2}):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,]\d+)?)?"
    r" *(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?"
)
_DATES: Final = tuple(
    re.compile(form + _CLOCK, re.ASCII)
    for form in (
        r"(?P<year>\d{4})(?P<sign>[-./])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
        r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",
        r"(?P<one>\d{1,2})(?P<sign>[-/])(?P<other>\d{1,2})(?P=sign)(?P<year>\d{4})",
    )
)
_SECONDS: Final = re.compile(r"\d{10}(?:\d{3})?", re.ASCII)
"""Seconds since 1970; with three more digits milliseconds."""
_MOST: Final = 64


def advice(value: object) -> str:
    """Return how to write the given time, as far as that is certain."""
    if type(value) is int and 0 <= value < 10**13:
        value = str(value)
    text = value.strip() if isinstance(value, str) and len(value) <= _MOST else ""
    if text:
        for form in _DATES:
            found = form.fullmatch(text)
            if found:
                return _of_parts(found.groupdict()) or _wanted(EXAMPLE)
        moment = _seconds(text) or _mail(text)
        if moment:
            return _wanted(_written(moment))
    return _wanted(EXAMPLE)


def _wanted(example: str) -> str:
    return f"write RFC 3339 with offset, like {example}"


def _written(moment: datetime) -> str:
    offset = moment.utcoffset()
    return moment.isoformat(timespec="seconds") if offset else f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _of_parts(parts: dict[str, str | None]) -> str:
    if parts.get("one"):
        first, other = int(parts["one"] or 0), int(parts["other"] or 0)
        if first <= 12 and other <= 12 and first != other:  # noqa: PLR2004 - months of a year
            message = "day and month cannot be told apart"
            return f"{message}: {_wanted(EXAMPLE)}"
        month, day = (other, first) if first > 12 else (first, other)  # noqa: PLR2004 - as above
    else:
        month, day = int(parts["month"] or 0), int(parts["day"] or 0)
    zone = (parts["zone"] or "").upper()
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    try:
        moment = datetime(int(parts["year"] or 0), month, day, hour, minute, second, tzinfo=UTC)
        if zone[:1] in {"+", "-"}:
            digits = zone[1:].replace(":", "").ljust(4, "0")
            shift = f"{zone[0]}{digits[:2]}:{digits[2:]}"
            return _wanted(_written(datetime.fromisoformat(f"{moment:%Y-%m-%dT%H:%M:%S}{shift}")))
    except ValueError:  # no such day, hour or offset exists
        return ""
    if zone:
        return _wanted(_written(moment))
    return f"{_wanted(_written(moment))} in UTC, or with your own offset, such as +01:00, for Z"


def _seconds(text: str) -> datetime | None:
    if not _SECONDS.fullmatch(text):
        return None
    return datetime.fromtimestamp(int(text[:10]), UTC)


def _mail(text: str) -> datetime | None:
    """Read the format of mail and HTTP: `Thu, 31 Dec 2026 14:30:00 +0100`."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
