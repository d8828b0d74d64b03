"""How the sources are doing: what came of each, and how much of it was overtaken already."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import redis

from worker.store.connection import redis_now_ms
from worker.store.keys import Keys

WINDOW: Final = 200
"""Recent events that count: about the last hundred or two of a source."""
LEAST: Final = 50
"""Fewer tell nothing: a late message or two are no trouble."""
ALARM_SHARE: Final = 0.5
KNOWN_MS: Final = 15_000
"""Whoever said for longer no more that it knows a source has ended, or knows it no more."""
CALM_SHARE: Final = 0.25


class SourceCount(NamedTuple):
    """A kind of event: of a source, and whether newer ones held all that it said."""

    source: str
    superseded: bool


class Crossing(NamedTuple):
    """A source of which most recent events are superseded, or no longer (`up` false)."""

    source: str
    up: bool
    events: int
    superseded: int

    def fields(self) -> dict[str, object]:
        """As log fields."""
        return {"source": self.source, "recent": self.events, "superseded": self.superseded}


@dataclass(frozen=True, slots=True)
class SourceView:
    """What came of a source since this Redis began.

    Attributes:
        events: that were folded or scheduled; duplicates are not counted again.
        superseded: of which newer events held everything when they came.
        last_ms: when the last one came, by Redis's clock; 0: none.
        alarm_ms: since when most of its recent events are superseded; 0: they are not.
    """

    events: int = 0
    superseded: int = 0
    last_ms: int = 0
    alarm_ms: int = 0


class Sources:
    """Reads the counts; a commit counts (`records.py`)."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def save_known(self, sources: Iterable[str]) -> None:
        """A living worker has these in its inventory; called each second."""
        known = self._keys.sources_known
        now_ms = redis_now_ms(self._client)
        pipe = self._client.pipeline(transaction=False)
        pipe.zremrangebyscore(known, "-inf", now_ms - KNOWN_MS)
        if at := dict.fromkeys(sources, now_ms):
            pipe.zadd(known, at)
        pipe.execute()

    def is_known(self, source: str) -> bool:
        """Whether a worker said so lately that its inventory has the source."""
        try:
            source.encode()
        except UnicodeEncodeError:
            return False
        at_ms = self._client.zscore(self._keys.sources_known, source)
        return at_ms is not None and redis_now_ms(self._client) - at_ms < KNOWN_MS

    def view(self, source: str) -> SourceView:
        """What came of one source."""
        raw = cast("dict[str, str]", self._client.hgetall(self._keys.source(source)))
        return SourceView(**{name: int(raw.get(name, 0)) for name in SourceView.__slots__})
