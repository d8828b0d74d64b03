"""Signs of life: of each process, for people and other processes, and for itself.

For itself a worker sees whether Redis is the one that it wrote the last sign to. A Redis that comes
back may lack its last second (`appendfsync everysec`), and a replica that takes over what had not
reached it. What was written to routers then is newer than what their records say.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

from worker.core.alerting.processes import ALIVE_MS, WORKER_KINDS, ProcessInfo, ProcessSign
from worker.core.service.formats import STORE_FORMATS
from worker.core.service.history import LINE_FORMAT
from worker.core.service.outcome import OUTCOME_FORMAT
from worker.core.storage_format import known_part, to_json
from worker.errors import StoreUnavailable, UnreadableStoreError
from worker.store.connection import StorePart, StoreParts
from worker.store.store_format import StoreFormat, format_of
from worker.version import installed_version

SIGN_S: Final = 86_400
SEEN_MS: Final = SIGN_S * 1000
"""Older signs of life are forgotten: each start of a process has another name."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_BOOT_LENGTH: Final = 8
_END_S: Final = 2.0
"""How long the end of a process waits for a sign that is under way."""


def formats_read() -> dict[str, list[int]]:
    """What is stored -> the formats that this version reads; `store` is what writers agree on."""
    return {
        "store": sorted(STORE_FORMATS),
        "record": sorted({number for row in STORE_FORMATS.values() for number in row}),
        "history": [LINE_FORMAT],
        "outcome": [OUTCOME_FORMAT],
    }


def this_process(kind: str) -> ProcessInfo:
    """What the process that asks says of itself."""
    boot = _BOOT.read_text(encoding="ascii")[:_BOOT_LENGTH] if _BOOT.exists() else ""
    host = socket.gethostname()
    return ProcessInfo(kind, host, os.getpid(), installed_version(), formats_read(), boot)


class RedisClock:
    """Redis's clock as it is known here: what it said last, and the time that has passed since.

    All hosts agree on it, whatever their own clocks say. Until Redis answers it is this host's.
    """

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()

    def learn(self, now_ms: int) -> None:
        """Redis has just said that it is this late (ms since 1970)."""
        self._ahead_s = now_ms / 1000 - time.monotonic()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return round((time.monotonic() + self._ahead_s) * 1000)

    def now(self) -> datetime:
        """The same, in UTC."""
        return datetime.fromtimestamp(time.monotonic() + self._ahead_s, UTC)


