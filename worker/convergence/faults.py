"""Finds the service that makes passes of its router fail, by a bug or by a record that is broken.

Who was at work when something raised that nobody expected is tried in small groups, then alone; who
fails alone again and again is given up, and the others of the router go on. A service whose record
nobody here can read is set aside before it does harm.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Final

import structlog

from worker.convergence.conclude import BatchItem, TimeLimits, failed, waiting
from worker.convergence.router_lock import RouterLock
from worker.core.entry.entry import Entry
from worker.core.policy.circuit import INTERNAL_ERROR
from worker.core.rows.operations import Waiting
from worker.core.service.outcome import DeadLetter
from worker.core.storage_format import UnknownFormatError, in_a_line
from worker.errors import StoreUnavailable
from worker.store.batches import Conclusion, WorkItem
from worker.store.router_memory import Suspect
from worker.store.store import Store

log = structlog.get_logger()

MAX_ALONE: Final = 3
"""Failures while a service was the only one at work: then it is given up."""
SPLIT: Final = 16
"""Into so many groups a batch is split that failed."""
MOST_FAILED: Final = 5
"""Of one router: when more fail alone it is no record's fault, and the others wait for a remedy."""
AGAIN_MS: Final = 2_000
"""Who failed alone is looked at again then: those behind it come first."""
NEWER_MS: Final = 2_000
"""What a newer version wrote is left for so long to a worker of that version."""


class Faults:
    """Of one router, during one pass.

    Args:
        store: remembers who is suspected for the next pass.
        lock: the lease.
        known: from earlier passes.
        time_limits: how long services may wait.
    """

    def __init__(
        self, store: Store, lock: RouterLock, known: Mapping[str, Suspect], time_limits: TimeLimits
    ) -> None:
        self._store = store
        self._hold = lock
        self._known = dict(known)
        self._time_limits = time_limits
        self._at_work: dict[str, WorkItem] = {}

    @property
    def suspected(self) -> AbstractSet[str]:
        """Services that are to stand in no other's plan until they are cleared."""
        return self._known.keys()

    @property
    def tries_one(self) -> bool:
        """Whether one that is suspected is at work alone: then no other is to be brought in."""
        return len(self._at_work) == 1 and self._at_work.keys() <= self._known.keys()

    def readable(self, work_items: Sequence[WorkItem], now_ms: int) -> list[WorkItem]:
        """The marks whose records could be read; the others are put off, or given up."""
        unread = [work_item for work_item in work_items if work_item.unread is not None]
        if unread:
            self._conclude([self._set_aside(work_item, now_ms) for work_item in unread])
        return [work_item for work_item in work_items if work_item.unread is None]

    def apart(self, work_items: Sequence[WorkItem]) -> Iterator[list[WorkItem]]:
        """First all together that give no cause for suspicion, then the others in small groups."""
        groups: dict[int, list[WorkItem]] = {}
        for work_item in work_items:
            suspect = self._known.get(work_item.service_id)
            groups.setdefault(suspect.most if suspect else len(work_items), []).append(work_item)
        for most in sorted(groups, reverse=True):
            for start in range(0, len(groups[most]), most):
                group = groups[most][start : start + most]
                self.begin(group)
                yield group
        self.begin(())

    def begin(self, work_items: Collection[WorkItem]) -> None:
        """These are at work now, and no others."""
        self._at_work = {work_item.service_id: work_item for work_item in work_items}

    def join(self, work_items: Collection[WorkItem]) -> None:
        """These are at work, too."""
        self._at_work |= {work_item.service_id: work_item for work_item in work_items}

    def clear(self, service_ids: Collection[str]) -> None:
        """The looks at them ended."""
        for service_id in service_ids:
            self._at_work.pop(service_id, None)
        cleared = [each for each in service_ids if self._known.pop(each, None) is not None]
        self._store.memory.forget_faults(self._hold.router, cleared)

    def failed(self, error: Exception) -> None:
        """The pass ends with what nobody expected: remember who was at work, or give it up."""
        alone = len(self._at_work) == 1
        most = max(1, len(self._at_work) // SPLIT)
        for service_id in self._at_work:
            before = self._known.get(service_id, Suspect(most, 0))
            self._known[service_id] = Suspect(min(most, before.most), before.alone + alone)
        noted = {service_id: self._known[service_id] for service_id in self._at_work}
        self._store.memory.note_faults(self._hold.router, noted)
        if not alone:
            return
        ((service_id, work_item),) = self._at_work.items()
        now_ms, message = self._store.records.now_ms(), in_a_line(error)
        failed_before = sum(each.alone >= MAX_ALONE for each in self._known.values())
        if noted[service_id].alone < MAX_ALONE or failed_before > MOST_FAILED:
            self._conclude([self._again(work_item, message, now_ms)])
            return
        detail = f"{message} (a bug: please report it; the log has the traceback)"
        item = _item(self._hold.router, work_item)
        # Should its events be what is broken, nothing is said of them.
        for end in (failed, _without_events):
            try:
                self._conclude([_unsure(end(item, INTERNAL_ERROR, detail, now_ms))])
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("service.not_given_up", service_id=service_id, router=item.router)
            else:
                return

    def _set_aside(self, work_item: WorkItem, now_ms: int) -> Conclusion:
        error = work_item.unread
        item = _item(self._hold.router, work_item)
        if isinstance(error, UnknownFormatError):
            why = Waiting("newer-version", str(error))
            return replace(waiting(item, why, now_ms, self._time_limits), wait_ms=NEWER_MS)
        detail = f"its record cannot be read: {in_a_line(error)}"
        log.error(
            "record.unreadable", service_id=work_item.service_id, reason=detail, exc_info=error
        )
        return failed(item, INTERNAL_ERROR, detail, now_ms)

    def _again(self, work_item: WorkItem, message: str, now_ms: int) -> Conclusion:
        why: dict[str, Any] = {"reason": INTERNAL_ERROR, "detail": message, "since_ms": now_ms}
        if work_item.before is not None and work_item.before.get("reason") == INTERNAL_ERROR:
            why["since_ms"] = work_item.before["since_ms"]
        return _unsure(Conclusion(work_item, "postpone", waiting=json.dumps(why), wait_ms=AGAIN_MS))

    def _conclude(self, ends: Sequence[Conclusion]) -> None:
        self._store.routers.conclude(self._hold.router, self._hold.lock_id, ends)


def _unsure(end: Conclusion) -> Conclusion:
    """The end of one whose look was broken off: something may have been written for it."""
    return replace(end, wrote=True)


def _item(router: str, work_item: WorkItem) -> BatchItem:
    return BatchItem(
        work_item, router, Entry(work_item.service_id, None), None, before=work_item.before
    )


def _without_events(item: BatchItem, reason: str, detail: str, now_ms: int) -> Conclusion:
    """Give a service up as `failed` does, and say nothing of its events."""
    service_id = item.work_item.service_id
    dead_letter = DeadLetter(
        id=f"{service_id}@{item.router}",
        kind="service",
        reason=reason,
        detail=detail,
        service_id=service_id,
        router=item.router,
        at_ms=now_ms,
    )
    why = json.dumps({"reason": reason, "detail": detail, "since_ms": now_ms})
    return Conclusion(item.work_item, "give-up", waiting=why, dead_letters=[dead_letter])
