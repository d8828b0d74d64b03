"""Source counters: how many events came of each source, and how many were superseded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.store.connection import StorePart

WINDOW: Final = 200
"""Recent events of a source that count: about the last one to two hundred."""
LEAST: Final = 50
"""Fewer events raise no alarm: a late message or two are normal."""
ALARM_SHARE: Final = 0.5
KNOWN_MS: Final = 15_000
"""After so long without a sign a worker has ended, or no longer lists the source."""
CALM_SHARE: Final = 0.25


class SourceCount(NamedTuple):
    """How many events of a source came, and how many of them newer events had superseded."""

    events: int
    superseded: int


class SupersededAlarm(NamedTuple):
    """A source of which most recent events are superseded, or no longer are (`up` false)."""

    source: str
    up: bool
    events: int
    superseded: int

    def fields(self) -> dict[str, object]:
        """As log fields."""
        return {"source": self.source, "recent": self.events, "superseded": self.superseded}


@dataclass(frozen=True, slots=True)
class SourceView:
    """The counters of a source since this Redis began.

    Attributes:
        services: that it owns and that are not cancelled.
        events: folded or scheduled events, without duplicates.
        superseded: events of which newer ones held every register when they came.
        last_ms: when the last one came, by Redis's clock; 0: none.
        alarm_ms: since when most of its recent events are superseded; 0: they are not.
    """

    services: int = 0
    events: int = 0
    superseded: int = 0
    last_ms: int = 0
    alarm_ms: int = 0


class Sources(StorePart):
    """Reads the counters; commits count (`records.py`)."""

    def save_known(self, sources: Iterable[str]) -> None:
        """Note that a living worker has these in its inventory; called each second."""
        known = self._keys.sources_known
        now_ms = self.now_ms()
        pipe = self._client.pipeline(transaction=False)
        pipe.zremrangebyscore(known, "-inf", now_ms - KNOWN_MS)
        if at := dict.fromkeys(sources, now_ms):
            pipe.zadd(known, at)
        pipe.execute()

    def is_known(self, source: str) -> bool:
        """Whether a worker noted lately that its inventory has the source."""
        try:
            source.encode()
        except UnicodeEncodeError:
            return False
        at_ms = self._client.zscore(self._keys.sources_known, source)
        return at_ms is not None and self.now_ms() - at_ms < KNOWN_MS

    def owners(self) -> set[str]:
        """The sources that own services, or did."""
        return self._client.smembers(self._keys.owners)

    def views(self, sources: Sequence[str]) -> dict[str, SourceView]:
        """The counters of sources."""
        key = self._keys.source
        found = self._asked(sources, lambda pipe, source: pipe.hgetall(key(source)))
        return {
            source: SourceView(**{name: int(raw.get(name, 0)) for name in SourceView.__slots__})
            for source, raw in found
        }
