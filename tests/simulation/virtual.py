"""Time and chance of a simulated process: one clock, and a stream of random numbers for each task.

Import it before any part of the program: `from time import monotonic` binds at import.
"""

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path
from random import Random
from shutil import which
from typing import Final

BEGAN_S: Final = 1_800_000_000.0
"""When each history begins: seconds since 1970."""
_CLOCK_C: Final = Path(__file__).with_name("clock.c")
_real_monotonic: Final = time.monotonic
_real_sleep: Final = time.sleep


class Clock:
    """The only time there is. Redis reads it from a file (`clock.c`), all else by `time`."""

    def __init__(self) -> None:
        self.now_s = BEGAN_S
        self.sleep: Callable[[float], None] = lambda _: None
        self._shared = memoryview(bytearray(24)).cast("q")

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

    def serve(self, folder: Path, place: int) -> dict[str, str]:
        """Tell the time to Redis through a file in this folder from now on.

        Args:
            folder: for the file, and for what reads it.
            place: of the process that starts, 1 or 2.

        Returns:
            The environment in which Redis reads it (`clock.c`).
        """
        library, file = folder / "clock.so", folder / "clock"
        if not library.exists():
            if (compiler := which("cc")) is None:
                raise SystemExit("a C compiler is needed: Debian has one in `build-essential`")
            words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_CLOCK_C), "-ldl"]
            subprocess.run(words, check=True)
            file.write_bytes(b"\xff" * 24)
            with file.open("r+b") as opened:
                self._shared = memoryview(mmap(opened.fileno(), 24)).cast("q")
        more = {"SIMULATED_CLOCK": str(file), "SIMULATED_PLACE": str(place)}
        return {"LD_PRELOAD": str(library), **more}

    def tell_start(self, place: int, start: int) -> None:
        """Tell a Redis which start of it this is: its run id is another one from then on."""
        self._shared[place] = start

    def tell(self, ahead_s: float = 0.0) -> None:
        """Tell Redis what time it is; called before each command of its clients."""
        self._shared[0] = round((self.now_s + ahead_s) * 1e6)

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
