"""Turns: of some threads one computes at a time, the others wait before they begin.

Python runs one thread at a time anyway, and knows no priorities: a live event's pass beside fifty
passes of an import would get a fiftieth of the processor. And what waits before it begins finds
more to do at once. Waiting for a router is no computing: it ends a turn for as long as it takes.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

LITTLE_S: Final = 0.1
"""Who has computed for less since it began goes on before others: a pass of a few services is soon
over, and does not wait for each of those that have thousands."""


class ComputeGate:
    """One at a time; who has begun already comes before who has not, for a while.

    Args:
        idle_s: says after how long (s) without anybody computing another begins, unless none has
            begun.
        clock: monotonic seconds.
        time_limit_s: who has been the next to begin for so long does, whoever waits to go on.

    Attributes:
        waiting: threads that wait to go on.
    """

    def __init__(
        self,
        idle_s: Callable[[], float] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
        time_limit_s: float = math.inf,
    ) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self._time_limit_s = time_limit_s
        self._door = threading.Lock()  # who stands here is the next to begin
        self._lock = threading.Lock()
        self._changed_for_next = threading.Condition(self._lock)
        self._changed_for_new = threading.Condition(self._lock)  # they have computed for a little
        self._changed_for_others = threading.Condition(self._lock)
        self._free = True
        self._since = clock()  # it is free, or taken
        self._next_since = math.inf
        self._is_for_next = False
        self._begun = 0
        self._new = 0  # of those that wait to go on
        self.waiting = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and give it back at the end."""
        self._begin()
        _here.gate, _here.computed_s = self, 0
        try:
            yield
        finally:
            _here.gate = None
            with self._lock:
                self._begun -= 1
                self._give_back()

    @contextmanager
    def out(self) -> Iterator[None]:
        """Let another compute meanwhile, and go on before those that have not begun."""
        with self._lock:
            self._give_back()
        try:
            yield
        finally:
            with self._lock:
                self.waiting += 1
                if _here.computed_s < LITTLE_S:
                    self._new += 1
                    self._changed_for_new.wait_for(lambda: self._free and not self._is_for_next)
                    self._new -= 1
                else:
                    self._changed_for_others.wait_for(
                        lambda: self._free and not (self._is_for_next or self._new)
                    )
                self.waiting -= 1
                self._take()

    def _begin(self) -> None:
        with self._door, self._lock:
            self._next_since = self._clock()
            while (wait_s := self._wait_s()) != 0:
                self._changed_for_next.wait(wait_s)
            self._next_since, self._is_for_next = math.inf, False
            self._begun += 1
            self._take()

    def _wait_s(self) -> float | None:
        """How long until another may begin; None: until something changes."""
        if not self._free:
            return None
        if self._is_for_next or not self._begun:
            return 0
        if self.waiting:
            return None
        return max(self._since + self._idle_s() - self._clock(), 0)

    def _take(self) -> None:
        self._free, self._since = False, self._clock()

    def _give_back(self) -> None:
        now = self._clock()
        _here.computed_s += now - self._since
        self._free, self._since = True, now
        self._is_for_next = now - self._next_since >= self._time_limit_s
        if self._is_for_next or not self.waiting:
            self._changed_for_next.notify()
        else:
            (self._changed_for_new if self._new else self._changed_for_others).notify()


class _Here(threading.local):
    gate: ComputeGate | None = None
    computed_s: float = 0


_here = _Here()


def outside_gate() -> AbstractContextManager[None]:
    """While this thread waits for somebody else: its turn, if it has one, is another's."""
    gate = _here.gate
    return nullcontext() if gate is None else gate.out()
