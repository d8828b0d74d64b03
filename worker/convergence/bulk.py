"""Bulk passes: those of marks that nobody waits for, as of an import, in threads of their own.

A live event's pass finds the router free, and a thread.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from worker.compute_gate import ComputeGate, Turn
from worker.store.batches import MOST_BULK

IDLE_S: Final = 0.003
"""Another pass begins after so long in which nobody computed: beside routers that answer at once
few are held at a time; slow ones are waited for together."""
IDLE_BESIDE_LIVE_S: Final = 0.03
"""The same while live events come: each router that a bulk pass holds is one that they wait for."""
LIVE_FOR_S: Final = 2.0
"""Live events come as long as the last one is no older."""
MOST_BESIDE_LIVE: Final = 10
"""Bulk marks of one batch while they come."""


def _at_once(work: Callable[[], None]) -> None:
    work()


class Bulk:
    """The routers that wait for their bulk pass; each once.

    Args:
        start: runs work in a thread, or hands it to one; without it, in the caller's.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        start: Callable[[Callable[[], None]], object] = _at_once,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._clock = clock
        self._live_until = clock()
        self._gate = ComputeGate(self._idle_s, clock)
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._ends = False

    def add(self, router: str, one_pass: Callable[[str, Turn], None]) -> None:
        """Have `one_pass` of a router run when it is its turn, unless it waits for it already."""
        with self._lock:
            if router in self._waiting:
                return
            self._waiting.add(router)
        self._start(lambda: self._run(router, one_pass))

    def _run(self, router: str, one_pass: Callable[[str, Turn], None]) -> None:
        with self._gate.turn() as turn:
            with self._lock:
                self._waiting.discard(router)
            if not self._ends:
                one_pass(router, turn)

    def live_came(self) -> None:
        """A live event was worked on: bulk passes step back for a moment."""
        self._live_until = self._clock() + LIVE_FOR_S

    def most(self) -> int:
        """Bulk marks that a batch may have now."""
        return MOST_BESIDE_LIVE if self.is_beside_live() else MOST_BULK

    def _idle_s(self) -> float:
        return IDLE_BESIDE_LIVE_S if self.is_beside_live() else IDLE_S

    def is_beside_live(self) -> bool:
        """Whether live events come: then a pass ends with its batch, so that few are under way."""
        return self._clock() < self._live_until

    def end(self) -> None:
        """Begin no more passes: their marks stay due, and are found by whoever works on."""
        self._ends = True
