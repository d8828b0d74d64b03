"""Turns: of the threads that do bulk work only a few compute at once, the others wait.

Python runs one thread at a time and knows no priorities: a live event's pass beside fifty passes of
an import would get a fiftieth of the processor. Waiting for a router is no computing, and ends a
turn for as long as it takes. Used by `converge` and by `routeros/transport.py`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


@contextmanager
def in_turn(turns: threading.Semaphore) -> Iterator[None]:
    """Compute when it is this thread's turn; nested ones would wait for themselves."""
    with turns:
        _here.turns = turns
        try:
            yield
        finally:
            _here.turns = None


@contextmanager
def out_of_turn() -> Iterator[None]:
    """Let another compute while this thread waits for somebody else."""
    turns: threading.Semaphore | None = getattr(_here, "turns", None)
    if turns is None:
        yield
        return
    turns.release()
    try:
        yield
    finally:
        turns.acquire()
