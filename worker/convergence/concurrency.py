"""Limits how many routers a process works on at once.

A router that does not answer holds a thread until its deadline, so routers that are not known to
answer get a quarter of the threads. A router that answered lately is proven; one that failed not.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PROVEN_S: Final = 300.0
"""A router that answered is proven for so long."""
UNPROVEN_SHARE: Final = 4
"""One thread in so many is for routers that are not proven."""


class Permit:
    """Permission to work on one router; it may become proven meanwhile."""

    def __init__(self, limiter: "ConcurrencyLimiter", router: str, *, proven: bool) -> None:
        self._limiter = limiter
        self._router = router
        self._proven = proven

    def proven(self) -> None:
        """The router answered: it no longer takes the place of an unproven one."""
        self._limiter.note(self._router, up=True)
        if not self._proven:
            self._proven = True
            self._limiter.give_back()

    def failed(self) -> None:
        """The router failed."""
        self._limiter.note(self._router, up=False)

    def end(self) -> None:
        """The pass is over."""
        if not self._proven:
            self._limiter.give_back()


class ConcurrencyLimiter:
    """Gives permits to the threads of one process.

    Args:
        threads: of the process.
        clock: monotonic seconds.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = max(1, threads // UNPROVEN_SHARE)
        self._clock = clock
        self._lock = threading.Lock()
        self._proven: dict[str, float] = {}

    @contextmanager
    def permit(self, router: str) -> Iterator[Permit | None]:
        """A permit for a pass; None: too many unproven routers are at work, try again later."""
        permit = self._permit(router)
        try:
            yield permit
        finally:
            if permit is not None:
                permit.end()

    def _permit(self, router: str) -> Permit | None:
        with self._lock:
            proven = self._proven.get(router, 0.0) > self._clock()
            if not proven:
                if not self._free:
                    return None
                self._free -= 1
        return Permit(self, router, proven=proven)

    def give_back(self) -> None:
        """Free the place of an unproven router."""
        with self._lock:
            self._free += 1

    def note(self, router: str, *, up: bool) -> None:
        """Remember that a router answered, or failed."""
        with self._lock:
            if up:
                self._proven[router] = self._clock() + PROVEN_S
            else:
                self._proven.pop(router, None)
