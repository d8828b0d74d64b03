"""Passes of a few services beside those of routers that have thousands: who computes when."""

import threading
import time

from tests.waiting import eventually
from worker.compute_gate import LITTLE_S, ComputeGate
from worker.convergence.router_pass import NEXT_AFTER_S

SLICE_S = LITTLE_S / 2
LONG_S = 20


class Hot:
    """Threads that compute in slices without end, by a clock that nothing else moves."""

    def __init__(self, turns_for, threads):
        self.now = 0.0
        self.gate = turns_for(lambda: self.now)
        self.slices = 0
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.slices > 10 * len(self._threads), "all have computed for a while")
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join(LONG_S)

    def _work(self):
        with self.gate.turn() as turn:
            while not self._ends.is_set():
                time.sleep(0.001)  # whoever else wants to stand in line can
                self.now += SLICE_S
                self.slices += 1
                with turn.outside():
                    pass

    def slices_until_done(self, times_out):
        """A pass of a few services that waits so often for its router; slices of others beside."""
        before = self.slices
        done = threading.Event()

        def one_pass():
            with self.gate.turn() as turn:
                for _ in range(times_out):
                    with turn.outside():
                        pass
            done.set()

        threading.Thread(target=one_pass, daemon=True).start()
        # It is over in time, or never before those that have no end.
        assert done.wait(LONG_S)
        return self.slices - before


def test_a_quiet_router_is_not_kept_waiting_by_hot_ones():
    """Twenty that have much to do; each has computed for longer than a little."""
    with Hot(lambda clock: ComputeGate(clock=clock, time_limit_s=NEXT_AFTER_S), 20) as hot:
        # A slice ends before each of its own, and some until it is its turn to begin.
        until_begun = NEXT_AFTER_S / SLICE_S + 2
        assert hot.slices_until_done(6) <= until_begun + 2 * 6
