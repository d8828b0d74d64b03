"""Announced losses: which are neither counted nor held by the brake."""

from collections.abc import Collection
from typing import Any

from contracts.values import parse_time
from worker.admin.json_fields import utc_time, without_empty
from worker.core.rows.normal import seconds
from worker.errors import NotPossible
from worker.inventory import Inventory
from worker.store.brake import Announcement


def check_scope(scope: str, inventory: Inventory) -> None:
    """Check that a scope, `router:NAME` or `source:URI`, names one of the inventory.

    Raises:
        NotPossible: it is not.
    """
    kind, _, name = scope.partition(":")
    known: Collection[str] = inventory.sources if kind == "source" else inventory.routers
    if kind not in {"router", "source"} or name not in known:
        raise NotPossible(f"There is no {kind} {name} in the inventory.")


def end_ms(now_ms: int, until: str | None, lasts: str | None) -> int:
    """When an announcement ends, in milliseconds since 1970.

    Args:
        now_ms: Redis's time.
        until: RFC 3339, such as `2026-12-01T06:00:00Z`; or `lasts`.
        lasts: a duration, such as `2h`.

    Raises:
        NotPossible: neither or both are given, or one is malformed or past.
    """
    if (not until) == (not lasts):
        raise NotPossible("Give one of both: until when, or for how long.")
    if lasts:
        found = now_ms + 1000 * (seconds(lasts) or 0)
        if found == now_ms:
            raise NotPossible(f"{lasts}: must be a duration such as 2h or 90m.")
        return found
    try:
        found = round(parse_time(until).timestamp() * 1000)
    except ValueError as error:
        raise NotPossible(f"{until}: {error}.") from None
    if found <= now_ms:
        raise NotPossible(f"{until}: is in the past.")
    return found


def announcement_document(announcement: Announcement) -> dict[str, Any]:
    """An announcement, and how many of its losses came so far."""
    scope, _, name = announcement.scope.partition(":")
    return without_empty(
        {
            "scope": scope,
            "name": name,
            "services": announcement.services,
            "until": utc_time(announcement.until_ms),
            "by": announcement.by,
            "reason": announcement.reason,
        }
    ) | {"used": announcement.used}
