"""Redis's clock, by which all hosts go, and what is corrected after it was set back."""

import json
import time
from datetime import UTC, datetime
from typing import Final

from contracts import names
from worker.store.canaries import EVERY_MS as CANARIES_MS
from worker.store.connection import StorePart, StoreParts
from worker.store.journal import WORK_MS
from worker.store.schedule import RELEASE_MS

_LONGEST_FLAG_MS: Final = 60_000
"""Longest life of flags that limit a task to once a minute or to one worker."""


class Clock(StorePart):
    """Redis's clock, which a person, NTP or a failover may set."""

    def __init__(self, *parts: *StoreParts, lock_ms: int) -> None:
        super().__init__(*parts)
        self._lock_ms = lock_ms

    def set_back(self, from_ms: int) -> bool:
        """Correct all times as if none had passed since the last sweep.

        `from_ms`: what the clock showed then, as the sweep found it. False: another worker did it.
        """
        order = {
            "last": from_ms,
            "lock_ms": self._lock_ms,
            "release_ms": RELEASE_MS,
            "canaries_ms": CANARIES_MS,
            "flag_ms": _LONGEST_FLAG_MS,
            # for so long taken events belong to a worker
            "lanes": [[lane, names.NOTIFIED_LIFETIME_MS, WORK_MS] for lane in names.LANES],
        }
        return bool(self._scripts.run("set_back", json.dumps(order)))


class RedisClock:
    """Redis's clock as it is known here: what it said last, and the time that has passed since.

    All hosts agree on it, whatever their own clocks say. Until Redis answers it is this host's.
    """

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()

    def learn(self, now_ms: int) -> None:
        """Redis has just said that it is this late (ms since 1970)."""
        self._ahead_s = now_ms / 1000 - time.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return round((time.monotonic() + self._ahead_s) * 1000)

    def now(self) -> datetime:
        """The same, in UTC."""
        return datetime.fromtimestamp(time.monotonic() + self._ahead_s, UTC)
