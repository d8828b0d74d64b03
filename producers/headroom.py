"""Whether Redis has room for more events: intake ends before the room that draining needs.

Folding an event needs memory too (a record, an outcome, a line of history): from `INTAKE_ENDS` of
maxmemory on nothing more is taken in, and the rest is the workers'. Where none is set the memory of
Redis's host counts as the limit.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

from redis import Redis
from redis.exceptions import ResponseError

CHECK_EVERY_S: Final = 1.0
"""A look is one short command: once a second is nothing, once an event would be a round trip."""


class Headroom:
    """Knows how full Redis is, to the second.

    Args:
        redis: the server.
        clock: monotonic seconds.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._looked_at: float | None = None
        self._share = 0.0
        self.limit = ""
        """What `share` is a share of, in words; empty before the first look."""

    def share(self) -> float:
        """Used memory as a share of maxmemory, else of the host's; 0 where we may not know."""
        now = self._clock()
        if self._looked_at is None or now - self._looked_at >= CHECK_EVERY_S:
            self._share = self._look()
            self._looked_at = now
        return self._share

    def _look(self) -> float:
        try:
            info = self._redis.info("memory")
        except ResponseError:
            return 0.0  # a user who may not ask: the server's own limit is what is left
        limit, self.limit = int(info.get("maxmemory", 0)), "its maxmemory"
        if not limit:  # the system ends a Redis that takes all of its memory, and does so again
            limit, self.limit = int(info.get("total_system_memory", 0)), "its host's memory"
        return int(info["used_memory"]) / limit if limit else 0.0
