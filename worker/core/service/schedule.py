"""Scheduled events: what a record keeps of them until they take effect, and after."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import JsonValue

from worker.core.service.event_ref import EventRef, Version

CalendarList = Literal["all", "cut_off", "resumed", "moved", "other", "ended"]
"""A list of scheduled events by time: all that wait, those of them that do one thing, and
those that were superseded or withdrawn."""
_DOES: Final[Mapping[str, CalendarList]] = {
    "leasewire.service.resumed.v1": "resumed",
    "leasewire.service.moved.v1": "moved",
}
MAX_PENDING: Final = 50
"""Most scheduled events of one service; one more is rejected."""
MAX_ENDED: Final = 100
ENDED_MS: Final = 40 * 86_400_000
"""How the newest 100 scheduled events of a service ended is kept for 40 days: as long as event ids
are, and longer than an outbox repeats them."""


class Scheduled(NamedTuple):
    """An event that takes effect later.

    Attributes:
        at_ms: when it takes effect, in milliseconds since 1970, rounded up.
        version: of the event, as it was accepted.
        own: registers that it is about, with the values that it gives them, as `to_keep` has them.
        beside: registers that it only mentions, likewise.
    """

    event: EventRef
    at_ms: int
    version: Version
    own: Mapping[str, JsonValue]
    beside: Mapping[str, JsonValue]

    @property
    def does(self) -> CalendarList:
        """What becomes of the customer: `cut_off`, `resumed`, `moved` or `other`."""
        if self.own.get("lifecycle") == "cancelled" or self.own.get("suspension") is not None:
            return "cut_off"
        return _DOES.get(self.event.type, "other")


def to_keep(writes: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Return the writes as a scheduled event keeps them: a block without further devices has none.

    So a version that knows no `devices` reads it. A block of a source that leaves them to others
    has None. Only blocks write the label; one without it is kept as it is.
    """
    if "label" not in writes:
        return writes
    devices = writes.get("devices")
    kept = {name: value for name, value in writes.items() if name != "devices"}
    return kept if devices == [] else {**kept, "devices": devices}


def as_said(kept: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Return the writes of an event; `to_keep` reversed."""
    devices = kept.get("devices", [] if "label" in kept else None)
    writes = {name: value for name, value in kept.items() if name != "devices"}
    return writes if devices is None else {**writes, "devices": devices}


class Ended(NamedTuple):
    """How a scheduled event ended, or an id that was withdrawn before its event came.

    Attributes:
        how: `released` (it took effect), `superseded` by a newer event, or `withdrawn`.
        by: id of the event that ended it; empty where that is not known.
        key: key of the event; empty: it has not come.
        type: type of the event; empty: it has not come.
        at_ms: when it was to take effect; 0: it has not come.
    """

    event_id: str
    how: Literal["released", "superseded", "withdrawn"]
    by: str
    ended_at_ms: int
    key: str = ""
    type: str = ""
    at_ms: int = 0


class Schedule(NamedTuple):
    """The scheduled events of one service.

    Attributes:
        pending: in the order in which they take effect.
        ended: those that ended lately, oldest first.
    """

    pending: tuple[Scheduled, ...] = ()
    ended: tuple[Ended, ...] = ()

    @property
    def next_ms(self) -> int:
        """When the next event takes effect; 0: none waits."""
        return self.pending[0].at_ms if self.pending else 0

    def due(self, now_ms: int) -> tuple[Scheduled, ...]:
        """Return the events whose time has come, in order."""
        return tuple(event for event in self.pending if event.at_ms <= now_ms)

    def knows(self, key: str) -> bool:
        """Whether an event waits, or has ended not long ago."""
        return key in {each.event.key for each in self.pending} | {e.key for e in self.ended}

    def withdrawn_by(self, event_id: str) -> str | None:
        """Return the id of the event that withdrew another one; None: it was not withdrawn."""
        found = (e.by for e in self.ended if e.how == "withdrawn" and e.event_id == event_id)
        return next(found, None)

    def with_pending(self, new: Scheduled) -> "Schedule":
        """Add an event; of two at the same time the one with the greater version comes last."""
        pending = sorted((*self.pending, new), key=lambda event: (event.at_ms, event.version))
        return Schedule(tuple(pending), self.ended)

    def with_ended(self, new: Collection[Ended], now_ms: int) -> "Schedule":
        """Events that ended no longer wait; the oldest that are remembered go."""
        gone = {each.key for each in new if each.key}
        pending = tuple(each for each in self.pending if each.event.key not in gone)
        kept = [each for each in self.ended if each.ended_at_ms > now_ms - ENDED_MS]
        return Schedule(pending, (*kept, *new)[-MAX_ENDED:])

    @classmethod
    def from_values(cls, pending: Sequence[Any], ended: Sequence[Any]) -> Self:
        """Make one of its values as JSON has them."""
        return cls(tuple(_scheduled(*each) for each in pending), tuple(Ended(*e) for e in ended))


NOTHING_SCHEDULED: Final = Schedule()


def ended_of(
    event: Scheduled, how: Literal["released", "superseded", "withdrawn"], by: str, now_ms: int
) -> Ended:
    """What is remembered of an event that waited."""
    ref = event.event
    return Ended(ref.id, how, by, now_ms, ref.key, ref.type, event.at_ms)


class CalendarChange(NamedTuple):
    """A change of a list of scheduled events.

    Attributes:
        at_ms: when the event takes effect, or would have; 0: it is not in the list any more.
    """

    name: CalendarList
    at_ms: int
    key: str


def calendar_changes(before: Schedule, after: Schedule) -> list[CalendarChange]:
    """What changes in the lists when a service's schedule does."""
    if before == after:
        return []
    was = {scheduled.event.key: scheduled for scheduled in before.pending}
    now = {scheduled.event.key: scheduled for scheduled in after.pending}
    changes = [
        CalendarChange(name, 0, key)
        for key in was.keys() - now.keys()
        for name in ("all", was[key].does)
    ]
    changes += [
        CalendarChange(name, now[key].at_ms, key)
        for key in now.keys() - was.keys()
        for name in ("all", now[key].does)
    ]
    known = set(before.ended)
    changes += [
        CalendarChange("ended", end.at_ms, end.key)
        for end in after.ended
        if end not in known and end.key and end.how != "released"
    ]
    return sorted(changes)


def _scheduled(event: Any, at_ms: int, version: Any, own: Any, beside: Any) -> Scheduled:  # noqa: ANN401 - of JSON
    return Scheduled(EventRef(*event), at_ms, Version(*version), own, beside)
