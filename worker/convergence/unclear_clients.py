"""For which services of a router it cannot be told which DHCPv6 client is theirs.

The watch opens alerts from it, and reads bindings only of routers where a service has IPv6.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from worker.core.rows.operations import Note

_UNCLEAR: Final = frozenset({"ipv6-client-ambiguous", "ipv6-client-changed"})
"""Kinds of the plan's notes."""
_MOST_KEPT: Final = 100
"""Services of a router; with more, nobody needs the names to know that something is wrong."""


def unclear_after(
    known: Mapping[str, str], services: Iterable[str], notes: Iterable[Note]
) -> dict[str, str]:
    """Return what is unclear after a plan: service -> what was found.

    Args:
        known: the same before it.
        services: that were planned.
        notes: of the plan.
    """
    planned = set(services)
    kept = {service_id: found for service_id, found in known.items() if service_id not in planned}
    found = {note.service_id: note.detail for note in notes if note.kind in _UNCLEAR}
    return dict([*kept.items(), *found.items()][:_MOST_KEPT])
