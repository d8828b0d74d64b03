"""Redis in a simulation: a real Valkey by the virtual clock, which loses its end as others do."""

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts import names
from leasewire.host.embedded import EmbeddedServer
from tests.simulation.script_calls import texts
from tests.simulation.virtual import CHANCE, CLOCK

_HASHES: Final = ("--hash-seed", "simulation")
"""Else each start has another order of keys, and of members of large hashes and sets."""
_AT_POWER_LOSS_S: Final = 2.0
"""What `appendfsync everysec` may lose at worst (docs/how-to/run-redis.md)."""
_NO_TIMERS_S: Final = 20 * 86_400.0
"""It starts so far in the future, and its timers wait for that moment: else they delete keys, which
ones depends on how long earlier histories took. Longer waits do not fit into its 31 bits of ms."""
_BEHIND_S: Final = 10.0
"""How far a replica may be behind at a failover: then its primary takes no more writes
(`min-replicas-max-lag`, docs/how-to/run-redis.md)."""


_LISTS: Final = (*names.LANES, names.QUEUE_ROUTERS)
_QUEUES: Final = "|".join(names.queue_key(names.DEFAULT_PREFIX, name) for name in _LISTS)
_ON_QUEUES: Final = re.compile(rf"(push|pop)\r\n\$\d+\r\n({_QUEUES})\r\n".encode(), re.IGNORECASE)
"""In the append-only file."""


class _Former(NamedTuple):
    """The former primary, which knows nothing of the new one, and goes on for some."""

    process: "subprocess.Popen[bytes]"
    directory: Path
    socket: Path
    file: FileIO
    starts: int
    replicated: int
    cut_off: Collection[object]


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """Let processes that start in the block have more of it."""
    os.environ |= more
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


