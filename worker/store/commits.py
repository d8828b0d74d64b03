"""Describes a commit: what `lua/commit.lua` writes for each service in one step."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from contracts import names
from worker.core.entry.brake import Cut
from worker.core.entry.entry import Claim
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import NO_VALUES
from worker.core.service.schedule import CalendarChange
from worker.store.sources import SourceCount, SupersededAlarm

CONTENT_KEPT: Final = 12
"""Characters of the hash of an event's content that the store remembers."""


class EventCommit(NamedTuple):
    """One event that came; the commit removes it from the journal.

    Attributes:
        key: the event's key.
        lane: the journal that it leaves; None: it came without one.
        counter: to raise: `accepted`, `duplicate`, `superseded`, `rejected`, …; empty: it was
            counted before.
        outcome: its outcome; None leaves an earlier one as it is.
        content_hash: its first `CONTENT_KEPT` characters, remembered for 31 days to tell a
            duplicate from a reused id; None: not remembered.
        in_feed_only: the outcome appears in the feed alone: that of another event with its key
            stands.
        listed: it becomes one of the last events of its service; else it changed nothing, and its
            outcome is kept for an hour.
        unknown_source: the inventory does not list its source: the outcome appears in the feed of
            all unknown sources.
        refused: it was rejected, and is kept as one of the refused events of this source (empty:
            unknown sources), not as an event of its service; None: it was not rejected.
    """

    key: str
    lane: names.Lane | None
    counter: str
    outcome: Outcome | None = None
    content_hash: str | None = None
    in_feed_only: bool = False
    listed: bool = True
    unknown_source: bool = False
    refused: str | None = None


class TakenValue(NamedTuple):
    """An address or prefix in normal form that a service gets; else the commit fails.

    `is_fixed`: an event names it: it may be one that nobody has, but is kept for another.
    """

    value: str
    pool: str
    is_fixed: int = 0


LEFT: Final = -1
"""Instead of a time: a value was given back, and its row may still stand (`lua/_pools.lua`)."""


class GivenBack(NamedTuple):
    """A value that a service gives back, and until when (ms) others do not get it; or `LEFT`."""

    value: str
    pool: str
    until_ms: int


class ServiceCommit(NamedTuple):
    """One service's part of a commit; without a record it only sets outcomes of events.

    Attributes:
        service_id: the service; empty for events that name none.
        generation: of the record that this was folded from; another one stops the commit.
        record: the new record; None writes none.
        claims: router -> all claims of the service there; it loses those that it held beyond.
        work_items: router -> priority (0 first, 3 last).
        cut: the loss that the brake counts; None: the service was not folded.
        ownership_changes: source -> by how many its number of living services changes.
        calendar: changes of the lists of scheduled events.
        due_ms: when its next scheduled event takes effect or its lease time changes, 0 for neither;
            None leaves it as it is.
        events: the events that came.
        outcomes: new outcomes of events of earlier commits.
        counts: further counters to raise.
        lines: history, newest last.
        source_counts: source -> what came of its events.
        names: routers that the record names for the first time. If one of them is a former name by
            now, the commit is stopped: a rename was faster.
        take: values of pools that it gets with the record; if another has one, the commit is
            stopped.
        give_back: values that it gives back with the record.
        pool_waits: pools for which it waits from now on (1), or no longer (0).
    """

    service_id: str
    generation: int = 0
    record: ServiceRecord | None = None
    claims: Mapping[str, frozenset[Claim]] = NO_VALUES
    work_items: Mapping[str, int] = NO_VALUES
    cut: Cut | None = None
    ownership_changes: Mapping[str, int] = NO_VALUES
    calendar: Sequence[CalendarChange] = ()
    due_ms: int | None = None
    events: Sequence[EventCommit] = ()
    outcomes: Sequence[Outcome] = ()
    counts: Mapping[str, int] = NO_VALUES
    dead_letters: Sequence[DeadLetter] = ()
    lines: Sequence[str] = ()
    source_counts: Mapping[str, SourceCount] = NO_VALUES
    names: Collection[str] = ()
    take: Sequence[TakenValue] = ()
    give_back: Sequence[GivenBack] = ()
    pool_waits: Sequence[tuple[str, int]] = ()


class Committed(NamedTuple):
    """The result of commits.

    Attributes:
        done: which were committed (False: another worker was faster).
        braked: scope of a limit of the brake -> how many work items it holds by this.
        approved: how many work items the brake holds no longer.
        alarms: sources for which an alarm begins or ends.
        drained: nothing is due in the journal of the lane that was asked about.
        generation: of the records that were written.
    """

    done: list[bool]
    braked: dict[str, int]
    approved: int = 0
    alarms: Sequence[SupersededAlarm] = ()
    drained: bool = False
    generation: int = 0
