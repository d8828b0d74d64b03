"""Ends connections to a Redis server that is the primary no longer.

A server that dies closes its connections. One that hangs, or is cut off, does not: whoever waits
for its answer waits until the time limit, and Celery, which waits for messages, still longer. So a
thread asks Sentinel each second, and shuts what leads elsewhere; its users connect again by
themselves, to the new primary.
"""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from weakref import WeakSet

import redis
import structlog
from redis import SSLConnection
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

from contracts.broker import AskedByThreads, SentinelPlace

log = structlog.get_logger()

EVERY_S: Final = 1.0


class PrimaryConnection(SentinelManagedConnection):
    """A connection to the primary; it asks Sentinel each time it connects.

    That of redis-py goes back to the former address when a command finds it closed.
    """

    def connect_check_health(
        self,
        check_health: bool = True,  # noqa: FBT001, FBT002 - as redis-py has it
        retry_socket_connect: bool = True,  # noqa: FBT001, FBT002 - as redis-py has it
    ) -> None:
        """Connect, if it is not connected; without `retry_socket_connect` the address is new."""
        if retry_socket_connect and not self._sock:
            self.connect()  # type: ignore[no-untyped-call]
        else:
            super().connect_check_health(check_health, retry_socket_connect)


class PrimaryTlsConnection(PrimaryConnection, SSLConnection):
    """The same with TLS."""


class Sentinels(AskedByThreads, Sentinel):
    """The Sentinels of a Redis, asked in turn; who answered is asked first the next time."""


class _Failovers:
    """The pools of this process that lead to one primary; a thread watches while there are any."""

    def __init__(self, place: SentinelPlace, options: dict[str, Any]) -> None:
        self.place = place
        self._sentinel: Any = Sentinels(place.sentinels, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        self._pools: WeakSet[redis.ConnectionPool] = WeakSet()
        self._lock = threading.Lock()
        self._ended: WeakSet[socket.socket] = WeakSet()
        self._watches = False

    def add(self, pool: SentinelConnectionPool) -> None:
        # All ask by one: it asks a Sentinel that does not answer last, so that not each pool waits.
        pool.sentinel_manager = pool.proxy.sentinel_manager = self._sentinel
        with self._lock:
            self._pools.add(pool)
            if not self._watches:
                self._watches = True
                threading.Thread(target=self._watch, name="failovers", daemon=True).start()

    def _watch(self) -> None:
        while True:
            with self._lock:
                pools = list(self._pools)
                self._watches = bool(pools)
            if not pools:
                return
            if any(True for pool in pools for _ in open_connections(pool)):
                with suppress(redis.RedisError):  # no Sentinel answers, or none knows a primary
                    self._look(pools)
            del pools
            time.sleep(EVERY_S)

    def _look(self, pools: Sequence[redis.ConnectionPool]) -> None:
        primary = self._sentinel.discover_master(self.place.primary)
        connections = (c for pool in pools for c in open_connections(pool))
        former = [c.sock for c in connections if c.address != primary]
        ended = sum(self._end(sock) for sock in former)
        if ended:
            log.warning("redis.failover", primary=f"{primary[0]}:{primary[1]}", ended=ended)

    def _end(self, sock: socket.socket) -> bool:
        """Let whoever waits for an answer read the end; False: it was ended before."""
        if sock in self._ended:
            return False
        self._ended.add(sock)
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        return True


_failovers: dict[str, _Failovers] = {}
_lock = threading.Lock()


def follow(pool: SentinelConnectionPool, place: SentinelPlace, options: dict[str, Any]) -> None:
    """End connections of a pool that lead to a former primary, as long as the pool is in use.

    `options`: of connections to the Sentinels.
    """
    with _lock:
        known = _failovers.get(place.primary)
        if known is None or known.place != place:
            known = _failovers[place.primary] = _Failovers(place, options)
    known.add(pool)


def follow_too(pool: SentinelConnectionPool, primary: str) -> None:
    """Do the same for a further pool of this process; `primary`: Sentinel's name of its Redis."""
    known = _failovers.get(primary)
    if known is not None:
        known.add(pool)


class OpenConnection(NamedTuple):
    """An open connection of a pool: its socket, and the host and port that it leads to."""

    sock: socket.socket
    address: tuple[str, int]


def open_connections(pool: redis.ConnectionPool) -> Iterator[OpenConnection]:
    """The open connections of a pool, in use or not."""
    inside: Any = pool
    for connection in (*inside._in_use_connections, *inside._available_connections):  # noqa: SLF001 - redis-py has no other way to see them
        sock = connection._sock  # noqa: SLF001 - as above
        if sock is not None:
            yield OpenConnection(sock, (connection.host, connection.port))
