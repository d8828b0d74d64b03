"""What is taken of a router and how it is given back: marks, batches, conclusions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from worker.core.entry.entry import Claim
from worker.core.entry.wanted import BULK
from worker.core.policy.circuit import RouterState
from worker.core.rows.rows import Identity
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.store.records import Stored, decode_stored, generation_of
from worker.store.router_memory import Known

MOST_BULK: Final = 20
"""Bulk marks of one batch at the most: a live event at the router waits for no more of them."""


class WorkItem(NamedTuple):
    """A service that was taken to be looked at.

    Attributes:
        service_id: its id.
        work_version: must still stand at the end.
        priority: 0 first, 3 last.
        stored: its record.
        before: {reason, detail, since_ms, …} if it was not in sync at its last look.
        held: all that it holds here, if it holds that strongly; None: it must ask for its claims.
        sent: a write of it may have landed late: the leases that were added and maybe not seen;
            None: nothing of the kind is noted.
        unread: why its record, which is an empty one then, cannot be read here.
    """

    service_id: str
    work_version: str
    priority: int
    stored: Stored
    before: Mapping[str, Any] | None = None
    held: frozenset[Claim] | None = None
    sent: frozenset[Identity] | None = None
    unread: Exception | None = None


@dataclass(frozen=True, slots=True)
class Acquired:
    """A router that is ours, with what is known of it.

    Attributes:
        now_ms: Redis's time.
        state: so far.
        work_items: the first batch.
        full: it is as large as it was to be at the most: there may be more.
        report_due: a report of it is to be made.
        serial: that it is known by, and no other router; None: it must be looked at more closely.
        full_read_due: its rows were not looked through for a day.
        booted_ms: when, as its last survey found; None: that is not known.
        memory: what is remembered of it.
    """

    now_ms: int
    state: RouterState
    work_items: list[WorkItem]
    full: bool
    report_due: bool
    serial: str | None
    full_read_due: bool
    booted_ms: int | None
    memory: Known


def unread(state: RouterState) -> Acquired:
    """A router that is ours, of which nothing could be read but its state."""
    return Acquired(
        now_ms=0,
        state=state,
        work_items=[],
        full=False,
        report_due=False,
        serial=None,
        full_read_due=False,
        booted_ms=None,
        memory=Known({}, {}),
    )


def is_full(work_items: Sequence[WorkItem], most: int, most_bulk: int = MOST_BULK) -> bool:
    """Whether a batch is as large as it may be, so that there may be more.

    Args:
        work_items: the batch.
        most: marks that it might have.
        most_bulk: bulk marks that it might have; 0: it was to have none.
    """
    bulk = sum(work_item.priority >= BULK for work_item in work_items)
    return len(work_items) >= most or 0 < most_bulk <= bulk


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker holds the router, its circuit is open, or a person paused it."""


@dataclass(frozen=True, slots=True)
class BulkOnly:
    """Only bulk work is due, which is left to a bulk pass."""


@dataclass(frozen=True, slots=True)
class PolicyDiffers:
    """Another policy than the worker's was applied to the router.

    Attributes:
        state: of the router before.
    """

    state: RouterState


Acquisition = Acquired | Busy | BulkOnly | PolicyDiffers
"""What came of the attempt to take a router."""


class Batch(NamedTuple):
    """The next batch; empty and released when nothing is due.

    Attributes:
        held: the router is ours still.
        now_ms: Redis's time.
        work_items: the batch.
        more: released, and something is due: somebody is called for it.
        full: it is as large as it was to be at the most: there may be more.
    """

    held: bool
    now_ms: int
    work_items: list[WorkItem]
    more: bool
    full: bool


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How the look at one service ends, after all that was written for it was answered.

    Attributes:
        work_item: as taken.
        do: `confirm` (in sync), `postpone` (look again in `wait_ms`) or `give-up` (dead letter).
        record: the new record; None leaves it.
        gone: no row of the service is left on this router.
        outcomes: the words on its outstanding events.
        waiting: why it is not in sync: {reason, detail, since_ms} as JSON; None clears it.
        wait_ms: for `postpone`.
        dead_letters: dead letters.
        lines: history.
        counts: counters that go up.
        rest_check: with `give-up`, what may be under way is checked with the next check for
            another reason, and is none itself.
        wrote: something was, or may have been, written for it, and no record says so.
        brief: keys of the events that changed nothing: the word on them lives for an hour.
        awaiting_device: the event of which it is to be said when its device is seen in use.
    """

    work_item: WorkItem
    do: Literal["confirm", "postpone", "give-up"]
    record: ServiceRecord | None = None
    gone: bool = False
    outcomes: Sequence[Outcome] = ()
    waiting: str | None = None
    wait_ms: int = 0
    dead_letters: Sequence[DeadLetter] = ()
    lines: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    rest_check: bool = False
    wrote: bool = False
    awaiting_device: Outcome | None = None
    brief: frozenset[str] = frozenset()


def work_items_of(raw: Sequence[Sequence[Any]]) -> list[WorkItem]:
    """Marks as scripts give them (`lua/_take.lua`); one that cannot be read hides no other."""
    return [_work_item_of(*each) for each in raw]


def _work_item_of(  # noqa: PLR0913, PLR0917 - the parts of a mark
    service: str,
    work_version: str,
    priority: str,
    text: str | None,
    waiting: str | None,
    held: str | None,
    sent: str | None,
) -> WorkItem:
    try:
        return WorkItem(
            service,
            work_version,
            int(priority),
            decode_stored(service, text),
            before=json.loads(waiting) if waiting else None,
            held=None if held is None else frozenset(Claim(*each) for each in json.loads(held)),
            sent=None if sent is None else frozenset(Identity(*each) for each in json.loads(sent)),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its service
        generation = generation_of(text)
        stored = Stored(generation, ServiceRecord(service))
        return WorkItem(service, work_version, int(priority), stored, unread=error)


def sent_of(note: str | None) -> frozenset[Identity] | None:
    """The leases that a note in flight says were added (`lua/_notes.lua`); None without a note."""
    if note is None:
        return None
    sent = "".join(note.split("|", 2)[2:])  # earlier versions wrote none
    return frozenset(Identity(*each) for each in json.loads(sent or "[]"))
