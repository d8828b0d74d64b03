"""Time and chance of a simulated process: one clock, and a stream of random numbers for each task.

Import it before any part of the program: `from time import monotonic` binds at import.
"""

import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

BEGAN_S: Final = 1_800_000_000.0
"""When each history begins: seconds since 1970."""
_real_monotonic: Final = time.monotonic
_real_sleep: Final = time.sleep


class Clock:
    """The only time there is. Redis reads it from a file (libfaketime), all else by `time`."""

    def __init__(self) -> None:
        self.now_s = BEGAN_S
        self.sleep: Callable[[float], None] = lambda _: None
        self._file: int | None = None
        self._told = ""

    def pause(self, seconds: float) -> None:
        """As `time.sleep`."""
        self.sleep(seconds)

    @contextmanager
    def really(self) -> Iterator[None]:
        """Let pauses in the block be real ones, in which nothing of the history happens."""
        before, self.sleep = self.sleep, _real_sleep
        try:
            yield
        finally:
            self.sleep = before

    def serve(self, file: Path) -> None:
        """Tell the time to Redis through this file from now on."""
        if self._file is not None:
            os.close(self._file)
        self._file = os.open(file, os.O_CREAT | os.O_WRONLY)
        self._told = ""
        self.tell()

    def tell(self) -> None:
        """Tell Redis what time it is; called before each command of its clients."""
        text = f"{self.now_s:.6f}"
        if self._file is not None and text != self._told:
            os.pwrite(self._file, text.encode(), 0)  # always as long: it is replaced in one piece
            self._told = text

    @staticmethod
    def real_s() -> float:
        """Seconds that really pass, for figures and time limits of the harness."""
        return _real_monotonic()


CLOCK: Final = Clock()


class Chance(Random):
    """All chance there is, also that of the program: whoever draws has a stream of its own.

    So a history without one of its events or faults is the same as before everywhere else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seeded = 0
        self.stream = Random()

    def random(self) -> float:
        """All others draw by this one and the next."""
        return self.stream.random()

    def getrandbits(self, k: int) -> int:
        """See `random`."""
        return self.stream.getrandbits(k)

    def named(self, name: str) -> Random:
        """The stream of this name."""
        return Random(f"{self.seeded} {name}")

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Who draws in the block draws from the stream of this name, from its beginning."""
        before, self.stream = self.stream, self.named(name)
        try:
            yield
        finally:
            self.stream = before


CHANCE: Final = Chance()


def _token_bytes(count: int = 32) -> bytes:
    return CHANCE.randbytes(count)


def begin(seed: int) -> None:
    """Begin a history: the clock and all chance, also that of the program itself."""
    CLOCK.now_s = BEGAN_S
    CHANCE.seeded = seed
    CHANCE.stream = CHANCE.named("")


def _take_over() -> None:
    if os.environ.get("PYTHONHASHSEED") != "0":
        raise SystemExit("run `python -m tests.simulation`: it fixes the order of sets first")
    if any(name.partition(".")[0] in ("worker", "producers", "redis") for name in sys.modules):
        raise SystemExit("tests.simulation.virtual must be imported before the program")
    time.time = lambda: CLOCK.now_s
    time.time_ns = lambda: round(CLOCK.now_s * 1e9)
    time.monotonic = lambda: CLOCK.now_s - BEGAN_S + 1_000
    time.sleep = CLOCK.pause
    secrets.token_bytes = lambda count=None: _token_bytes(count or 32)
    secrets.token_hex = lambda count=None: _token_bytes(count or 32).hex()
    secrets.randbelow = CHANCE.randrange
    for name in ("random", "uniform", "randint", "randrange", "choice", "shuffle", "sample"):
        setattr(random, name, getattr(CHANCE, name))


_take_over()
