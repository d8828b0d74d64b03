"""Remembers for which services of a router it cannot be told which DHCPv6 client is theirs.

The watch opens alerts from it, and reads bindings only of routers where a service has IPv6.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from worker.core.entry.entry import Entry
from worker.core.rows.operations import Note
from worker.store.router_memory import RouterMemory

_UNCLEAR: Final = frozenset({"ipv6-client-ambiguous", "ipv6-client-changed"})
"""Kinds of the plan's notes."""
_MOST_KEPT: Final = 100
"""Services of a router; with more, nobody needs the names to know that something is wrong."""


class UnclearClients:
    """Those of one router during one pass.

    Args:
        memory: keeps them between passes.
        router: its name.
        known: service -> what was found; None: no service there had IPv6 yet.
    """

    def __init__(self, memory: RouterMemory, router: str, known: Mapping[str, str] | None) -> None:
        self._memory = memory
        self._router = router
        self._known = known
        self._found: dict[str, str] | None = None if known is None else dict(known)

    def planned(self, entries: Iterable[Entry], notes: Iterable[Note]) -> None:
        """Take what a plan found for these services."""
        entries = list(entries)
        if self._found is None and any(entry.bindings for entry in entries):
            self._found = {}
        if self._found is None:
            return
        unclear = {note.service_id: note.detail for note in notes if note.kind in _UNCLEAR}
        for entry in entries:
            service_id = entry.service_id
            if service_id not in unclear:
                self._found.pop(service_id, None)
            elif service_id in self._found or len(self._found) < _MOST_KEPT:
                self._found[service_id] = unclear[service_id]

    def end(self) -> None:
        """At the end of a pass, store what changed."""
        if self._found is not None and self._found != self._known:
            self._memory.note_unclear_clients(self._router, self._found)
            self._known = dict(self._found)
