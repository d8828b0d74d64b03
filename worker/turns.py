"""Turns: of some threads one computes at a time, the others wait before they begin.

Python runs one thread at a time anyway, and knows no priorities: a live event's pass beside fifty
passes of an import would get a fiftieth of the processor. And what waits before it begins finds
more to do at once. Waiting for a router is no computing: it ends a turn for as long as it takes.
Used by `convergence/converge.py`, `convergence/bulk.py` and `routeros/transport.py`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class Turns:
    """One at a time; who has begun already comes before who has not.

    Args:
        idle_s: says after how long (s) without anybody computing another begins, unless none has
            begun.
        clock: monotonic seconds.

    Attributes:
        waiting: threads that wait to go on.
    """

    def __init__(
        self,
        idle_s: Callable[[], float] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self._door = threading.Lock()  # who stands here is the next to begin
        self._lock = threading.Lock()
        self._changed_for_next = threading.Condition(self._lock)
        self._changed_for_begun = threading.Condition(self._lock)
        self._free = True
        self._free_since = clock()
        self._begun = 0
        self.waiting = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and give it back at the end."""
        self._begin()
        _here.turns = self
        try:
            yield
        finally:
            _here.turns = None
            with self._lock:
                self._begun -= 1
                self._give_back()

    @contextmanager
    def out(self) -> Iterator[None]:
        """Let another compute meanwhile, and go on before all that have not begun."""
        with self._lock:
            self._give_back()
        try:
            yield
        finally:
            with self._lock:
                self.waiting += 1
                self._changed_for_begun.wait_for(lambda: self._free)
                self.waiting -= 1
                self._free = False

    def _begin(self) -> None:
        with self._door, self._lock:
            while (wait_s := self._wait_s()) != 0:
                self._changed_for_next.wait(wait_s)
            self._free = False
            self._begun += 1

    def _wait_s(self) -> float | None:
        """How long until another may begin; None: until something changes."""
        if not self._free or self.waiting:
            return None
        if not self._begun:
            return 0
        return max(self._free_since + self._idle_s() - self._clock(), 0)

    def _give_back(self) -> None:
        self._free, self._free_since = True, self._clock()
        (self._changed_for_begun if self.waiting else self._changed_for_next).notify()


class _Here(threading.local):
    turns: Turns | None = None


_here = _Here()


def out_of_turn() -> AbstractContextManager[None]:
    """While this thread waits for somebody else: its turn, if it has one, is another's."""
    turns = _here.turns
    return nullcontext() if turns is None else turns.out()
