"""Events that are to take effect later: what a record keeps of them until then, and after."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import JsonValue

from worker.core.service.version import Version

MAX_PENDING: Final = 50
"""Scheduled events of one service; one more is rejected."""
MAX_ENDED: Final = 100
ENDED_MS: Final = 40 * 86_400_000
"""What became of scheduled events is remembered for 40 days, of 100 a service, the newest: as long
as event ids are, and longer than an outbox sends again."""


class Scheduled(NamedTuple):
    """An event that waits for its time.

    Attributes:
        key: its name in the store (`contracts.event_key`).
        event_id: as its source named it.
        source: who sent it.
        type: its full type.
        at_ms: when it takes effect, in milliseconds since 1970, rounded up.
        version: of the event, as it was accepted.
        accepted_at_ms: when, by the store's clock.
        own: registers that it is about, with the values that it gives them.
        beside: registers that it only mentions.
    """

    key: str
    event_id: str
    source: str
    type: str
    at_ms: int
    version: Version
    accepted_at_ms: int
    own: Mapping[str, JsonValue]
    beside: Mapping[str, JsonValue]


class Ended(NamedTuple):
    """What became of a scheduled event, or of an id that was withdrawn before its event came.

    Attributes:
        event_id: of the event.
        how: `released` (it took effect), `superseded` by a newer event, or `withdrawn`.
        by: id of the event that did it; empty where that is not known.
        ended_at_ms: when.
        key: of the event; empty: it has not come.
        type: likewise.
        at_ms: likewise, when it was to take effect; 0: not known.
    """

    event_id: str
    how: Literal["released", "superseded", "withdrawn"]
    by: str
    ended_at_ms: int
    key: str = ""
    type: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Of one service.

    Attributes:
        pending: what waits, in the order in which it takes effect.
        ended: what is remembered, oldest first.
    """

    pending: tuple[Scheduled, ...] = ()
    ended: tuple[Ended, ...] = ()

    @property
    def next_ms(self) -> int:
        """When the next event takes effect; 0: none waits."""
        return self.pending[0].at_ms if self.pending else 0

    def due(self, now_ms: int) -> tuple[Scheduled, ...]:
        """The events whose time has come, in the order in which they take effect."""
        return tuple(each for each in self.pending if each.at_ms <= now_ms)

    def knows(self, key: str) -> bool:
        """Whether an event waits, or has ended not long ago."""
        return key in {each.key for each in self.pending} | {each.key for each in self.ended}

    def withdrawn_by(self, event_id: str) -> str | None:
        """Id of the event that withdrew another one; None: it was not withdrawn."""
        found = (e.by for e in self.ended if e.how == "withdrawn" and e.event_id == event_id)
        return next(found, None)

    def with_pending(self, new: Scheduled) -> "Schedule":
        """One more event; of two with one time the one with the greater version comes last."""
        pending = sorted((*self.pending, new), key=lambda each: (each.at_ms, each.version))
        return Schedule(tuple(pending), self.ended)

    def with_ended(self, new: Collection[Ended], now_ms: int) -> "Schedule":
        """Events that ended no longer wait; the oldest that are remembered go."""
        gone = {each.key for each in new if each.key}
        pending = tuple(each for each in self.pending if each.key not in gone)
        kept = [each for each in self.ended if each.ended_at_ms > now_ms - ENDED_MS]
        return Schedule(pending, (*kept, *new)[-MAX_ENDED:])

    def to_values(self) -> list[Any]:
        """As values of JSON."""
        return [self.pending, self.ended]

    @classmethod
    def from_values(cls, values: list[Any]) -> Self:
        """Read what `to_values` gave, after its way through JSON."""
        pending, ended = values
        return cls(
            tuple(_scheduled(fields) for fields in pending), tuple(Ended(*each) for each in ended)
        )


NOTHING_SCHEDULED: Final = Schedule()


def ended_of(
    event: Scheduled, how: Literal["released", "superseded", "withdrawn"], by: str, now_ms: int
) -> Ended:
    """What is remembered of an event that waited."""
    return Ended(event.event_id, how, by, now_ms, event.key, event.type, event.at_ms)


def _scheduled(fields: list[Any]) -> Scheduled:
    read = Scheduled(*fields)
    return read._replace(version=Version(*read.version))
