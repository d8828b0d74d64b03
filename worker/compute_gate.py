"""The compute gate: of the passes of a process one computes at a time, the others wait to begin.

Python runs one thread at a time and knows no priorities: a live event's pass beside fifty passes of
an import would get a fiftieth of the processor. A pass that waits before it begins also finds more
to do at once. Waiting for a router is not computing: the gate is free meanwhile.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

LITTLE_S: Final = 0.1
"""A turn that has computed for less goes on before others: a pass of a few services is soon over,
and does not wait for each of those that have thousands."""


@dataclass(slots=True)
class Turn:
    """One thread's time at the gate; it has computed for `computed_s` of it."""

    gate: "ComputeGate"
    computed_s: float = 0

    def outside(self) -> AbstractContextManager[None]:
        """Let others compute while this thread waits for somebody else."""
        return self.gate.outside(self)


@dataclass(slots=True)
class GateSlot:
    """Carries the turn of the pass that uses a session, from one pass to the next.

    `turn` is None while no pass uses the session, or one without a gate.
    """

    turn: Turn | None = None

    def outside(self) -> AbstractContextManager[None]:
        """As `Turn.outside`; without a turn nobody waits for this thread."""
        return nullcontext() if self.turn is None else self.turn.outside()


class ComputeGate:
    """Lets one thread compute at a time; a turn that has begun goes before one that has not.

    Args:
        idle_s: how long (s) nobody must have computed before another turn begins beside others.
        clock: monotonic seconds.
        time_limit_s: a turn that has been the next to begin for so long goes before all others.

    Attributes:
        waiting: turns that wait to go on.
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
        self._door = threading.Lock()  # its holder is the next to begin
        self._lock = threading.Lock()
        self._changed_for_next = threading.Condition(self._lock)
        self._changed_for_new = threading.Condition(self._lock)  # they have computed for a little
        self._changed_for_others = threading.Condition(self._lock)
        self._free = True
        self._since = clock()  # when it became free, or was taken
        self._next_since = math.inf
        self._is_for_next = False
        self._begun = 0
        self._new = 0  # of the turns that wait to go on
        self.waiting = 0

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait until this thread may begin to compute; its turn ends with the block."""
        turn = Turn(self)
        self._begin()
        try:
            yield turn
        finally:
            with self._lock:
                self._begun -= 1
                self._give_back(turn)

    @contextmanager
    def outside(self, turn: Turn) -> Iterator[None]:
        """Let another compute meanwhile, and go on before those that have not begun."""
        with self._lock:
            self._give_back(turn)
        try:
            yield
        finally:
            with self._lock:
                self.waiting += 1
                if turn.computed_s < LITTLE_S:
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
        """How long until the next turn may begin; None: until something changes."""
        if not self._free:
            return None
        if self._is_for_next or not self._begun:
            return 0
        if self.waiting:
            return None
        return max(self._since + self._idle_s() - self._clock(), 0)

    def _take(self) -> None:
        self._free, self._since = False, self._clock()

    def _give_back(self, turn: Turn) -> None:
        now = self._clock()
        turn.computed_s += now - self._since
        self._free, self._since = True, now
        self._is_for_next = now - self._next_since >= self._time_limit_s
        if self._is_for_next or not self.waiting:
            self._changed_for_next.notify()
        else:
            (self._changed_for_new if self._new else self._changed_for_others).notify()
