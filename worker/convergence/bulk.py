"""Runs the passes of bulk work, such as an import, in threads of their own.

So the pass of a live event finds the router, and a thread, free.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from worker.compute_gate import ComputeGate, Turn
from worker.store.batches import MOST_BULK

IDLE_S: Final = 0.003
"""Another pass begins when no pass has computed for so long: few routers that answer at once are
locked at a time, and slow ones are waited for together."""
IDLE_BESIDE_LIVE_S: Final = 0.03
"""The same while live events come: they wait for each router that a bulk pass has locked."""
LIVE_FOR_S: Final = 2.0
"""Live events count as coming for so long after the last one."""
MOST_BESIDE_LIVE: Final = 10
"""Bulk work items of one batch while live events come."""


def _at_once(work: Callable[[], None]) -> None:
    work()


class Bulk:
    """The routers that wait for their bulk pass, each once.

    Args:
        start: runs work in another thread; by default in the caller's.
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
        self._ended = False

    def add(self, router: str, one_pass: Callable[[str, Turn], None]) -> None:
        """Run `one_pass` when it is the router's turn, unless the router waits for it already."""
        with self._lock:
            if router in self._waiting:
                return
            self._waiting.add(router)
        self._start(lambda: self._run(router, one_pass))

    def _run(self, router: str, one_pass: Callable[[str, Turn], None]) -> None:
        with self._gate.turn() as turn:
            with self._lock:
                self._waiting.discard(router)
            if not self._ended:
                one_pass(router, turn)

    def live_came(self) -> None:
        """Note that a live event was worked on: bulk passes slow down for a moment."""
        self._live_until = self._clock() + LIVE_FOR_S

    def most(self) -> int:
        """The number of bulk work items that a batch may have now."""
        return MOST_BESIDE_LIVE if self.is_beside_live() else MOST_BULK

    def _idle_s(self) -> float:
        return IDLE_BESIDE_LIVE_S if self.is_beside_live() else IDLE_S

    def is_beside_live(self) -> bool:
        """Whether live events come: then a pass ends with its batch, so that few run at once."""
        return self._clock() < self._live_until

    def end(self) -> None:
        """Begin no more passes: their work items stay due, and another worker finds them."""
        self._ended = True
