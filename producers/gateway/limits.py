"""How much is taken in: a rate for each key, and a depth of each lane's journal for all.

Who calls it: the gateway. "Too many" for a rate is the caller's affair (429), a full journal is
ours (503).
"""

import math
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from redis import Redis
from redis.exceptions import RedisError

from contracts.intake import is_closed
from contracts.names import INTAKE_DEPTH, QUEUE_EVENTS, Lane, journal_body
from producers.gateway.problems import Refused
from producers.gateway.redis_keys import probe
from producers.gateway.trouble import told
from producers.redis_words import refuses_us

_MOST_BUCKETS: Final = 10_000
"""Strangers are told apart by their addresses, of which there is no end."""


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
            words = f"this sender may hand in {key.rate:g} a second: wait {wait_s} s"
            raise Refused("rate-limited", words, retry_after_s=wait_s)
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

    def room(self) -> bool:
        """Look at the journal; after it was full there is room again below `REOPENS`.

        Raises:
            RedisError: it cannot be looked at.
        """
        depth = self._redis.hlen(journal_body(self._prefix, self._lane))
        self._closed = is_closed(depth, self._limit, closed=self._closed)
        return not self._closed

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
            return "" if self.look() else self.words
        except RedisError as error:
            words = told(error)
            return words if refuses_us(error) else f"{words}: {type(error).__name__}"

    @property
    def words(self) -> str:
        """What to say when there is no room."""
        more = f"the journal of {self._lane} holds {self._limit} events or more"
        return f"{more}: the workers must drain it first"
