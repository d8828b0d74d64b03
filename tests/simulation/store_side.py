"""Clients of Redis in a simulation: they give way at each call, and read what the server plays."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any, Final, cast

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.client import Pipeline
from redis.connection import ConnectionPool, UnixDomainSocketConnection
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

import producers.resend
from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.script_calls import script_call
from tests.simulation.virtual import CHANCE, CLOCK
from worker.store.connection import StoreClient, store_errors

_RUN: Final = re.compile(r"(run_id|master_replid):\w+")
PRIMARY: Final = ("primary", 6379)
_OFFSET: Final = re.compile(r"master_repl_offset:\d+")


class _Connection(UnixDomainSocketConnection):
    """One that is refused while there is no primary, and whose own calls are points.

    A publisher asks over each new connection, before its first command, for what may be lost.

    Attributes:
        wrote: how much was written in this history when this connection last wrote something.
    """

    def __init__(self, *, server: TimedServer, scheduler: Scheduler, **options: Any) -> None:
        super().__init__(**options)
        self._server = server
        self._scheduler = scheduler
        self._asks_itself = False
        self._answer: list[Any] = []
        self.wrote = 0
        self.host, self.port = PRIMARY

    def _connect(self) -> Any:
        if self._server.away:
            raise ConnectionRefusedError
        return super()._connect()

    @contextmanager
    def asking_itself(self) -> Iterator[None]:
        """What is sent in the block is no part of a command of the client."""
        self._asks_itself = True
        try:
            yield
        finally:
            self._asks_itself = False

    def on_connect(self) -> None:
        """Say hello, which is no point."""
        self._answer.clear()
        self.wrote = 0
        before, self._asks_itself = self._asks_itself, False
        super().on_connect()
        self._asks_itself = before

    def send_command(self, *args: Any, **options: Any) -> None:
        """Send a command; one of the connection itself is answered at once."""
        if not self._asks_itself:
            super().send_command(*args, **options)
            return

        def do() -> None:
            CLOCK.tell()
            UnixDomainSocketConnection.send_command(self, *args, **options)
            self._answer.append(UnixDomainSocketConnection.read_response(self))

        # the answer may differ between two starts of Redis
        self._scheduler.call(f"(connects) {_named(args)}", do, redis.ConnectionError)

    def can_read(self, timeout: float = 0) -> bool:
        """Whether an answer is there; one to what the connection asked itself is there at once."""
        return bool(self._answer) or super().can_read(timeout)

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; what names this start of Redis is told so that each run has the same."""
        answer = self._answer.pop() if self._answer else super().read_response(*args, **options)
        if isinstance(answer, str) and answer.startswith("# "):
            return self._as_played(answer)
        return answer

    def _as_played(self, info: str) -> str:
        server = self._server
        info = _RUN.sub(rf"\1:a{server.starts:039x}", info)
        if "master_replid" not in info:
            return info
        info = _OFFSET.sub(f"master_repl_offset:{server.written}", info)
        offset = server.replicate_some()
        return f"{info}slave0:ip=replica,port=6379,state=online,offset={offset},lag=0\r\n"


class _SentinelPool(SentinelConnectionPool):
    """Sentinel always names the same server: the new primary stands in the place of the old one."""

    scheduler: Scheduler
    master_address = None

    def __init__(self, **options: Any) -> None:
        self.is_master = True
        ConnectionPool.__init__(self, **options)

    def reset(self) -> None:
        """Forget all connections."""
        ConnectionPool.reset(self)

    def owns_connection(self, connection: Any) -> bool:
        """Whether it is of this pool."""
        return ConnectionPool.owns_connection(self, connection)

    def get_master_address(self) -> tuple[str, int]:
        """A question to a Sentinel."""
        self.scheduler.call("Sentinel names the primary", lambda: None, redis.ConnectionError)
        return PRIMARY


