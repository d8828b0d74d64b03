"""Work items as a pass takes them, and how it concludes them."""

import json
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from worker.core.effect.watch import FIRST_BULK_MS, FIRST_MS, EffectWatch
from worker.core.entry.entry import Claim
from worker.core.entry.wanted import BULK
from worker.core.policy.circuit import RouterState
from worker.core.rows.rows import Identity
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import NO_VALUES, LeftValue
from worker.store.records import Stored, decode_stored, filled, generation_of
from worker.store.router_memory import Known

MOST_BULK: Final = 20
"""Bulk work items of one batch: a live event at the router waits for at most so many."""
REMEMBERED_S: Final = 30.0
"""For so long a process remembers what it wrote and concluded; by then Redis has it."""


class WorkItem(NamedTuple):
    """A service that a pass took.

    Attributes:
        service_id: its id.
        work_version: must be the same when it is concluded.
        priority: 0 first, 3 last.
        stored: its record.
        before: {reason, detail, since_ms, …} if it was not in sync at its last check.
        held: the claims that it holds here; None: not known.
        vacates: it has claims that it does not want any more.
        sent: a write of it may have landed late: the leases that were added and may not have been
            seen; None: no write is in flight.
        sent_again: it came when events were sent again that Redis lost: rows of it may be there
            that no record knows.
        unread: why its record cannot be read here; `stored` has an empty one then.
    """

    service_id: str
    work_version: str
    priority: int
    stored: Stored
    before: Mapping[str, Any] | None = None
    held: frozenset[Claim] | None = None
    vacates: bool = False
    sent: frozenset[Identity] | None = None
    sent_again: bool = False
    unread: Exception | None = None


@dataclass(frozen=True, slots=True)
class Acquired:
    """A locked router, with what is known of it.

    Attributes:
        now_ms: Redis's time.
        state: its state so far.
        work_items: the first batch.
        full: the batch is as large as it may be: there may be more.
        report_due: a report of it was asked for.
        serial: the serial that it is known by, and no other router; None: check it more closely.
        full_read_due: no full read was made for a day.
        booted_ms: when it booted, as of the last full read; None: unknown.
        memory: what earlier passes remember of it.
    """

    now_ms: int
    state: RouterState
    work_items: list[WorkItem] = field(default_factory=list)
    full: bool = False
    report_due: bool = False
    serial: str | None = None
    full_read_due: bool = False
    booted_ms: int | None = None
    memory: Known = field(default_factory=lambda: Known({}, {}))


def unread(state: RouterState) -> Acquired:
    """A locked router of which nothing could be read but its state."""
    return Acquired(0, state)


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker locked the router, its circuit is open, or a person paused it."""


@dataclass(frozen=True, slots=True)
class BulkOnly:
    """Only bulk work is due, which is left to a bulk pass."""


@dataclass(frozen=True, slots=True)
class PolicyDiffers:
    """Another policy than the worker's is applied to the router; `state` is its state before."""

    state: RouterState


Acquisition = Acquired | Busy | BulkOnly | PolicyDiffers
"""The answer to the attempt to lock a router."""


class Batch(NamedTuple):
    """The next batch; empty and released when nothing is due.

    Attributes:
        held: the router is still locked.
        now_ms: Redis's time.
        work_items: the batch.
        more: released, but something is due: a worker was notified.
        full: the batch is as large as it may be: there may be more.
    """

    held: bool
    now_ms: int
    work_items: list[WorkItem]
    more: bool
    full: bool


class Conclusion(NamedTuple):
    """How a batch item ends, after all that was written for it was answered.

    Attributes:
        work_item: as taken.
        result: `confirmed` (in sync), `postponed` (check again in `wait_ms`) or `failed` (dead
            letter).
        record: the new record; None leaves it.
        gone: no row of the service is left on this router.
        outcomes: the outcomes of its pending events.
        waiting: why it is not in sync: {reason, detail, since_ms} as JSON; None clears it.
        wait_ms: for `postponed`.
        dead_letters: dead letters.
        lines: history.
        counts: counters to raise.
        defer_check: with `failed`: writes in flight are checked with the next check for another
            reason, and cause none.
        wrote: something was or may have been written for it, and no record says so.
        quarantine: values of pools that no row has any more: their quarantine begins.
        may_vacate: it may have claims that it does not want any more; without it, it held all of
            its claims when it was taken, and wants just these.
        watch: the change to follow until it acts.
    """

    work_item: WorkItem
    result: Literal["confirmed", "postponed", "failed"]
    record: ServiceRecord | None = None
    gone: bool = False
    outcomes: Sequence[Outcome] = ()
    waiting: str | None = None
    wait_ms: int = 0
    dead_letters: Sequence[DeadLetter] = ()
    lines: Sequence[str] = ()
    counts: Mapping[str, int] = NO_VALUES
    defer_check: bool = False
    wrote: bool = False
    watch: EffectWatch | None = None
    quarantine: Sequence[LeftValue] = ()
    may_vacate: bool = True


