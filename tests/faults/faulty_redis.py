"""An embedded Valkey whose clock can be set, and which can lose its last second.

The clock is libfaketime's (Debian: package `faketime`); where it is missing the clock stays right.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Final, NamedTuple

from leasewire.host.embedded import EmbeddedServer

_LIBRARY: Final = "usr/lib/*/faketime/libfaketime.so.1"


def faketime() -> str | None:
    """The library; the variable FAKETIME_DIR may name a folder that it was unpacked in."""
    found = glob(f"{os.environ.get('FAKETIME_DIR', '')}/{_LIBRARY}")  # noqa: PTH207 - from the root
    return found[0] if found else None


@contextmanager
def false_clock(stamp: Path, **more: str) -> Iterator[None]:
    """Processes that start in the block take their time from a file, where that can be had.

    Args:
        stamp: says what time it is, in the library's words.
        more: further variables of the library.
    """
    library, before = faketime(), dict(os.environ)
    if library is not None:
        os.environ |= {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(stamp),
            "FAKETIME_NO_CACHE": "1",
            **more,
        }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


class Moment(NamedTuple):
    """How much stood in the append-only file at some moment."""

    file: Path
    size: int


class FaultyServer(EmbeddedServer):
    """Each start takes the clock that was set last."""

    def __init__(self, directory: Path) -> None:
        # With `everysec` a write may wait for a slow disk in the memory of a server that is killed.
        super().__init__(directory, appendfsync="no")
        self.offset_s = 0
        self.set_ahead_at: list[float] = []
        """Monotonic seconds."""
        self._stamp = directory.with_name("clock")
        self._stamp.write_text("+0s")

    @property
    def has_clock(self) -> bool:
        """Whether its clock can be set."""
        return faketime() is not None

    def set_clock(self, offset_s: int) -> None:
        """Let it be so much ahead of the right time, or behind it."""
        if offset_s > self.offset_s:
            self.set_ahead_at.append(time.monotonic())
        self.offset_s = offset_s
        # replaced: a reader must never see an empty file
        new = self._stamp.with_suffix(".new")
        new.write_text(f"{offset_s:+d}s")
        new.replace(self._stamp)

    def start(self) -> None:
        """Start it under the false clock."""
        with false_clock(self._stamp, FAKETIME_DONT_FAKE_MONOTONIC="1"):
            super().start()

    def moment(self) -> Moment:
        """What would be left if its machine lost power now."""
        file = max(self.directory.glob("appendonlydir/*.incr.aof"))
        return Moment(file, file.stat().st_size)

    def lose_what_came_after(self, moment: Moment) -> bool:
        """Lose power, and what was written since; False: the file was rewritten meanwhile."""
        self.kill()
        lost = moment.file.exists()
        if lost:
            # it may have lost as much already
            os.truncate(moment.file, min(moment.size, moment.file.stat().st_size))
        self.start()
        return lost