class Heartbeats(StorePart):
    """Signs of life of all processes. Each gives one every few seconds, until it ends.

    `store_format`: of what processes write; `now_s`: monotonic seconds.
    """

    def __init__(
        self,
        *parts: *StoreParts,
        store_format: StoreFormat,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(*parts)
        self._format = store_format
        self._now_s = now_s
        self._given_s = self._steady_since_s = now_s()
        self.clock: Final = RedisClock()

    def learn_time(self) -> int:
        """Ask for Redis's time (ms), which `clock` goes by from then on."""
        now_ms = self.now_ms()
        self.clock.learn(now_ms)
        return now_ms

    def give(self, process: ProcessInfo) -> None:
        """Leave a sign of life, with the clock of this host beside Redis's; forget old ones.

        The store format is read after the sign was left: whoever raises it before has not counted
        this process, and whoever does so later has.

        Raises:
            UnreadableStoreError: the store has a format that this version does not read.
        """
        began = time.time()
        now_ms = self.learn_time()
        ended = time.time()
        answer_ms = (ended - began) * 1000
        ahead_ms = round((began + ended) * 500 - now_ms)
        measured = process._replace(
            # less than half of the answer's time may be its way there or back
            clock_ms=ahead_ms if abs(ahead_ms) > answer_ms / 2 else 0,
            answer_ms=round(answer_ms, 1),
        )
        said = to_json(measured._asdict())
        gone, number = self._scripts.run("leave_sign", process.name, said, SEEN_MS)
        given_s = self._now_s()
        if given_s - self._given_s > ALIVE_MS / 1000:
            self._steady_since_s = given_s
        self._given_s = given_s
        self._forget(*gone)
        try:
            self._format.saw(format_of(number))
        except UnreadableStoreError:
            self._forget(process.name)
            raise

    def steady_ms(self) -> int:
        """For how long (ms) Redis has taken this process's signs; it may have been away before."""
        return round((self._given_s - self._steady_since_s) * 1000)

    def end(self, process: ProcessInfo) -> None:
        """A process was stopped in order: nobody waits for its signs."""
        self._forget(process.name)

    def forget_silent(self, host: str) -> int:
        """Forget the silent processes of a host; returns how many. One that lives is seen again."""
        silent = [
            sign.process.name
            for sign in self.seen()
            if sign.process.host == host and not sign.alive
        ]
        self._forget(*silent)
        return len(silent)

    def seen(self) -> list[ProcessSign]:
        """The processes of the last day that were not stopped in order, by name."""
        now_ms = self.now_ms()
        pipe = self._client.pipeline(transaction=False)
        pipe.zrange(self._keys.processes, 0, -1, withscores=True)
        pipe.hgetall(self._keys.process_info)
        signs, infos = cast("tuple[list[tuple[str, float]], dict[str, str]]", pipe.execute())
        return sorted(
            ProcessSign(known_part(ProcessInfo, json.loads(infos[name])), max(0, now_ms - int(ms)))
            for name, ms in signs
            if name in infos
        )

    def workers(self) -> list[str]:
        """Names of the workers that gave a sign of life in the last 15 s."""
        return sorted(
            sign.process.name
            for sign in self.seen()
            if sign.alive and sign.process.kind in WORKER_KINDS
        )

    def _forget(self, *names: str) -> None:
        if names:
            pipe = self._client.pipeline(transaction=False)
            pipe.zrem(self._keys.processes, *names)
            pipe.hdel(self._keys.process_info, *names)
            pipe.execute()


class Heartbeat:
    """The signs of life of this process; two threads may use it."""

    def __init__(self, heartbeats: Heartbeats, process: ProcessInfo) -> None:
        self.process = process
        self._heartbeats = heartbeats
        self._lock = threading.Lock()
        self._ended = False

    def give(self) -> None:
        """Leave a sign, unless the process is ending."""
        with self._lock:
            if not self._ended:
                self._heartbeats.give(self.process)

    def end(self) -> None:
        """This process is stopped in order. If Redis does not take that, it counts as silent."""
        self._ended = True
        if self._lock.acquire(timeout=_END_S):
            with suppress(StoreUnavailable):
                self._heartbeats.end(self.process)
            self._lock.release()


class Seen(Enum):
    """What a sign found."""

    SAME = "same"
    RESTARTED = "restarted"
    """Another start of Redis: it may lack what came after the last sign that it has."""
    ROLLED_BACK = "rolled-back"
    """It lacks the last sign."""


class Signs(StorePart):
    """Of this process. One thread gives them."""

    def __init__(self, *parts: *StoreParts) -> None:
        super().__init__(*parts)
        self._given = self._there = 0
        self._run = ""
        # Not its name: hosts of one name, cloned ones, would find each other's signs.
        self.id: Final = secrets.token_hex(8)

    def give(self) -> Seen:
        """Leave a sign, numbered from 1, and say what became of the one before."""
        self._given += 1  # should the answer get lost, either number may be there
        pipe = self._client.pipeline(transaction=False)
        pipe.set(self._keys.sign(self.id), str(self._given), ex=SIGN_S, get=True)
        pipe.info("server")
        before, about = cast("tuple[str | None, dict[str, Any]]", pipe.execute())
        first, run = not self._there, str(about["run_id"])
        lost = before is None or not self._there <= int(before) <= self._given
        restarted, self._there, self._run = run != self._run, self._given, run
        if first:
            return Seen.SAME
        if lost:
            return Seen.ROLLED_BACK
        return Seen.RESTARTED if restarted else Seen.SAME