class Handled:
    """Services that this process wrote or concluded in the last half minute.

    Redis may fail between the two, and lose what it knew of the service, and of its rows.
    """

    def __init__(self) -> None:
        self._handled: deque[tuple[float, str, str, Sequence[Identity]]] = deque()

    def remember(
        self,
        router: str,
        service_ids: Iterable[str],
        adds: Mapping[str, Sequence[Identity]] | None = None,
    ) -> None:
        """Remember that services were written or concluded now, and which rows are added."""
        now_s, adds = time.monotonic(), adds or {}
        self._handled += [(now_s, router, name, adds.get(name, ())) for name in service_ids]

    def forget_old(self) -> None:
        """Forget what was remembered more than half a minute ago."""
        before = time.monotonic() - REMEMBERED_S
        while self._handled and self._handled[0][0] < before:
            self._handled.popleft()

    def lately(self) -> dict[str, dict[str, list[Identity]]]:
        """Router -> service -> rows that were added; names alone say nothing of a row."""
        found: dict[str, dict[str, list[Identity]]] = {}
        for _, router, service_id, added in sorted([*self._handled], key=itemgetter(2)):
            rows = found.setdefault(router, {}).setdefault(service_id, [])
            rows += [row for row in added if row.address + row.server and row not in rows]
        return found


def conclusion_document(end: Conclusion, store_format: int) -> dict[str, Any]:
    """A `Conclusion` for `conclude.lua`, as `filled` has it.

    The work item gives `service_id`, `work_version`, `generation` and `was_waiting`; a watch is as
    it is stored, and `watch_ms` is how long until it is read first.
    """
    document = filled(end, store_format)
    work_item: WorkItem = document.pop("work_item")
    document |= {
        "service_id": work_item.service_id,
        "work_version": work_item.work_version,
        "generation": work_item.stored.generation,
    }
    if work_item.before or work_item.unread:
        document["was_waiting"] = True
    if end.watch is not None:
        bulk = bool(end.outcomes) and all(outcome.event.bulk for outcome in end.outcomes)
        document["watch"] = end.watch.to_text()
        document["watch_ms"] = FIRST_BULK_MS if bulk else FIRST_MS
    return document


def batch_of(
    raw: Sequence[Sequence[Any]], most: int, most_bulk: int
) -> tuple[list[WorkItem], bool]:
    """A batch as scripts give it (`lua/_take.lua`), and whether it is as large as it may be.

    Then there may be more. An unreadable work item hides no other. `most_bulk`: limit of bulk work
    items; 0: bulk was left alone.
    """
    work_items = [_work_item_of(*values) for values in raw]
    bulk = sum(work_item.priority >= BULK for work_item in work_items)
    return work_items, len(work_items) >= most or 0 < most_bulk <= bulk


def _work_item_of(  # noqa: PLR0913, PLR0917 - the parts of a work item
    service: str,
    work_version: str,
    priority: str,
    text: str | None,
    waiting: str | None,
    held: str,
    sent: str | None,
    sent_again: int,
    vacates: int,
) -> WorkItem:
    try:
        return WorkItem(
            service,
            work_version,
            int(priority),
            decode_stored(service, text),
            before=json.loads(waiting) if waiting else None,
            held=frozenset(Claim(*claim) for claim in json.loads(held)),
            vacates=bool(vacates),
            sent=None if sent is None else frozenset(Identity(*row) for row in json.loads(sent)),
            sent_again=bool(sent_again),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with its service
        generation = generation_of(text)
        stored = Stored(generation, ServiceRecord(service))
        return WorkItem(service, work_version, int(priority), stored, unread=error)


def sent_of(in_flight: str | None) -> frozenset[Identity] | None:
    """The leases that writes in flight added (`lua/_in_flight.lua`); None: none is in flight."""
    if in_flight is None:
        return None
    sent = in_flight.split("|", 2)[2]
    return frozenset(Identity(*row) for row in json.loads(sent or "[]"))
