"""Finds the service whose write ends the connection: who was in flight is tried in small groups."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from worker.convergence.conclude import BatchItem
from worker.store.router_memory import RouterMemory, Suspect

MAX_LOST_ALONE: Final = 3
"""Connections lost while a service was the only one in flight: then it is given up."""
SPLIT: Final = 16
"""Into so many groups a batch is split with which a connection was lost."""


class Culprits:
    """Of one router, during one pass.

    Args:
        memory: remembers them for the next pass.
        router: its name.
        known: from earlier passes.
    """

    def __init__(self, memory: RouterMemory, router: str, known: Mapping[str, Suspect]) -> None:
        self._memory = memory
        self._router = router
        self._known = dict(known)

    def apart(self, items: Sequence[BatchItem]) -> Iterator[list[BatchItem]]:
        """First all together that give no cause for suspicion, then the others in small groups."""
        groups: dict[int, list[BatchItem]] = {}
        for item in items:
            suspect = self._known.get(item.work_item.service_id)
            most = suspect.most if suspect else len(items)
            if (item.before or {}).get("tries"):  # refused in words that we do not know: alone
                most = 1
            groups.setdefault(most, []).append(item)
        for most in sorted(groups, reverse=True):
            # Who was lost less often is tried first: if it is answered, it was the other.
            group = sorted(
                groups[most], key=lambda item: self.failed_check(item.work_item.service_id)
            )
            for start in range(0, len(group), most):
                yield group[start : start + most]

    def failed_check(self, service_id: str) -> int:
        """How much a service is suspected: 0, and more for each time that it was lost alone."""
        suspect = self._known.get(service_id)
        return suspect.alone + 1 if suspect else 0

    def answered(self, service_ids: Collection[str]) -> None:
        """Writes of these were confirmed: the router takes writes, whoever else is lost."""
        others = {
            who: each._replace(answered=True)
            for who, each in self._known.items()
            if not each.answered and any(other != who for other in service_ids)
        }
        self._known |= others
        self._memory.note_suspects(self._router, others)

    def is_to_blame(self, service_id: str) -> bool:
        """Whether it is not the router: a write of another was answered since it was first lost."""
        return self._known[service_id].answered

    def lost(self, in_flight: Collection[str]) -> dict[str, int]:
        """A connection went with these; who it is for sure, and how often it was alone."""
        alone = len(in_flight) == 1
        most = max(1, len(in_flight) // SPLIT)
        for service_id in in_flight:
            before = self._known.get(service_id, Suspect(most, 0))
            self._known[service_id] = before._replace(
                most=min(most, before.most), alone=before.alone + alone
            )
        noted = {service_id: self._known[service_id] for service_id in in_flight}
        self._memory.note_suspects(self._router, noted)
        return {who: each.alone for who, each in noted.items() if each.alone >= MAX_LOST_ALONE}

    def clear(self, service_ids: Collection[str]) -> None:
        """All that was written for them was answered, or they are given up."""
        cleared = [each for each in service_ids if self._known.pop(each, None) is not None]
        self._memory.forget_suspects(self._router, cleared)
