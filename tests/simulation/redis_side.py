"""Redis in a simulation: a real Valkey by the virtual clock, which loses its end as others do."""

import os
import re
from collections import deque
from pathlib import Path
from typing import Any, Final

from contracts import names
from leasewire.host.embedded import EmbeddedServer
from tests.faults.faulty_redis import faketime, false_clock
from tests.simulation.script_calls import texts
from tests.simulation.virtual import CHANCE, CLOCK

_HASHES: Final = ("--hash-seed", "simulation")
"""Else each start has another order of keys, and of members of large hashes and sets."""
_AT_POWER_LOSS_S: Final = 2.0
"""What `appendfsync everysec` may lose at worst (docs/how-to/run-redis.md)."""
_BEHIND_S: Final = 10.0
"""How far a replica may be behind at a failover: then its primary takes no more writes
(`min-replicas-max-lag`, docs/how-to/run-redis.md)."""


_LISTS: Final = (*names.LANES, names.QUEUE_ROUTERS)
_QUEUES: Final = "|".join(names.queue_key(names.DEFAULT_PREFIX, name) for name in _LISTS)
_ON_QUEUES: Final = re.compile(rf"(push|pop)\r\n\$\d+\r\n({_QUEUES})\r\n".encode(), re.IGNORECASE)
"""In the append-only file."""


class TimedServer(EmbeddedServer):
    """A Valkey for which it is what time the simulation says.

    It is killed and loses the end of its file. Where it has replicas that is a failover: the new
    primary stands in the place of the old one, and has what was confirmed to be on a replica.

    Attributes:
        starts: of this history; each start has another run id.
        has_replicas: Sentinel makes one of them the primary when it dies.
        lags: share of times when no replica confirms anything.
        away_until: nothing answers before that moment.
        said: what it answered to INFO since it was started.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, appendfsync="no", more=_HASHES)
        self.clock_file = directory.with_name("clock")
        self.starts = 0
        self.has_replicas = False
        self.lags = 0.0
        self.away_until = 0.0
        self.said: dict[tuple[Any, ...], str] = {}
        self._replicated = 0
        self._sizes: deque[tuple[float, int]] = deque(maxlen=2_000)

    def start(self) -> None:
        """Start it; its data come from the append-only file."""
        if faketime() is None:
            raise SystemExit("libfaketime is needed: Debian has it as package `libfaketime`")
        CLOCK.serve(self.clock_file)
        with false_clock(self.clock_file, FAKETIME_FMT="%s"), CLOCK.really():
            super().start()
        self._path = max(self.directory.glob("appendonlydir/*.incr.aof"))
        self._read_to = 0
        self.said.clear()

    def stop(self) -> None:
        """Kill it: an orderly end needs its timers, and its clock stands still."""
        self.kill()

    def empty(self) -> None:
        """Let nothing be there but scripts, which histories would spend much time to load."""
        with self.client() as client:
            client.flushall()
            if client.info("memory")["number_of_cached_scripts"] != len(texts()):  # or it restarted
                pipe = client.pipeline(transaction=False)
                pipe.script_flush()
                for text in texts():
                    pipe.script_load(text)
                pipe.execute()
        os.truncate(self._path, 0)  # else each start would play all former histories again
        self.starts = self._read_to = 0
        self.away_until = 0.0
        self.said.clear()
        self._replicated = 0
        self._sizes.clear()

    @property
    def away(self) -> bool:
        """Whether nothing answers now."""
        return CLOCK.now_s < self.away_until

    def note_size(self) -> None:
        """Note how much was written by now: a loss takes what came after some moment."""
        self._sizes.append((CLOCK.now_s, self.written))

    def queues_changed(self) -> bool:
        """Whether a message was put anywhere, or taken, since this was asked last."""
        size = self.written
        if size <= self._read_to:
            return False
        with self._path.open("rb", buffering=0) as file:
            written = os.pread(file.fileno(), size - self._read_to, self._read_to)
        self._read_to = size
        return _ON_QUEUES.search(written) is not None

    @property
    def written(self) -> int:
        """How much was written in this history."""
        return self._path.stat().st_size

    def is_replicated(self, written: int) -> bool:
        """Whether a replica has so much of it for sure."""
        return written <= self._replicated

    def replicate(self, written: int) -> None:
        """Let a replica have so much of it."""
        self._replicated = max(self._replicated, written)

    def replicate_some(self) -> int:
        """Let a replica come nearer, if it gets anything; returns how much it has for sure."""
        if CHANCE.random() >= self.lags:
            self.replicate(int(CHANCE.uniform(self._replicated, self.written)))
        return self._replicated

    def lose_the_end(self) -> int:
        """Die, and come back without the end; returns how many bytes are gone."""
        since = CLOCK.now_s - CHANCE.uniform(0, self._longest_s)
        size = self.written
        kept = next((noted for at_s, noted in self._sizes if at_s >= since), size)
        kept += int(CHANCE.random() * (size - kept) / 4)  # any command may be the last
        if self.has_replicas:
            kept = max(kept, self._replicated)
        self.kill()
        os.truncate(self._path, kept)
        self.starts += 1
        self._replicated = min(self._replicated, kept)
        self._sizes.clear()
        self.start()
        return size - kept

    @property
    def _longest_s(self) -> float:
        return _BEHIND_S if self.has_replicas else _AT_POWER_LOSS_S
