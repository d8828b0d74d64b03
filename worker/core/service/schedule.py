"""The schedule of a service: events that take effect later, and how earlier ones ended."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import JsonValue

from worker.core.service.version import Version

MAX_PENDING: Final = 50
"""Most scheduled events of one service; one more is rejected."""
MAX_ENDED: Final = 100
ENDED_MS: Final = 40 * 86_400_000
"""How the newest 100 scheduled events of a service ended is kept for 40 days: as long as event ids
are, and longer than an outbox repeats them."""


class Scheduled(NamedTuple):
    """A scheduled event.

    Attributes:
        key: its name in the store (`contracts.event_key`).
        event_id: as its source named it.
        source: that sent it.
        type: its full type.
        at_ms: when it takes effect, in milliseconds since 1970, rounded up.
        version: of the event when it was accepted.
        accepted_at_ms: by the store's clock.
        own: the registers that it is about, with their new values.
        beside: the registers that it only mentions.
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
    """How a scheduled event ended, or that its id was withdrawn before it came.

    Attributes:
        event_id: of the event.
        how: `released` (it took effect), `superseded` by a newer event, or `withdrawn`.
        by: id of the event that ended it; empty: not known.
        ended_at_ms: when it ended.
        key: of the event; empty: it has not come.
        type: the same.
        at_ms: when it was to take effect; 0: not known.
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
    """The schedule of one service.

    Attributes:
        pending: events that wait, in the order in which they take effect.
        ended: events that are remembered, oldest first.
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
        """Return whether an event waits or ended recently."""
        return any(event.key == key for event in self.pending) or any(
            end.key == key for end in self.ended
        )

    def withdrawn_by(self, event_id: str) -> str | None:
        """Return the id of the event that withdrew another one; None: it was not withdrawn."""
        found = (e.by for e in self.ended if e.how == "withdrawn" and e.event_id == event_id)
        return next(found, None)

    def with_pending(self, new: Scheduled) -> "Schedule":
        """Add an event; of two at the same time the one with the greater version comes last."""
        pending = sorted((*self.pending, new), key=lambda event: (event.at_ms, event.version))
        return Schedule(tuple(pending), self.ended)

    def with_ended(self, new: Collection[Ended], now_ms: int) -> "Schedule":
        """End events, and forget the oldest ended ones."""
        gone = {end.key for end in new if end.key}
        pending = tuple(event for event in self.pending if event.key not in gone)
        kept = [end for end in self.ended if end.ended_at_ms > now_ms - ENDED_MS]
        return Schedule(pending, (*kept, *new)[-MAX_ENDED:])

    def to_values(self) -> list[Any]:
        """Return values for JSON."""
        return [self.pending, self.ended]

    @classmethod
    def from_values(cls, values: list[Any]) -> Self:
        """Read `to_values` back from JSON."""
        pending, ended = values
        return cls(
            tuple(_scheduled(fields) for fields in pending), tuple(Ended(*end) for end in ended)
        )


NOTHING_SCHEDULED: Final = Schedule()


def ended_of(
    event: Scheduled, how: Literal["released", "superseded", "withdrawn"], by: str, now_ms: int
) -> Ended:
    """Return the end of a scheduled event."""
    return Ended(event.event_id, how, by, now_ms, event.key, event.type, event.at_ms)


def _scheduled(fields: list[Any]) -> Scheduled:
    read = Scheduled(*fields)
    return read._replace(version=Version(*read.version))
