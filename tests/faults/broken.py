"""Deliberately broken builds: `python -m tests.faults.broken NAME events|routers`.

The fault harness must fail on each of them; one that it lets pass shows that it proves nothing.
So that this does not hang on luck, workers here end as if killed just before some of their
writes; `dies-before-write` is the real build in that state, and must pass.
"""

import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

from worker.convergence.endings import Look, confirmed
from worker.convergence.hold import Hold
from worker.convergence.round import Rounds
from worker.core.operations import Plan
from worker.runtime import process
from worker.store.journal import Journal, Taken

_DIES: Final = 0.1
"""Share of writes before which the process is killed."""


def dies_before_write() -> None:
    """Nothing is broken, but the worker is killed at the worst moment."""
    write = Rounds._write

    def dying(self: Rounds, looks: dict[str, Look], made: Plan) -> dict[str, Look]:
        if random.random() < _DIES:
            self._hold.renew(in_flight=looks.keys())
            os.kill(os.getpid(), signal.SIGKILL)
        return write(self, looks, made)

    Rounds._write = dying


def confirm_before_write() -> None:
    """Marks are cleared before the writes are sent, and no note of them is left either.

    With the notes in flight alone a killed pass would still be looked at again.
    """
    dies_before_write()
    write, renew = Rounds._write, Hold.renew

    def broken(self: Rounds, looks: dict[str, Look], made: Plan) -> dict[str, Look]:
        self._conclude([confirmed(look, self._now_ms) for look in looks.values()])
        write(self, looks, made)
        return {}

    Rounds._write = broken
    Hold.renew = lambda self, in_flight=(): renew(self)


def no_journal() -> None:
    """Only what the message itself carries is folded: the journal is not looked at."""
    take = Journal.take

    def broken(self: Journal, lane: str, carried: Sequence[str], most: int) -> Taken:
        found = take(self, lane, carried, 0 if most else most)
        return Taken(False, [1 for _ in carried], found.entries[:0])

    Journal.take = broken


BUILDS: dict[str, Callable[[], None]] = {
    "dies-before-write": dies_before_write,
    "confirm-before-write": confirm_before_write,
    "no-journal": no_journal,
}

if __name__ == "__main__":
    BUILDS[sys.argv[1]]()
    sys.exit(process.main(sys.argv[2:]))
