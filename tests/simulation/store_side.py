"""Clients of Redis in a simulation: they give way at each call, and read what the server plays."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from functools import lru_cache
from typing import Any, Final, cast

import redis
from redis._parsers.helpers import parse_info
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.client import Pipeline
from redis.connection import ConnectionPool
from redis.retry import Retry

from tests.simulation.connections import pool_of
from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.script_calls import call_in_words
from tests.simulation.virtual import CHANCE, CLOCK
from worker.store.connection import StoreClient, store_errors

_OF_NOTHING: Final = ("HGETALL", "INFO", "SET", "ZRANGEBYSCORE")
_read: Final = lru_cache(64)(parse_info)


class PlainClient(redis.Redis):
    """As publishers use it."""

    scheduler: Scheduler
    server: TimedServer

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py does it, in few words; what time it is decides nothing, and is known here."""
        pool = self.connection_pool
        if args[0] == "TIME" and pool.is_ready:
            micros = round(CLOCK.now_s * 1e6)
            return micros // 1_000_000, micros % 1_000_000
        connection = pool.get_connection()
        try:
            return connection.retry.call_with_retry(
                lambda: self._ask(connection, args, options), lambda _: connection.disconnect()
            )
        finally:
            pool.release(connection)

    def _ask(self, connection: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """One command is one point; whoever repeats it passes another one."""
        name = args[0]

        def do() -> Any:
            CLOCK.tell()
            answer = connection.answer_here(args)
            if answer is not None:
                return dict(_read(answer))
            connection.send_command(*args)
            answer = connection.read_response()
            options.pop("keys", None)
            callback = _CALLBACKS.get(name)
            return answer if callback is None else callback(answer, **options)

        if name in _OF_NOTHING and f"{name} {args[1]}" in self.scheduler.no_points:
            return do()
        return _called(self.scheduler, call_in_words(args), do, hidden=name == "INFO")

    def pipeline(self, transaction: bool = True, shard_hint: None = None) -> Pipeline:
        """Several commands at once: one point."""
        return self._of(_Pipeline, transaction, shard_hint)

    def _of(self, kind: type["_Pipeline"], transaction: bool, shard_hint: None) -> "_Pipeline":
        made = kind(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.scheduler, made.server = self.scheduler, self.server
        return made


class WorkerClient(PlainClient, StoreClient):
    """As workers use it: with the errors of the store."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command."""
        try:
            return PlainClient.execute_command(self, *args, **options)
        except redis.RedisError:
            with store_errors():
                raise

    def pipeline(self, transaction: bool = True, shard_hint: None = None) -> Pipeline:
        """Several commands at once: one point."""
        return self._of(_StorePipeline, transaction, shard_hint)


class OwnClient(WorkerClient):
    """As the harness reads: over one connection, without a point, and also after a restart."""

    _kept: Any = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command."""
        return self._asked([args], lambda kept: self.parse_response(kept, args[0], **options))

    def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Several at once."""
        return cast(
            "list[Any]",
            self._asked(commands, lambda kept: [kept.read_response() for _ in commands]),
        )

    def _asked(self, commands: Sequence[tuple[Any, ...]], answer: Callable[[Any], Any]) -> Any:
        CLOCK.tell()
        for _ in range(2):
            kept = self._kept = self._kept or self.connection_pool.get_connection()
            with suppress(redis.ConnectionError):
                kept.send_packed_command(kept.pack_commands(commands))
                return answer(kept)
            kept.disconnect()
        raise redis.ConnectionError("Redis does not answer the harness")


class _Pipeline(Pipeline):
    scheduler: Scheduler
    server: TimedServer

    def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> list[Any]:
        waits = commands[-1][0][0] == "WAIT"
        sent = commands[:-1] if waits else commands
        answers = self._at_once(connection, sent, raise_on_error, _Pipeline._send_all)
        return [*answers, self._replicated(connection.wrote)] if waits else answers

    def _send_all(self, connection: Any, commands: Any, raise_on_error: bool) -> list[Any]:
        """As redis-py does it, in few words."""
        connection.send_packed_command(connection.pack_commands([args for args, _ in commands]))
        answers: list[Any] = []
        for args, options in commands:
            try:
                answers.append(self.parse_response(connection, args[0], **options))
            except redis.ResponseError as error:
                answers.append(error)
        if raise_on_error:
            self.raise_first_error(commands, answers)
        return answers

    def _execute_transaction(
        self, connection: Any, commands: Any, raise_on_error: bool
    ) -> list[Any]:
        return self._at_once(connection, commands, raise_on_error, Pipeline._execute_transaction)

    def _at_once(
        self, connection: Any, commands: Any, raise_on_error: bool, execute: Callable[..., Any]
    ) -> list[Any]:
        what = "; ".join(call_in_words(args) for args, _ in commands[:3])
        more = len(commands) - 3
        timed = any(args[0] == "INFO" for args, _ in commands)

        def do() -> list[Any]:
            CLOCK.tell()
            before = self.server.written
            answers: list[Any] = execute(self, connection, commands, raise_on_error)
            if self.server.written != before:
                connection.wrote = self.server.written
            return answers

        whole = f"{what}; and {more}" if more > 0 else what
        answers: list[Any] = _called(self.scheduler, whole, do, hidden=timed)
        return answers

    def _replicated(self, written: int) -> int:
        """The answer to WAIT: how many replicas have what its connection wrote last.

        After up to a second; where that is long replicated, at once.
        """
        server, starts = self.server, self.server.starts
        has_it = server.is_replicated(written)
        confirms = has_it or CHANCE.random() >= server.lags
        self.scheduler.sleep(0.0 if has_it else CHANCE.uniform(0, 0.2) if confirms else 1.0)
        if server.starts != starts or server.away:
            raise redis.ConnectionError("the primary is gone")
        if server.known_former is not None:  # since a moment ago
            confirms = server.is_replicated(written)
        if confirms:
            server.replicate(written)
        self.scheduler.counts["WAIT confirmed" if confirms else "WAIT in vain"] += 1
        self.scheduler.tell(f"WAIT -> {int(confirms)}")
        return int(confirms)


class _StorePipeline(_Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:
        try:
            return super().execute(raise_on_error=raise_on_error)
        except redis.RedisError:
            with store_errors():
                raise


def _called(scheduler: Scheduler, what: str, do: Callable[[], Any], *, hidden: bool) -> Any:
    """Pass a point; a hidden answer differs between two starts of Redis."""
    if not hidden:
        return scheduler.call(what, do, redis.ConnectionError)
    kept: list[Any] = []
    scheduler.call(what, lambda: kept.append(do()), redis.ConnectionError)
    return kept[0]


_UNCONNECTED: Final = {
    kind: kind(connection_pool=ConnectionPool(decode_responses=True))
    for kind in (PlainClient, WorkerClient, OwnClient)
}
"""To make one takes long, and a history has ten. They draw random numbers when they are made."""
_CALLBACKS: Final = dict(_UNCONNECTED[PlainClient].response_callbacks)


def connected(kind: type[PlainClient], pool: ConnectionPool) -> Any:
    """A client of this kind."""
    client = copy(_UNCONNECTED[kind])
    client.connection_pool = pool
    client.scheduler = pool.connection_kwargs["scheduler"]
    client.server = pool.connection_kwargs["server"]
    return client


def own_client(server: TimedServer, scheduler: Scheduler) -> Any:
    """As the harness itself reads: after a restart of Redis it goes on."""
    return connected(OwnClient, pool_of(server, scheduler, retry=Retry(NoBackoff(), 3)))


def worker_client(server: TimedServer, scheduler: Scheduler) -> Any:
    """As `worker.store.connection.connect` makes it."""
    pool = pool_of(server, scheduler, socket_timeout=30.0)
    return connected(WorkerClient, pool)


def publisher_client(server: TimedServer, scheduler: Scheduler) -> Any:
    """As `producers.connection.open_publisher` makes it."""
    sentinel = server.has_replicas
    backoff = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.3), 3)
    retry = Retry(NoBackoff(), 0) if sentinel else backoff
    pool = pool_of(server, scheduler, socket_timeout=10, retry=retry, sentinel=sentinel)
    return connected(PlainClient, pool)
