"""Who may be worked on at once: routers of which it is not known that they answer get a quarter.

Each that is silent holds a thread until its deadline. Known by what this process has seen: a router
that answered lately is proven, one that failed is not.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PROVEN_S: Final = 300.0
"""A router that answered is taken for up so long."""
UNPROVEN_SHARE: Final = 4
"""Routers that are not proven get a thread in so many."""


class Place:
    """A router's place in a slot; whether it is proven may change while it is there."""

    def __init__(self, slots: "ConcurrencyLimiter", router: str, *, proven: bool) -> None:
        self._limiter = slots
        self._router = router
        self._proven = proven

    def proven(self) -> None:
        """The router answered: what it holds is no longer one of the few."""
        self._limiter.note(self._router, up=True)
        if not self._proven:
            self._proven = True
            self._limiter.give_back()

    def failed(self) -> None:
        """The router failed."""
        self._limiter.note(self._router, up=False)

    def leave(self) -> None:
        """The pass is over."""
        if not self._proven:
            self._limiter.give_back()


class ConcurrencyLimiter:
    """Of one process; used by many threads.

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
    def take(self, router: str) -> Iterator[Place | None]:
        """A place for a pass; None: there are too many unproven routers at work, come again."""
        place = self._place(router)
        try:
            yield place
        finally:
            if place is not None:
                place.leave()

    def _place(self, router: str) -> Place | None:
        with self._lock:
            proven = self._proven.get(router, 0.0) > self._clock()
            if not proven:
                if not self._free:
                    return None
                self._free -= 1
        return Place(self, router, proven=proven)

    def give_back(self) -> None:
        """One of the few is free again."""
        with self._lock:
            self._free += 1

    def note(self, router: str, *, up: bool) -> None:
        """Remember that a router answered, or failed."""
        with self._lock:
            if up:
                self._proven[router] = self._clock() + PROVEN_S
            else:
                self._proven.pop(router, None)