class _PoolOfPoints:
    """Connections of a pool that are used without a client: what is sent on them is a point."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._blocks = ExitStack()

    def get_connection(self) -> _Connection:
        """Take one."""
        connection: _Connection = self._pool.get_connection()
        self._blocks.enter_context(connection.asking_itself())
        return connection

    def release(self, connection: _Connection) -> None:
        """Give it back."""
        self._blocks.close()
        self._pool.release(connection)


class PlainClient(redis.Redis):
    """As publishers use it."""

    scheduler: Scheduler
    server: TimedServer

    def _send_command_parse_response(
        self, conn: Any, command_name: str, *args: Any, **options: Any
    ) -> Any:
        """One command is one point; whoever repeats it passes another one."""

        def do() -> Any:
            CLOCK.tell()
            return redis.Redis._send_command_parse_response(
                self, conn, command_name, *args, **options
            )

        return _called(self.scheduler, _named(args), do, hidden=args[0] == "INFO")

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
        with store_errors():
            return PlainClient.execute_command(self, *args, **options)

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
        answers = self._at_once(connection, sent, raise_on_error, Pipeline._execute_pipeline)
        return [*answers, self._replicated(connection.wrote)] if waits else answers

    def _execute_transaction(
        self, connection: Any, commands: Any, raise_on_error: bool
    ) -> list[Any]:
        return self._at_once(connection, commands, raise_on_error, Pipeline._execute_transaction)

    def _at_once(
        self, connection: Any, commands: Any, raise_on_error: bool, execute: Callable[..., Any]
    ) -> list[Any]:
        what = "; ".join(_named(args) for args, _ in commands[:3])
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
        if confirms:
            server.replicate(written)
        self.scheduler.counts["WAIT confirmed" if confirms else "WAIT in vain"] += 1
        self.scheduler.tell(f"WAIT -> {int(confirms)}")
        return int(confirms)


class _StorePipeline(_Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:
        with store_errors():
            return super().execute(raise_on_error=raise_on_error)


def _called(scheduler: Scheduler, what: str, do: Callable[[], Any], *, hidden: bool) -> Any:
    """Pass a point; a hidden answer differs between two starts of Redis."""
    if not hidden:
        return scheduler.call(what, do, redis.ConnectionError)
    kept: list[Any] = []
    scheduler.call(what, lambda: kept.append(do()), redis.ConnectionError)
    return kept[0]


def _named(args: tuple[Any, ...]) -> str:
    name, *rest = args
    if name == "EVALSHA":
        return script_call(str(rest[0]), rest[2:])[:140]
    if name == "SCRIPT LOAD":
        return str(name)
    if rest and str(rest[0]).endswith("samples"):  # how much memory Redis uses differs
        return f"{name} {rest[0]}"
    return " ".join(map(str, [name, *rest[:3]]))[:100]


def pool_of(server: TimedServer, scheduler: Scheduler, **options: Any) -> ConnectionPool:
    """Connections to the server; with `sentinel` to whatever Sentinel names."""
    kind = _SentinelPool if options.pop("sentinel", False) else ConnectionPool
    made: ConnectionPool = kind(
        connection_class=_Connection,
        path=str(server.socket),
        decode_responses=True,
        server=server,
        scheduler=scheduler,
        **options,
    )
    if isinstance(made, _SentinelPool):
        made.scheduler = scheduler
    return made


def connected(kind: type[PlainClient], pool: ConnectionPool) -> Any:
    """A client of this kind."""
    client = kind(connection_pool=pool)
    client.scheduler = pool.connection_kwargs["scheduler"]
    client.server = pool.connection_kwargs["server"]
    return client


def own_client(server: TimedServer, scheduler: Scheduler) -> Any:
    """As the harness itself reads: after a restart of Redis it goes on."""
    return connected(OwnClient, pool_of(server, scheduler, retry=Retry(NoBackoff(), 3)))


def worker_client(server: TimedServer, scheduler: Scheduler) -> Any:
    """As `worker.store.connection.connect` makes it."""
    pool = pool_of(server, scheduler, socket_timeout=30.0, health_check_interval=30)
    return connected(WorkerClient, pool)


def publisher_client(server: TimedServer, scheduler: Scheduler) -> Any:
    """As `producers.connection.open_publisher` makes it."""
    sentinel = server.has_replicas
    backoff = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.3), 3)
    retry = Retry(NoBackoff(), 0) if sentinel else backoff
    pool = pool_of(server, scheduler, socket_timeout=10, retry=retry, sentinel=sentinel)
    return connected(PlainClient, pool)


_replication: Final = producers.resend._replication
producers.resend._replication = lambda pool: _replication(_PoolOfPoints(pool))
redis.utils.get_lib_version = cache(redis.utils.get_lib_version)
"""Else each connection reads which version of redis-py is installed."""
ConnectionPool.get_connection = ConnectionPool.get_connection.__wrapped__  # type: ignore[method-assign, attr-defined]
redis.connection.record_connection_count = lambda **_: None
redis.client.record_operation_duration = lambda **_: None
"""Nobody measures redis-py here, which costs a tenth of the time."""
