"""Narrows down which service of a group is to blame: the group is tried in smaller groups."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol, TypeVar

from worker.store.router_memory import RouterMemory, Suspect, SuspectKind

SPLIT: Final = 16
"""Groups that a batch is split into after it went wrong."""


class OfService(Protocol):
    """What is tried for a service."""

    @property
    def service_id(self) -> str:
        """The service."""


Tried = TypeVar("Tried", bound=OfService)


class Suspects:
    """Services of one router that may be to blame for one kind of failure, during one pass.

    Args:
        memory: keeps them between passes.
        router: its name.
        kind: of failure.
        known: those of earlier passes, by service.
    """

    def __init__(
        self, memory: RouterMemory, router: str, kind: SuspectKind, known: Mapping[str, Suspect]
    ) -> None:
        self._memory = memory
        self._router = router
        self._kind = kind
        self._suspects = dict(known)

    @property
    def services(self) -> AbstractSet[str]:
        """The suspects."""
        return self._suspects.keys()

    def groups(
        self, tried: Sequence[Tried], alone: Callable[[Tried], bool] = lambda _: False
    ) -> Iterator[list[Tried]]:
        """Yield all unsuspected services as one group, then the suspects in small groups.

        Args:
            tried: the services.
            alone: whether a service must be tried alone, suspected or not.
        """
        by_size: dict[int, list[Tried]] = {}
        for service in tried:
            suspect = self._suspects.get(service.service_id)
            size = 1 if alone(service) else suspect.most if suspect else len(tried)
            by_size.setdefault(size, []).append(service)
        for size in sorted(by_size, reverse=True):
            # The least suspected go first: if they succeed, it was another.
            group = sorted(by_size[size], key=lambda service: self.suspicion(service.service_id))
            for start in range(0, len(group), size):
                yield group[start : start + size]

    def suspicion(self, service_id: str) -> int:
        """How much a service is suspected: 0, and more for each failure while it was alone."""
        suspect = self._suspects.get(service_id)
        return suspect.alone + 1 if suspect else 0

    def failed(self, service_ids: Collection[str]) -> dict[str, Suspect]:
        """Suspect these services, of which one is to blame; returns what is known of them now."""
        alone = len(service_ids) == 1
        size = max(1, len(service_ids) // SPLIT)
        for service_id in service_ids:
            before = self._suspects.get(service_id, Suspect(size, 0))
            self._suspects[service_id] = before._replace(
                most=min(size, before.most), alone=before.alone + alone
            )
        return self._note(service_ids)

    def answered(self, service_ids: Collection[str]) -> None:
        """Note that the router takes writes: those of these services were confirmed."""
        excused = [
            suspect_id
            for suspect_id, suspect in self._suspects.items()
            if not suspect.answered and any(service != suspect_id for service in service_ids)
        ]
        for suspect_id in excused:
            self._suspects[suspect_id] = self._suspects[suspect_id]._replace(answered=True)
        self._note(excused)

    def is_to_blame(self, service_id: str) -> bool:
        """Whether it is not the router: it answered another write since the first failure."""
        return self._suspects[service_id].answered

    def failed_alone(self, times: int) -> int:
        """How many services failed so often while they were alone."""
        return sum(suspect.alone >= times for suspect in self._suspects.values())

    def clear(self, service_ids: Collection[str]) -> None:
        """Suspect these services no more: they succeeded, or were given up."""
        cleared = self._suspects.keys() & set(service_ids)
        if cleared:
            for service_id in cleared:
                del self._suspects[service_id]
            self._memory.forget_suspects(self._router, self._kind, cleared)

    def _note(self, service_ids: Collection[str]) -> dict[str, Suspect]:
        noted = {service_id: self._suspects[service_id] for service_id in service_ids}
        self._memory.note_suspects(self._router, self._kind, noted)
        return noted
