"""Redis in a simulation: a real Valkey by the virtual clock, which loses its end as others do."""

import os
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from socket import socket
from typing import Any, Final, NamedTuple, Self

import redis
from hiredis import pack_command

from contracts import names
from leasewire.host.embedded import EmbeddedServer
from tests.simulation.script_calls import digests, texts
from tests.simulation.virtual import CHANCE, CLOCK

_OPTIONS: Final = (
    *("--hash-seed", "simulation"),
    *("--enable-debug-command", "yes"),
)
"""Without the seed each start has another order of keys, and of members of large sets."""
_LOAD: Final = ("DEBUG", "LOADAOF")
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
_ON_QUEUES: Final = re.compile(
    rf"\*(\d+)\r\n\$\d+\r\n[lr](push|pop)\r\n\$\d+\r\n({_QUEUES})\r\n".encode(), re.IGNORECASE
)
"""In the append-only file: how many words a command has, what it does, and where."""


class _Former(NamedTuple):
    """What the former primary is, which knows nothing of the new one, and goes on for some."""

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


class _Valkey(EmbeddedServer):
    """A process of Valkey, which plays a restart of Redis by reading its file again.

    To end it, start another one and load its scripts took a twentieth of all processor time. It has
    all scripts from its start on, so that to load one again costs little.

    Attributes:
        scripts: those that were loaded since the last restart; of others it knows nothing.
        path: of its append-only file.
        file: that file, to be read.
        free: sockets that lead to it, and that nobody uses.
        size: of the file; None: it may have changed.
    """

    path: Path
    file: FileIO

    def __init__(self, directory: Path, place: int) -> None:
        super().__init__(directory, appendfsync="no", more=_OPTIONS)
        self._place = place
        self.scripts: set[str] = set()
        self.free: list[socket] = []
        self.size: int | None = None

    def start(self) -> None:
        """Start it."""
        preload = CLOCK.serve(self.directory.parent, self._place)
        CLOCK.tell(ahead_s=_NO_TIMERS_S)
        with _environment(preload), CLOCK.really(), CHANCE.of("a start of Redis"):
            super().start()
            self._own = self._probe()
        CLOCK.tell()
        self.path = max(self.directory.glob("appendonlydir/*.incr.aof"))
        self.file = self.path.open("rb", buffering=0)
        pipe = self._own.pipeline(transaction=False)
        for text in texts():
            pipe.script_load(text)
        pipe.execute()

    def begin_anew(self, start: int) -> None:
        """Have what is in the file, and another run id, as after a start."""
        CLOCK.tell_start(self._place, start)
        CLOCK.tell()
        self.scripts.clear()
        self.size = None
        try:
            self._own.execute_command(*_LOAD)
        except redis.ResponseError:  # it left out half a command, and may have written this one
            written, end = self.path.read_bytes(), pack_command(_LOAD)
            if written.endswith(end):
                os.truncate(self.path, len(written) - len(end))

    def empty(self) -> None:
        """Have nothing but scripts, which histories would spend much time to load."""
        CLOCK.tell_start(self._place, 0)
        self.scripts = set(digests())
        self.size = None
        self._own.flushall()
        os.truncate(self.path, 0)  # else each start would play all former histories again


class TimedServer:
    """A Valkey for which it is what time the simulation says.

    It restarts without the end of its file. Where it has replicas that is a failover: the new
    primary stands in the place of the old one, and has what was confirmed to be on a replica. The
    former one may go on for some, who are cut off with it: no replica confirms anything there, and
    what it takes is lost.

    Attributes:
        has_replicas: Sentinel makes one of them the primary when it dies.
        away_until: nothing answers before that moment.
        said: what it answered to INFO: the same whenever it is asked, but for what is put there.
        asks: which process does; None: the harness.
        then: called once, when a replica next confirms something.
        closes: close connections of this history, which nobody else does so soon.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._now = _Valkey(directory, 1)
        self._other: _Valkey | None = None
        self._starts = 0
        self.has_replicas = False
        self._lags = 0.0
        self.away_until = 0.0
        self.asks: Callable[[], object] = lambda: None
        self.then: Callable[[], None] | None = None
        self._former: _Former | None = None
        self.closes: list[Callable[[], None]] = []
        self.said: dict[tuple[Any, ...], str] = {}
        self._read_to = 0
        self._replicated = 0
        self._sizes: deque[tuple[float, int]] = deque(maxlen=2_000)

    def __enter__(self) -> Self:
        self._now.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Kill it: an orderly end needs its timers, and its clock stands still."""
        for valkey in self._all():
            valkey.kill()

    def _all(self) -> Iterator[_Valkey]:
        yield self._now
        if self._other is not None:
            yield self._other

    @property
    def pids(self) -> list[int]:
        """Of all processes that it runs."""
        return [valkey.pid for valkey in self._all()]

    def client(self) -> redis.Redis:
        """A new client of the primary."""
        return self._now.client()

    def empty(self) -> None:
        """Let nothing be there but scripts."""
        self.end_former()
        for close in self.closes:
            close()
        self.closes.clear()
        self.then = None
        self._now.empty()
        self._starts = self._read_to = 0
        self.away_until = 0.0
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
        return self._asked.socket

    @property
    def _asked(self) -> _Valkey:
        """What whoever asks takes for the primary."""
        if self._former is None or self.known_former is None or self._other is None:
            return self._now
        return self._other

    @property
    def free(self) -> list[socket]:
        """Sockets that lead there, and that nobody uses."""
        return self._asked.free

    @property
    def scripts(self) -> set[str]:
        """SHA-1 of the scripts that this one has."""
        return self._asked.scripts

    def is_gone(self, start: int) -> bool:
        """Whether what answered as this start of Redis is no more."""
        former = self._former
        return start != self._starts and (former is None or start != former.starts)

    @property
    def starts(self) -> int:
        """Of this history; each start, and each primary, has another run id."""
        if self._former is None:
            return self._starts
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

    def messages_moved(self) -> Iterator[tuple[str, int]]:
        """How many messages were put into which queue, or taken, since this was asked last."""
        size = self.written
        if size > self._read_to:
            written = os.pread(self._now.file.fileno(), size - self._read_to, self._read_to)
            self._read_to = size
            for words, does, queue in _ON_QUEUES.findall(written):
                yield queue.decode(), int(words) - 2 if does.lower() == b"push" else -1

    @property
    def written(self) -> int:
        """How much was written in this history."""
        asked = self._asked
        if asked.size is None:
            asked.size = os.fstat(asked.file.fileno()).st_size
        return asked.size

    def was_sent(self) -> None:
        """Something was sent to it, which may have been written."""
        self._now.size = None
        if self._other is not None:
            self._other.size = None

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
        os.truncate(self._now.path, kept)
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
        if self._other is None:
            self._other = _Valkey(self._directory.with_name("w"), 2)
            self._other.start()
        self._other.path.write_bytes(os.pread(self._now.file.fileno(), kept, 0))
        self._former = _Former(self._starts, self._replicated, cut_off)
        self._now, self._other = self._other, self._now
        self._begin()
        return size - kept

    def end_former(self) -> None:
        """The former primary is gone, and every process that it served finds the new one."""
        self._former = None

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
        self._now.begin_anew(self._starts)
        self._read_to = self.written
        self._replicated = min(self._replicated, self.written)  # half a command at the end is gone

    @property
    def _longest_s(self) -> float:
        return _BEHIND_S if self.has_replicas else _AT_POWER_LOSS_S
