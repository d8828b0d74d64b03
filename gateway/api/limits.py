"""Limits of intake: a rate for each key, and a depth of each lane's journal.

Exceeding a rate is the caller's problem (429); a full journal is ours (503).
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, cast

from redis import Redis

from contracts.intake import REOPENS, is_closed
from contracts.names import INTAKE_DEPTH, QUEUE_EVENTS, Lane, journal_body
from gateway.api.problems import Refused
from gateway.keys import GatewayKeys
from gateway.store_failures import STORE_FAILURES, is_refusal, log_store_failure

_MOST_BUCKETS: Final = 10_000
"""Unknown senders have a bucket for each address, and there is no end of addresses."""
SOURCES_SHARE: Final = 0.5
"""Share of the depth that one source may take: the backlog of one must not close intake for all."""
_SAMPLE: Final = 200
_CHECK_EVERY_S: Final = 1.0


@dataclass(slots=True)
class Rates:
    """Token buckets of this process, one for each sender and lane. A batch may go into debt once.

    Attributes:
        clock: monotonic seconds.
        burst_s: a bucket holds what comes in so many seconds.
    """

    clock: Callable[[], float] = monotonic
    burst_s: float = 1.0
    _buckets: dict[tuple[str, Lane], tuple[float, float]] = field(default_factory=dict)

    def spend(self, sender: str, rate: float, events: int = 1, lane: Lane = QUEUE_EVENTS) -> None:
        """Take tokens from the sender's bucket of a lane: an import must not block live events.

        Args:
            sender: names a key, a webhook, or who is not known.
            rate: of the sender, events a second.
            events: how many.
            lane: where they go.

        Raises:
            Refused: `rate-limited`: the bucket is in debt.
        """
        now = self.clock()
        bucket = sender, lane
        if bucket not in self._buckets and len(self._buckets) >= _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        most = rate * self.burst_s
        left, at = self._buckets.get(bucket, (most, now))
        left = min(most, left + (now - at) * rate)
        if left <= 0:
            self._buckets[bucket] = (left, now)
            wait_s = max(1, math.ceil(-left / rate))
            message = f"the limit is {rate:g} events a second: wait {wait_s} s"
            raise Refused("rate-limited", message, retry_after_s=wait_s)
        self._buckets[bucket] = (left - events, now)


@dataclass(slots=True)
class Depth:
    """Whether the journal of a lane has room: it is full with so many events as the limit says."""

    redis: Redis
    prefix: str
    limit: int = INTAKE_DEPTH
    lane: Lane = QUEUE_EVENTS
    _closed: bool = False
    _depth: int = 0
    _crowding: frozenset[str] = frozenset()
    _checked_at: float = 0.0

    def has_room(self) -> bool:
        """Read the depth; a journal that was full has room again below `REOPENS` of the limit.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        self._depth = self.redis.hlen(journal_body(self.prefix, self.lane))
        self._closed = is_closed(self._depth, self.limit, closed=self._closed)
        return not self._closed

    def crowding_sources(self) -> frozenset[str]:
        """Sources that take half of the limit, by the last `has_room` and to a few per cent.

        Such a source is accepted again when it takes less than `REOPENS` of that. The bulk lane has
        none: an import has one source, and nobody waits for it.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        share = self.limit * SOURCES_SHARE
        if self.lane != QUEUE_EVENTS or self._depth < share * REOPENS:
            self._crowding = frozenset()
        elif monotonic() - self._checked_at >= _CHECK_EVERY_S:
            self._checked_at = monotonic()
            self._crowding = frozenset(
                source
                for source, depth in self._depth_by_source().items()
                if is_closed(depth, share, closed=source in self._crowding)
            )
        return self._crowding

    def _depth_by_source(self) -> dict[str, float]:
        """Events of each source in the journal, from a sample: counting all would block Redis."""
        body = journal_body(self.prefix, self.lane)
        keys = cast("list[str]", self.redis.hrandfield(body, _SAMPLE))
        texts = [text for text in self.redis.hmget(body, keys) if text] if keys else []
        counts = Counter(str(json.loads(text)["source"]) for text in texts)
        return {source: n / len(texts) * self._depth for source, n in counts.items()}

    def check_writes(self) -> bool:
        """Write to Redis, and return whether there is room.

        Raises:
            StoreUnavailable: Redis takes no writes.
        """
        self.redis.set(GatewayKeys(self.prefix).probe, "1", px=1000)
        return self.has_room()

    def why_not_ready(self) -> str:
        """Why no events can be accepted now; empty if they can."""
        try:
            return "" if self.check_writes() else self.full_message
        except STORE_FAILURES as error:
            message = log_store_failure(error)
            name = type(error.__cause__ or error).__name__
            return message if is_refusal(error) else f"{message}: {name}"

    @property
    def crowding_message(self) -> str:
        """For a source that takes too large a share."""
        return f"half of the events that may be in the journal of {self.lane} are of this source"

    @property
    def full_message(self) -> str:
        """For everybody while there is no room."""
        return (
            f"the journal of {self.lane} has {self.limit} events or more: "
            "the workers must fold them first"
        )
