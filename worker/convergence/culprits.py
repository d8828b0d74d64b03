"""Finds the service whose write makes a router drop the connection.

When a connection is lost, any service with a write in flight may be the cause. The next passes
write those services in smaller and smaller groups, down to one. A service that loses the connection
three times while it is written alone is the culprit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from worker.convergence.batch_item import BatchItem
from worker.store.router_memory import RouterMemory, Suspect

MAX_LOSSES_ALONE: Final = 3
"""Connections lost while a service was the only one in flight: then it is the culprit."""
SPLIT: Final = 16
"""Groups that a batch is split into after it lost the connection."""


class Culprits:
    """The suspects of one router during one pass.

    Args:
        memory: keeps the suspects between passes.
        router: its name.
        known: suspects of earlier passes, by service.
    """

    def __init__(self, memory: RouterMemory, router: str, known: Mapping[str, Suspect]) -> None:
        self._memory = memory
        self._router = router
        self._suspects = dict(known)

    def groups(self, items: Sequence[BatchItem]) -> Iterator[list[BatchItem]]:
        """Yield all unsuspected services as one group, then the suspects in small groups."""
        by_size: dict[int, list[BatchItem]] = {}
        for item in items:
            suspect = self._suspects.get(item.service_id)
            size = suspect.most if suspect else len(items)
            if item.before.get("tries"):  # refused with an unknown message: alone
                size = 1
            by_size.setdefault(size, []).append(item)
        for size in sorted(by_size, reverse=True):
            # The least suspected go first: if their writes are answered, it was another.
            group = sorted(by_size[size], key=lambda item: self.suspicion(item.service_id))
            for start in range(0, len(group), size):
                yield group[start : start + size]

    def suspicion(self, service_id: str) -> int:
        """How much a service is suspected: 0, and more for each loss while it was alone."""
        suspect = self._suspects.get(service_id)
        return suspect.alone + 1 if suspect else 0

    def answered(self, service_ids: Collection[str]) -> None:
        """Note that the router takes writes: those of these services were confirmed."""
        excused = {
            suspect_id: suspect._replace(answered=True)
            for suspect_id, suspect in self._suspects.items()
            if not suspect.answered and any(service != suspect_id for service in service_ids)
        }
        self._suspects |= excused
        self._memory.note_suspects(self._router, excused)

    def is_to_blame(self, service_id: str) -> bool:
        """Whether it is not the router: it answered another write since the first loss."""
        return self._suspects[service_id].answered

    def connection_lost(self, in_flight: Collection[str]) -> dict[str, int]:
        """Suspect these services, and return those that lost too often, with their losses alone."""
        alone = len(in_flight) == 1
        size = max(1, len(in_flight) // SPLIT)
        for service_id in in_flight:
            before = self._suspects.get(service_id, Suspect(size, 0))
            self._suspects[service_id] = before._replace(
                most=min(size, before.most), alone=before.alone + alone
            )
        noted = {service_id: self._suspects[service_id] for service_id in in_flight}
        self._memory.note_suspects(self._router, noted)
        return {
            service_id: suspect.alone
            for service_id, suspect in noted.items()
            if suspect.alone >= MAX_LOSSES_ALONE
        }

    def clear(self, service_ids: Collection[str]) -> None:
        """Drop the suspicion: every write of these services was answered, or they failed."""
        cleared = [
            service for service in service_ids if self._suspects.pop(service, None) is not None
        ]
        self._memory.forget_suspects(self._router, cleared)
