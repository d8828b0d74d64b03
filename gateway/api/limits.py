"""How much is taken in: a rate for each key, and a depth of each lane's journal for all.

"Too many" for a rate is the caller's affair (429), a full journal is ours (503).
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol, cast

from redis import Redis
from redis.exceptions import RedisError

from contracts.intake import REOPENS, is_closed
from contracts.names import INTAKE_DEPTH, QUEUE_EVENTS, Lane, journal_body
from gateway.api.problems import Refused
from gateway.api.redis_failure import notified
from gateway.api.redis_keys import probe
from producers.journal_transport import refuses_us

_MOST_BUCKETS: Final = 10_000
"""Strangers are told apart by their addresses, of which there is no end."""


SOURCES_SHARE: Final = 0.5
"""Of the depth that one source may hold: the backlog of one must not close intake for all."""
_SAMPLE: Final = 200
_CHECK_EVERY_S: Final = 1.0


class Limited(Protocol):
    """Whoever has a rate: an API key, a webhook, who signs wrongly."""

    @property
    def id(self) -> str:
        """Its bucket's name."""

    @property
    def rate(self) -> float:
        """Events a second."""


class Rates:
    """Token buckets, one a key and lane, in this process. A batch may go into debt, once.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, Lane], tuple[float, float]] = {}

    def spend(self, key: Limited, events: int = 1, lane: Lane = QUEUE_EVENTS) -> None:
        """Take as many from the key's bucket of a lane: an import must not hold up live events.

        Raises:
            Refused: `rate-limited`; it is still in debt.
        """
        now = self._clock()
        bucket = key.id, lane
        if bucket not in self._buckets and len(self._buckets) >= _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        left, at = self._buckets.get(bucket, (key.rate, now))
        left = min(key.rate, left + (now - at) * key.rate)
        if left <= 0:
            self._buckets[bucket] = (left, now)
            wait_s = max(1, math.ceil(-left / key.rate))
            message = f"this sender may hand in {key.rate:g} a second: wait {wait_s} s"
            raise Refused("rate-limited", message, retry_after_s=wait_s)
        self._buckets[bucket] = (left - events, now)


class Depth:
    """Whether the journal of a lane has room.

    Args:
        redis: the server.
        prefix: before every key.
        limit: entries from which on it has none.
        lane: which.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        limit: int = INTAKE_DEPTH,
        lane: Lane = QUEUE_EVENTS,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._limit = limit
        self._lane = lane
        self._closed = False
        self._depth = 0
        self._crowding: frozenset[str] = frozenset()
        self._looked_at = 0.0

    def room(self) -> bool:
        """Look at the journal; after it was full there is room again below `REOPENS`.

        Raises:
            RedisError: it cannot be looked at.
        """
        self._depth = self._redis.hlen(journal_body(self._prefix, self._lane))
        self._closed = is_closed(self._depth, self._limit, closed=self._closed)
        return not self._closed

    def crowding(self) -> frozenset[str]:
        """Sources of which half of the limit waits at the last `room`, to a few per cent.

        Each of them is let in again when less than `REOPENS` of that waits. Imports are of one
        source each, and nobody waits for them: in their lane there is none.

        Raises:
            RedisError: it cannot be looked at.
        """
        share = self._limit * SOURCES_SHARE
        if self._lane != QUEUE_EVENTS or self._depth < share * REOPENS:
            self._crowding = frozenset()
        elif monotonic() - self._looked_at >= _CHECK_EVERY_S:
            self._looked_at = monotonic()
            held = self._held_by_sources()
            self._crowding = frozenset(
                source
                for source, depth in held.items()
                if is_closed(depth, share, closed=source in self._crowding)
            )
        return self._crowding

    def _held_by_sources(self) -> dict[str, float]:
        """How many events of each source wait, by a sample: counting all would hold Redis up."""
        body = journal_body(self._prefix, self._lane)
        keys = cast("list[str]", self._redis.hrandfield(body, _SAMPLE))
        texts = [text for text in self._redis.hmget(body, keys) if text] if keys else []
        counts = Counter(str(json.loads(text)["source"]) for text in texts)
        return {source: n / len(texts) * self._depth for source, n in counts.items()}

    def look(self) -> bool:
        """Write to Redis, and say whether there is room.

        Raises:
            RedisError: it takes no writes.
        """
        self._redis.set(probe(self._prefix), "1", px=1000)
        return self.room()

    def why_not_ready(self) -> str:
        """Why nothing can be taken in now; empty when it can."""
        try:
            return "" if self.look() else self.message
        except RedisError as error:
            message = notified(error)
            return message if refuses_us(error) else f"{message}: {type(error).__name__}"

    @property
    def message_for_sources(self) -> str:
        """What to say to a source that crowds others."""
        return f"half of the events that may wait in the journal of {self._lane} are of this source"

    @property
    def message(self) -> str:
        """What to say when there is no room."""
        more = f"the journal of {self._lane} holds {self._limit} events or more"
        return f"{more}: the workers must drain it first"
