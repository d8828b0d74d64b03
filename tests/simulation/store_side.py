"""Redis in a simulation: a real Valkey by the virtual clock; its clients give way at each call."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis
from redis.client import Pipeline

from leasewire.host.embedded import EmbeddedServer
from tests.faults.faulty_redis import faketime, false_clock
from tests.simulation.scheduler import Scheduler
from tests.simulation.virtual import CLOCK
from worker.store.connection import StoreClient, store_errors

_IN_ORDER: Final = (
    "hash-max-listpack-entries",
    "zset-max-listpack-entries",
    "set-max-listpack-entries",
)
"""Small hashes and sets keep the order of insertion; large ones have one that a start decides."""


_MOST_LOST: Final = 40_000
"""Bytes of the append-only file."""


class TimedServer(EmbeddedServer):
    """A Valkey for which it is what time the simulation says."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, appendfsync="no")
        self.clock_file = directory.with_name("clock")
        self._begins_at = 0

    def start(self) -> None:
        """Start it; its data come from the append-only file."""
        if faketime() is None:
            raise SystemExit("libfaketime is needed: Debian has it as package `libfaketime`")
        CLOCK.serve(self.clock_file)
        with false_clock(self.clock_file, FAKETIME_FMT="%s"):
            super().start()
        with self.client() as client:
            for name in _IN_ORDER:
                client.config_set(name, 1_000_000)

    def stop(self) -> None:
        """Kill it: an orderly end needs its timers, and its clock stands still."""
        self.kill()

    def empty(self) -> None:
        """Let nothing be there, as at the first start."""
        with self.client() as client:
            client.flushall()
            client.script_flush()
        self._begins_at = self._file().stat().st_size

    def lose_the_end(self, share: float) -> None:
        """Lose power, and with it a share of the last that was written; at most all of it."""
        file = self._file()
        size = file.stat().st_size
        self.kill()
        lost = int(share * min(size - self._begins_at, _MOST_LOST))
        os.truncate(file, size - lost)
        self.start()

    def _file(self) -> Path:
        return max(self.directory.glob("appendonlydir/*.incr.aof"))


class PlainClient(redis.Redis):
    """As publishers use it."""

    scheduler: Scheduler

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command is one point."""

        def do() -> Any:
            CLOCK.tell()
            return redis.Redis.execute_command(self, *args, **options)

        if args[0] != "INFO":
            return self.scheduler.call(_named(args), do, redis.ConnectionError)
        return _hidden(self.scheduler, _named(args), do)

    def pipeline(self, transaction: bool = True, shard_hint: None = None) -> Pipeline:
        """Several commands at once: one point."""
        made = _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.scheduler = self.scheduler
        return made


class WorkerClient(PlainClient, StoreClient):
    """As workers use it: with the errors of the store."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command is one point."""
        with store_errors():
            return PlainClient.execute_command(self, *args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: None = None) -> Pipeline:
        """Several commands at once: one point."""
        made = _StorePipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        made.scheduler = self.scheduler
        return made


class _Pipeline(Pipeline):
    scheduler: Scheduler

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        what = "; ".join(_named(args) for args, _ in self.command_stack[:3])
        more = len(self.command_stack) - 3
        timed = any(args[0] == "INFO" for args, _ in self.command_stack)

        def do() -> list[Any]:
            CLOCK.tell()
            return Pipeline.execute(self, raise_on_error=raise_on_error)

        whole = f"{what}; and {more}" if more > 0 else what
        try:
            if timed:
                return _hidden(self.scheduler, whole, do)
            return self.scheduler.call(whole, do, redis.ConnectionError)
        finally:
            self.reset()


def _hidden(scheduler: Scheduler, what: str, do: Callable[[], Any]) -> Any:
    """A call whose answer differs between two starts of Redis."""
    kept: list[Any] = []
    scheduler.call(what, lambda: kept.append(do()), redis.ConnectionError)
    return kept[0]


class _StorePipeline(_Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:
        with store_errors():
            return super().execute(raise_on_error=raise_on_error)


def _named(args: tuple[Any, ...]) -> str:
    name, *rest = args
    if name == "EVALSHA":
        return " ".join(map(str, [*rest[2:6]]))[:100]
    if rest and str(rest[0]).endswith("samples"):  # how much memory Redis uses differs
        return f"{name} {rest[0]}"
    return " ".join(map(str, [name, *rest[:3]]))[:100]


def connected(kind: type[PlainClient], server: EmbeddedServer, scheduler: Scheduler) -> Any:
    """A client of this kind."""
    client = kind(unix_socket_path=str(server.socket), decode_responses=True)
    client.scheduler = scheduler
    return client


@contextmanager
def running(directory: Path) -> Iterator[TimedServer]:
    """A server while the block runs."""
    with TimedServer(directory / "v") as server:
        yield server
