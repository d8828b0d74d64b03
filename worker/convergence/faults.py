"""Finds the service that makes passes of its router fail, by a bug or by a broken record.

When a pass fails with an unexpected exception, the services at work are tried in small groups, then
alone. A service that fails alone again and again is dead-lettered, and the others of the router go
on. A service whose record cannot be read here is set aside before it does harm. A service that
loses the connection is found the same way (`Suspects`).
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import structlog

from worker.convergence.batch_item import bare_item
from worker.convergence.conclude import failed, failed_without_events, waiting
from worker.convergence.concurrency import RouterLock, TimeLimits
from worker.core.policy.circuit import INTERNAL_ERROR
from worker.core.rows.operations import Waiting
from worker.core.storage_format import UnknownFormatError, in_a_line
from worker.errors import StoreUnavailable
from worker.store.batches import Conclusion, WorkItem
from worker.store.router_memory import Known, RouterMemory, Suspect, SuspectKind
from worker.store.store import Store

log = structlog.get_logger()

MAX_FAILURES_ALONE: Final = 3
"""Failures while a service was the only one at work: then it is dead-lettered."""
MOST_FAILED: Final = 5
"""Services of a router: when more fail alone, no record is the cause, and the others wait."""
RETRY_MS: Final = 2_000
"""A service that failed alone is tried again then: those behind it come first."""
NEWER_MS: Final = 2_000
"""What a newer version wrote is left for so long to a worker of that version."""
SPLIT: Final = 16
"""Groups that a batch is split into after it went wrong."""


class Suspects(dict[str, Suspect]):
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
        super().__init__(known)
        self._memory = memory
        self._router = router
        self._kind = kind

    def groups(
        self, work_items: Sequence[WorkItem], alone: Collection[str] = ()
    ) -> list[list[WorkItem]]:
        """Return all unsuspected services as one group, then the suspects in small groups.

        Args:
            work_items: of the services.
            alone: services that must be tried alone, suspected or not.
        """
        by_size: dict[int, list[WorkItem]] = {}
        for tried in work_items:
            suspect, is_alone = self.get(tried.service_id), tried.service_id in alone
            size = 1 if is_alone else suspect.most if suspect else len(work_items)
            by_size.setdefault(size, []).append(tried)
        found = []
        for size in sorted(by_size, reverse=True):
            # The least suspected go first: if they succeed, it was another.
            group = sorted(by_size[size], key=lambda tried: self.suspicion(tried.service_id))
            found += [group[start : start + size] for start in range(0, len(group), size)]
        return found

    def suspicion(self, service_id: str) -> int:
        """How much a service is suspected: 0, and more for each failure while it was alone."""
        suspect = self.get(service_id)
        return suspect.alone + 1 if suspect else 0

    def failed(self, service_ids: Collection[str]) -> dict[str, Suspect]:
        """Suspect these services, of which one is to blame; returns what is known of them now."""
        alone = len(service_ids) == 1
        size = max(1, len(service_ids) // SPLIT)
        for service_id in service_ids:
            before = self.get(service_id, Suspect(size, 0))
            self[service_id] = before._replace(
                most=min(size, before.most), alone=before.alone + alone
            )
        return self._note(service_ids)

    def answered(self, service_ids: Collection[str]) -> None:
        """Note that the router takes writes: those of these services were confirmed."""
        excused = [
            suspect_id
            for suspect_id, suspect in self.items()
            if not suspect.answered and any(service != suspect_id for service in service_ids)
        ]
        for suspect_id in excused:
            self[suspect_id] = self[suspect_id]._replace(answered=True)
        if excused:
            self._note(excused)

    def is_to_blame(self, service_id: str) -> bool:
        """Whether it is not the router: it answered another write since the first failure."""
        return self[service_id].answered

    def failed_alone(self, times: int) -> int:
        """How many services failed so often while they were alone."""
        return sum(suspect.alone >= times for suspect in self.values())

    def excuse(self, service_ids: Collection[str]) -> None:
        """Suspect these services no more: they succeeded, or were given up."""
        cleared = self.keys() & set(service_ids)
        if cleared:
            for service_id in cleared:
                del self[service_id]
            self._memory.forget_suspects(self._router, self._kind, cleared)

    def _note(self, service_ids: Collection[str]) -> dict[str, Suspect]:
        noted = {service_id: self[service_id] for service_id in service_ids}
        self._memory.note_suspects(self._router, self._kind, noted)
        return noted


class FaultyServices:
    """The suspects of one router, of both kinds, during one pass.

    Args:
        store: keeps the suspects between passes.
        lock: on the router.
        known: memory of earlier passes.
        time_limits: how long services may wait.

    Attributes:
        culprits: services that may have lost the connection. Passes write them in smaller and
            smaller groups; one that loses it alone too often is the culprit.
        suspected: services that stay out of the plans of others until they are cleared.
    """

    def __init__(
        self, store: Store, lock: RouterLock, known: Known, time_limits: TimeLimits
    ) -> None:
        self._store = store
        self._lock = lock
        self._suspects = Suspects(store.memory, lock.router, "fault", known.faults)
        self.culprits = Suspects(store.memory, lock.router, "suspect", known.suspects)
        self.suspected: AbstractSet[str] = self._suspects.keys()  # a view, which changes
        self._time_limits = time_limits
        self._at_work: dict[str, WorkItem] = {}

    @property
    def tries_one(self) -> bool:
        """Whether a suspect is at work alone: then no other service is brought in."""
        return len(self._at_work) == 1 and self._at_work.keys() <= self.suspected

    def readable(self, work_items: Sequence[WorkItem], now_ms: int) -> list[WorkItem]:
        """The work items with readable records; the others are postponed or dead-lettered."""
        unread = [work_item for work_item in work_items if work_item.unread is not None]
        if unread:
            self._conclude([self._set_aside(work_item, now_ms) for work_item in unread])
        return [work_item for work_item in work_items if work_item.unread is None]

    def groups(self, work_items: Sequence[WorkItem]) -> Iterator[list[WorkItem]]:
        """Yield all unsuspected services as one group, then the suspects in small groups.

        One that was refused with an unknown message is tried alone.
        """
        for group in self._suspects.groups(work_items):
            self.begin(group)
            alone = {tried.service_id for tried in group if (tried.before or {}).get("tries")}
            yield from self.culprits.groups(group, alone)
        self.begin(())

    def begin(self, work_items: Collection[WorkItem]) -> None:
        """Note that these are at work now, and no others."""
        self._at_work = {work_item.service_id: work_item for work_item in work_items}

    def join(self, work_items: Collection[WorkItem]) -> None:
        """Note that these are at work as well."""
        self._at_work |= {work_item.service_id: work_item for work_item in work_items}

    def excuse(self, service_ids: Collection[str]) -> None:
        """Drop the suspicion: these services were concluded."""
        for service_id in service_ids:
            self._at_work.pop(service_id, None)
        self._suspects.excuse(service_ids)
        self.culprits.excuse(service_ids)

    def failed(self, error: Exception) -> None:
        """The pass ends with an unexpected exception: suspect, or dead-letter, those at work."""
        noted = self._suspects.failed(self._at_work.keys())
        if len(noted) != 1:
            return
        ((service_id, work_item),) = self._at_work.items()
        now_ms, message = self._store.records.now_ms(), in_a_line(error)
        many = self._suspects.failed_alone(MAX_FAILURES_ALONE) > MOST_FAILED
        if noted[service_id].alone < MAX_FAILURES_ALONE or many:
            self._conclude([self._retry(work_item, message, now_ms)])
            return
        detail = f"{message} (a bug: please report it; the log has the traceback)"
        item = bare_item(work_item, self._lock.router)
        # Should its events be what is broken, they get no outcome.
        for conclude in (failed, failed_without_events):
            try:
                self._conclude([_interrupted(conclude(item, INTERNAL_ERROR, detail, now_ms))])
            except StoreUnavailable:
                raise
            except Exception:
                log.exception(
                    "service.not_dead_lettered", service_id=service_id, router=item.router
                )
            else:
                return

    def _set_aside(self, work_item: WorkItem, now_ms: int) -> Conclusion:
        error = work_item.unread
        item = bare_item(work_item, self._lock.router)
        if isinstance(error, UnknownFormatError):
            why = Waiting("newer-version", str(error))
            return waiting(item, why, now_ms, self._time_limits)._replace(wait_ms=NEWER_MS)
        detail = f"its record cannot be read: {in_a_line(error)}"
        log.error(
            "record.unreadable", service_id=work_item.service_id, reason=detail, exc_info=error
        )
        return failed(item, INTERNAL_ERROR, detail, now_ms)

    def _retry(self, work_item: WorkItem, message: str, now_ms: int) -> Conclusion:
        why: dict[str, Any] = {"reason": INTERNAL_ERROR, "detail": message, "since_ms": now_ms}
        if work_item.before is not None and work_item.before.get("reason") == INTERNAL_ERROR:
            why["since_ms"] = work_item.before["since_ms"]
        return _interrupted(
            Conclusion(work_item, "postponed", waiting=json.dumps(why), wait_ms=RETRY_MS)
        )

    def _conclude(self, conclusions: Sequence[Conclusion]) -> None:
        self._store.routers.conclude(self._lock.router, self._lock.lock_id, conclusions)


def _interrupted(conclusion: Conclusion) -> Conclusion:
    """Of a service whose check was interrupted: something may have been written for it."""
    return conclusion._replace(wrote=True)
