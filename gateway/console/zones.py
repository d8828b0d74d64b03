"""The zone in which a reader sees times: their browser says it in a cookie."""

from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

COOKIE: Final = "leasewire_zone"
_LONGEST: Final = 64
_UTC: Final = ZoneInfo("UTC")


def zone_of(name: str | None) -> ZoneInfo:
    """The zone of this name; UTC where the browser did not say one that exists."""
    if not name or len(name) > _LONGEST:
        return _UTC
    try:
        return ZoneInfo(name.replace("%2F", "/"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _UTC
