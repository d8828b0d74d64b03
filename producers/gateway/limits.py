"""How much is taken in: a rate for each key, and a depth of the journal for all.

Who calls it: the gateway. "Too many" for a rate is the caller's affair (429), a full journal is
ours (503).
"""

import math
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from contracts.intake import is_closed
from contracts.names import INTAKE_DEPTH, QUEUE_EVENTS, journal_body
from producers.gateway.problems import Refused
from producers.gateway.redis_keys import probe
from producers.gateway.trouble import told
from producers.redis_words import refuses_us


class Limited(Protocol):
    """Whoever has a rate: an API key, a webhook."""

    @property
    def id(self) -> str:
        """Its bucket's name."""

    @property
    def rate(self) -> float:
        """Events a second."""


class Rates:
    """Token buckets, one a key, in this process. A batch may go into debt, once.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, key: Limited, events: int = 1) -> None:
        """Take as many from the key's bucket.

        Raises:
            Refused: `rate-limited`; it is still in debt.
        """
        now = self._clock()
        left, at = self._buckets.get(key.id, (key.rate, now))
        left = min(key.rate, left + (now - at) * key.rate)
        if left <= 0:
            self._buckets[key.id] = (left, now)
            wait_s = max(1, math.ceil(-left / key.rate))
            words = f"this sender may hand in {key.rate:g} a second: wait {wait_s} s"
            raise Refused("rate-limited", words, retry_after_s=wait_s)
        self._buckets[key.id] = (left - events, now)


class Depth:
    """Whether the journal of live events has room.

    Args:
        redis: the server.
        prefix: before every key.
        limit: entries from which on it has none.
    """

    def __init__(self, redis: Redis, prefix: str, limit: int = INTAKE_DEPTH) -> None:
        self._redis = redis
        self._prefix = prefix
        self._limit = limit
        self._closed = False

    def room(self) -> bool:
        """Look at the journal; after it was full there is room again below `REOPENS`.

        Raises:
            RedisError: it cannot be looked at.
        """
        depth = self._redis.hlen(journal_body(self._prefix, QUEUE_EVENTS))
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
        return f"the journal holds {self._limit} events or more: the workers must drain it first"
