"""Connections to Redis in a simulation: refused while it is away; their own calls are points."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from socket import MSG_DONTWAIT, MSG_PEEK, socket
from typing import Any, Final

import redis
from hiredis import pack_command
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.connection import ConnectionPool, UnixDomainSocketConnection
from redis.sentinel import SentinelConnectionPool

import producers.resend
from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.script_calls import call_in_words, digest
from tests.simulation.virtual import CLOCK

_RUN: Final = re.compile(r"(run_id|master_replid):\w+")
PRIMARY: Final = ("primary", 6379)
_ANSWER: Final = bytearray(1 << 20)
_UNKNOWN: Final = "0" * 40
_OFFSET: Final = re.compile(r"master_repl_offset:\d+")


class _Connection(UnixDomainSocketConnection):
    """One that is refused while there is no primary, and whose own calls are points.

    A publisher asks over each new connection, before its first command, for what may be lost. Most
    have a socket of a former one, over which nothing is under way: to open one and to say hello
    took a twentieth of all time. What most commands need is here in few words; all else is as
    redis-py does it.

    Attributes:
        wrote: how much was written in this history when this connection last wrote something.
    """

    def __init__(self, *, server: TimedServer, scheduler: Scheduler, **options: Any) -> None:
        self._packer = _Packer(server)
        super().__init__(command_packer=self._packer, **options)
        self._server = server
        self._scheduler = scheduler
        self._asks_itself = False
        self._answer: list[Any] = []
        self.wrote = 0
        self._since = 0
        self._says_hello = True
        self._free: list[socket] = []
        self.host, self.port = PRIMARY
        server.closes.append(self.disconnect)

    def _connect(self) -> Any:
        if self._server.away:
            raise ConnectionRefusedError
        self._since = self._server.starts
        self._free = self._server.free
        self._packer.owed = 0
        while self._free:
            if _is_open(found := self._free.pop()):
                self._says_hello = False
                return found
        self._says_hello = True
        self.path = str(self._server.reached_at)
        made = super()._connect()
        made.settimeout(None)  # with one each call polls first
        return made

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Leave the socket to others, if nothing is under way on it."""
        if self._sock is not None and not self._packer.owed:
            self._free.append(self._sock)
            self._sock = None
        super().disconnect(*args, **options)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send something, unless this leads to a former primary, and others know a new one."""
        if self._sock is not None and self._since != self._server.starts:
            self.disconnect()
            raise redis.ConnectionError("it is no primary any more")
        if self._sock is None:
            self.connect_check_health(check_health=False)
        self._server.was_sent()
        try:
            for part in command:
                self._sock.sendall(part)
        except OSError as error:
            self.disconnect()
            raise redis.ConnectionError("somebody closed it") from error

    def pack_commands(self, commands: Iterable[Sequence[Any]]) -> list[bytes]:
        """Pack several commands, to be sent at once."""
        return [b"".join(map(self._packer.one, commands))]

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
        if self._says_hello:
            super().on_connect()
        else:
            self._parser.on_connect(self)
        self._asks_itself = before

    def send_command(self, *args: Any, **options: Any) -> None:
        """Send a command; one of the connection itself is answered at once."""
        if not self._asks_itself:
            self._send(*args)
            return

        def do() -> None:
            CLOCK.tell()
            answer = self.answer_here(args)
            if answer is None:
                self._send(*args)
                answer = UnixDomainSocketConnection.read_response(self)
            self._answer.append(answer)

        # the answer may differ between two starts of Redis
        self._scheduler.call(f"(connects) {call_in_words(args)}", do, redis.ConnectionError)

    def _send(self, *args: Any) -> None:
        self.send_packed_command([self._packer.one(args)])
        if args[0] == "SCRIPT LOAD":
            self._server.scripts.add(digest(args[1]))

    def can_read(self, timeout: float = 0) -> bool:
        """Whether an answer is there; one to what the connection asked itself is there at once."""
        if self._sock is not None and self._server.is_gone(self._since):
            raise redis.ConnectionError("it is gone")
        return bool(self._answer) or super().can_read(timeout)

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer."""
        if self._answer:
            return self._answer.pop()
        reader = self._parser._reader
        if args or options or reader is None:
            return super().read_response(*args, **options)
        answer = reader.gets()
        while answer is NOT_ENOUGH_DATA:
            count = self._sock.recv_into(_ANSWER)
            if not count:
                self.disconnect()
                raise redis.ConnectionError("somebody closed it")
            reader.feed(_ANSWER, 0, count)
            answer = reader.gets()
        self._packer.owed -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

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


def _is_open(found: socket) -> bool:
    """Whether nobody closed a socket over which nothing is under way."""
    try:
        found.recv(1, MSG_PEEK | MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    found.close()
    return False


class _Packer:
    """As that of redis-py, which looks at the type of each argument first.

    A script that was not loaded since the last restart is called by an unknown name.

    Attributes:
        owed: answers to what was packed for this connection that were not read.
    """

    def __init__(self, server: TimedServer) -> None:
        self._server = server
        self.owed = 0

    def pack(self, *args: Any) -> list[bytes]:
        """Pack a command."""
        return [self.one(args)]

    def one(self, args: Sequence[Any]) -> bytes:
        """Pack a command; a few have names of two words."""
        self.owed += 1 + (args[0] == "WATCH")  # who watches keys keeps its socket
        if args[0] == "EVALSHA" and args[1] not in self._server.scripts:
            args = (args[0], _UNKNOWN, *args[2:])
        packed: bytes = pack_command((*args[0].split(), *args[1:]) if " " in args[0] else args)
        return packed


class _Pool(ConnectionPool):
    """Gives a connection away at once if nobody could find anything wrong with it."""

    @property
    def is_ready(self) -> bool:
        """Whether the next connection need not be looked at."""
        free = self._available_connections
        return bool(free) and free[-1].is_idle

    def get_connection(self) -> _Connection:
        """Take one."""
        if self.is_ready:
            connection = self._available_connections.pop()
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
        path=str(server.reached_at),
        decode_responses=True,
        driver_info=None,  # two more round trips for each connection
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