class TimedServer(EmbeddedServer):
    """A Valkey for which it is what time the simulation says.

    It is killed and loses the end of its file. Where it has replicas that is a failover: the new
    primary stands in the place of the old one, and has what was confirmed to be on a replica. The
    former one may go on for some, who are cut off with it: no replica confirms anything there, and
    what it takes is lost.

    Attributes:
        has_replicas: Sentinel makes one of them the primary when it dies.
        away_until: nothing answers before that moment.
        said: what each start of it answered to INFO.
        asks: which process does; None: the harness.
        then: called once, when a replica next confirms something.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, appendfsync="no", more=_HASHES)
        self._starts = 0
        self._lacks_scripts = True
        self.has_replicas = False
        self._lags = 0.0
        self.away_until = 0.0
        self.asks: Callable[[], object] = lambda: None
        self.then: Callable[[], None] | None = None
        self._former: _Former | None = None
        self.said: dict[tuple[Any, ...], str] = {}
        self._replicated = 0
        self._sizes: deque[tuple[float, int]] = deque(maxlen=2_000)

    def start(self) -> None:
        """Start it; its data come from the append-only file."""
        preload = CLOCK.serve(self.directory.parent)
        CLOCK.tell(ahead_s=_NO_TIMERS_S)
        with _environment(preload), CLOCK.really():
            super().start()
        CLOCK.tell()
        self._path = max(self.directory.glob("appendonlydir/*.incr.aof"))
        self._file = self._path.open("rb", buffering=0)
        self._read_to = 0
        self._lacks_scripts = True
        self.said.clear()

    def stop(self) -> None:
        """Kill it: an orderly end needs its timers, and its clock stands still."""
        self.end_former()
        self.kill()

    def empty(self) -> None:
        """Let nothing be there but scripts, which histories would spend much time to load."""
        self.end_former()
        self.then = None
        with self.client() as client:
            pipe = client.pipeline(transaction=False)
            pipe.flushall()
            if self._lacks_scripts:
                self._lacks_scripts = False
                for text in texts():
                    pipe.script_load(text)
            pipe.execute()
        os.truncate(self._path, 0)  # else each start would play all former histories again
        self._starts = self._read_to = 0
        self.away_until = 0.0
        self.said.clear()
        self._replicated = 0
        self._sizes.clear()

    @property
    def away(self) -> bool:
        """Whether nothing answers now whoever asks."""
        return self.known_former is None and CLOCK.now_s < self.away_until

    @property
    def known_former(self) -> _Former | None:
        """The former primary, if whoever asks takes it for the primary."""
        former = self._former
        return former if former is not None and self.asks() in former.cut_off else None

    @property
    def reached_at(self) -> Path:
        """The socket of what whoever asks takes for the primary."""
        former = self.known_former
        return self.socket if former is None else former.socket

    @property
    def starts(self) -> int:
        """Of this history; each start, and each primary, has another run id."""
        former = self.known_former
        return self._starts if former is None else former.starts

    @property
    def lags(self) -> float:
        """Share of times when no replica confirms anything."""
        return self._lags if self.known_former is None else 1.0

    @lags.setter
    def lags(self, share: float) -> None:
        self._lags = share

    def note_size(self) -> None:
        """Note how much was written by now: a loss takes what came after some moment."""
        size = self.written
        if not self._sizes or self._sizes[-1][1] != size:
            self._sizes.append((CLOCK.now_s, size))

    def queues_changed(self) -> bool:
        """Whether a message was put anywhere, or taken, since this was asked last."""
        size = self.written
        if size <= self._read_to:
            return False
        written = os.pread(self._file.fileno(), size - self._read_to, self._read_to)
        self._read_to = size
        return _ON_QUEUES.search(written) is not None

    @property
    def written(self) -> int:
        """How much was written in this history."""
        former = self.known_former
        return os.fstat((self._file if former is None else former.file).fileno()).st_size

    def is_replicated(self, written: int) -> bool:
        """Whether a replica has so much of it for sure."""
        return written <= self._known_replicated

    @property
    def _known_replicated(self) -> int:
        former = self.known_former
        return self._replicated if former is None else former.replicated

    def replicate(self, written: int) -> None:
        """Let a replica have so much of it; nobody follows a former primary."""
        if self.known_former is None:
            self._replicated = max(self._replicated, written)
            if (then := self.then) is not None:
                self.then = None
                then()

    def replicate_some(self) -> int:
        """Let a replica come nearer, if it gets anything; returns how much it has for sure."""
        if CHANCE.random() >= self.lags:
            self.replicate(int(CHANCE.uniform(self._replicated, self.written)))
        return self._known_replicated

    def lose_the_end(self) -> int:
        """Die, and come back without the end; returns how many bytes are gone."""
        self.end_former()
        kept, size = self._kept(), self.written
        self.kill()
        os.truncate(self._path, kept)
        self._begin()
        return size - kept

    def split(self, cut_off: Collection[object]) -> int:
        """Let a replica become the primary, and the former one go on for some processes.

        Args:
            cut_off: with the former one.

        Returns:
            How many bytes the new one lacks.
        """
        self.end_former()
        kept, size = self._kept(), self.written
        assert self._process is not None
        former = _Former(
            *(self._process, self.directory, self.socket, self._file),
            *(self._starts, self._replicated, cut_off),
        )
        self.directory = former.directory.with_name("v" if former.directory.name == "w" else "w")
        shutil.copytree(former.directory / "appendonlydir", self.directory / "appendonlydir")
        os.truncate(self.directory / "appendonlydir" / self._path.name, kept)
        self.socket = self.directory / former.socket.name
        self._former, self._process = former, None
        self._begin()
        return size - kept

    def end_former(self) -> None:
        """The former primary is gone, and every process that it served finds the new one."""
        if self._former is not None:
            former, self._former = self._former, None
            former.process.kill()
            former.process.wait()
            shutil.rmtree(former.directory)

    def _kept(self) -> int:
        """How much the next primary has, or a file after a loss of power."""
        since = CLOCK.now_s - CHANCE.uniform(0, self._longest_s)
        size = self.written
        kept = next((noted for at_s, noted in self._sizes if at_s >= since), size)
        kept += int(CHANCE.random() ** 4 * (size - kept))  # any command may be the last
        return max(kept, self._replicated) if self.has_replicas else kept

    def _begin(self) -> None:
        self._starts += 1
        self._sizes.clear()
        self.start()
        self._replicated = min(self._replicated, self.written)  # half a command at the end is gone

    @property
    def _longest_s(self) -> float:
        return _BEHIND_S if self.has_replicas else _AT_POWER_LOSS_S
