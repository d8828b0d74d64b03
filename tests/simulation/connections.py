"""Connections to Redis in a simulation: refused while it is away; their own calls are points."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Final

import redis
from hiredis import pack_command
from redis.connection import ConnectionPool, UnixDomainSocketConnection
from redis.sentinel import SentinelConnectionPool

import producers.resend
from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.script_calls import call_in_words
from tests.simulation.virtual import CLOCK

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
        self._since = 0
        self.host, self.port = PRIMARY

    def _connect(self) -> Any:
        if self._server.away:
            raise ConnectionRefusedError
        self._since = self._server.starts
        self.path = str(self._server.reached_at)
        return super()._connect()

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send something, unless this leads to a former primary, and others know a new one."""
        if self._sock is not None and self._since != self._server.starts:
            self.disconnect()
            raise redis.ConnectionError("it is no primary any more")
        super().send_packed_command(command, check_health)

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
            answer = self.answer_here(args)
            if answer is None:
                UnixDomainSocketConnection.send_command(self, *args, **options)
                answer = UnixDomainSocketConnection.read_response(self)
            self._answer.append(answer)

        # the answer may differ between two starts of Redis
        self._scheduler.call(f"(connects) {call_in_words(args)}", do, redis.ConnectionError)

    def can_read(self, timeout: float = 0) -> bool:
        """Whether an answer is there; one to what the connection asked itself is there at once."""
        return bool(self._answer) or super().can_read(timeout)

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer."""
        return self._answer.pop() if self._answer else super().read_response(*args, **options)

    def answer_here(self, args: Sequence[Any]) -> Any:
        """What Redis says of itself, if it is asked that; it need be asked but once."""
        return self._info(*args) if args[0] == "INFO" else None

    @property
    def is_alive(self) -> bool:
        """Whether it leads to the Redis of now."""
        return self._since == self._server.starts

    @property
    def is_idle(self) -> bool:
        """Whether it leads there, and nothing is left to be read."""
        return self._sock is not None and self.is_alive and not self._answer

    def _info(self, *args: Any) -> str:
        """What names this start of Redis is the same in each run."""
        server = self._server
        asked = (server.starts, *args)
        info = server.said.get(asked) if self.is_alive else None
        if info is None:
            UnixDomainSocketConnection.send_command(self, *args)
            info = UnixDomainSocketConnection.read_response(self)
            server.said[asked] = info = _RUN.sub(rf"\1:a{server.starts:039x}", info)
        if "master_replid" not in info:
            return info
        info = _OFFSET.sub(f"master_repl_offset:{server.written}", info)
        offset = server.replicate_some()
        return f"{info}slave0:ip=replica,port=6379,state=online,offset={offset},lag=0\r\n"


class _Packer:
    """As that of redis-py, which looks at the type of each argument first."""

    def pack(self, *args: Any) -> list[bytes]:
        """Pack a command; a few have names of two words."""
        return [pack_command((*args[0].split(), *args[1:]) if " " in args[0] else args)]


class _Pool(ConnectionPool):
    """Gives a connection away at once if nobody could find anything wrong with it."""

    def get_connection(self) -> _Connection:
        """Take one."""
        free = self._available_connections
        if free and free[-1].is_idle:
            connection = free.pop()
            self._in_use_connections.add(connection)
            return connection
        return super().get_connection()

    def release(self, connection: _Connection) -> None:
        """Give it back."""
        self._in_use_connections.discard(connection)
        self._available_connections.append(connection)


class _SentinelPool(_Pool, SentinelConnectionPool):
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


def pool_of(server: TimedServer, scheduler: Scheduler, **options: Any) -> _Pool:
    """Connections to the server; with `sentinel` to whatever Sentinel names."""
    kind = _SentinelPool if options.pop("sentinel", False) else _Pool
    made = kind(
        connection_class=_Connection,
        path=str(server.socket),
        decode_responses=True,
        driver_info=None,  # two more round trips for each connection
        command_packer=_Packer(),
        server=server,
        scheduler=scheduler,
        **options,
    )
    if isinstance(made, _SentinelPool):
        made.scheduler = scheduler
    return made


_replication: Final = producers.resend._replication
producers.resend._replication = lambda pool: _replication(_PoolOfPoints(pool))
redis.utils.get_lib_version = cache(redis.utils.get_lib_version)
"""Else each client reads which version of redis-py is installed."""
ConnectionPool.get_connection = ConnectionPool.get_connection.__wrapped__  # type: ignore[method-assign, attr-defined]
for _measures in ("record_connection_count", "get_pool_name"):
    setattr(redis.connection, _measures, lambda *_, **__: "")
redis.client.record_operation_duration = lambda **_: None
"""Nobody measures redis-py here, which costs a tenth of the time."""
