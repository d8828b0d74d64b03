"""Sends again what Redis accepted and lost: at a failover, or when it lost its last writes.

Redis answers before its replicas have what was written, so a new primary may lack the last moments.
A publisher remembers what was accepted in the last seconds. Before it uses a connection to a Redis
of another history, it asks there for these events, and sends again those that are unknown.
"""

import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.resources import files
from itertools import groupby
from typing import Any, Final

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool

from contracts.message import envelope
from contracts.names import (
    BRIEF,
    LANES,
    NOTIFIED_LIFETIME_MS,
    REFUSED,
    SEEN,
    TASK_ACCEPT,
    Lane,
    journal_body,
    journal_keys,
    journal_lost,
)
from producers.accepted import AcceptedEvent, AcceptedEvents, AcceptedInSpool
from producers.errors import SpoolFailed
from producers.redis_errors import advice_for, refuses_us
from producers.transport import CompleteEvent, batches

log = logging.getLogger("leasewire.publisher")

LOOKS_EVERY_S: Final = 1.0
_MOST_OFFSETS: Final = 3_600
_ANSWERS_S: Final = 2.0
"""For so long the thread waits for Redis before it asks Sentinel again."""
_HISTORY: Final = re.compile(r"master_replid:(\w+)")
_OFFSET: Final = re.compile(r"master_repl_offset:(\d+)")
_REPLICA: Final = re.compile(r"^slave\d+:.*offset=(\d+)", re.MULTILINE)
_PRIMARY: Final = "role:master"
_UNNAMED: Final = "?"

Call = Callable[..., Any]
"""Sends one command over one connection, and returns its answer."""


class Resend:
    """Keeps what a publisher sent, for as long as Redis may lose it.

    A thread looks each second: it forgets what is old, and with Sentinel it asks for the primary
    while anything is remembered, so that a publisher that has nothing to publish sends again too.
    There an event is forgotten once it is old enough and a replica has it; else once it is old.

    Args:
        redis: of the publisher; its connections ask as soon as they are open.
        accepted: what is remembered, perhaps of a process that crashed.
        prefix: first part of every key.
        keep_s: how long an event is remembered at least.

    Attributes:
        history: Redis's name of its data, to be noted before events are sent; empty: there was no
            connection yet.
        on_disk: what is sent is to be taken over before it counts as accepted.
        sent: accepted events, their lane, and the history noted before: whoever sends adds to it.
    """

    def __init__(
        self, redis: Redis, accepted: AcceptedEvents, *, prefix: str, keep_s: float
    ) -> None:
        self.history = ""
        self.on_disk = isinstance(accepted, AcceptedInSpool)
        self.sent: deque[tuple[Sequence[CompleteEvent], Lane, str]] = deque()
        self._redis = redis
        self._accepted = accepted
        self._prefix = prefix
        self._keep_s = keep_s
        pool: Any = redis.connection_pool
        self._sentinel = pool if isinstance(pool, SentinelConnectionPool) else None
        pool.connection_kwargs["redis_connect_func"] = self._connected
        lua = files(__package__) / "lua"
        self._unknown = (lua / "unknown.lua").read_text(encoding="utf-8")
        self._publish = (lua / "publish.lua").read_text(encoding="utf-8")
        self._lock = threading.RLock()
        self._offsets: deque[tuple[float, int]] = deque(maxlen=_MOST_OFFSETS)
        self._on_replica_s = 0.0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        if not accepted.is_empty():
            self._start()

    def close(self) -> None:
        """Stop looking; another connection starts it again."""
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def ask(self) -> None:
        """Ask for what was sent under another history, and send again what is unknown.

        To be called where the history changed while events were sent: they may be on a server that
        is the primary no longer.

        Raises:
            RedisError: it could not be done now.
        """
        with self._lock:
            lost, known = self._send_again(self._redis.execute_command, self.history)
        if lost:
            _log_sent_again(lost, known)

    def remember(self) -> None:
        """Take over what was sent: done within a second by itself.

        Raises:
            SpoolFailed: it is to be remembered on a disk, and cannot be.
        """
        with self._lock:
            while self.sent:
                events, lane, history = self.sent[0]
                self._accepted.add(
                    [AcceptedEvent(event.key, event.source, lane, event.body) for event in events],
                    history,
                )
                self.sent.popleft()

    def _connected(self, connection: Any) -> None:  # noqa: ANN401 - of any kind of redis-py
        """Prepare a new connection; before its first command it asks for what may be lost."""
        connection.on_connect()

        def call(*command: object) -> Any:  # noqa: ANN401 - as Redis answers
            connection.send_command(*command, check_health=False)
            return connection.read_response()

        self._start()
        with self._lock:
            try:
                info = text_of(call("INFO", "replication"))
            except ResponseError as error:
                _log_refused(error)
                self.history = _UNNAMED
                return
            if _PRIMARY not in info:
                raise ReadOnlyError("it is a replica")
            history = _found(_HISTORY, info)
            lost, known = self._send_again(call, history)
            if history != self.history:
                self.history = history
                # Another thread may have added events meanwhile. From here on it sees the change.
                more_lost, more_known = self._send_again(call, history)
                lost, known = lost + more_lost, known + more_known
            if lost or known:
                _log_sent_again(lost, known)

    def _send_again(self, call: Call, history: str) -> tuple[int, int]:
        """Ask for all that another history accepted, and send again what is unknown.

        Returns:
            How many were lost, and how many were known.

        Raises:
            RedisError: it could not be done now.
        """
        try:
            self.remember()
            events = {event.key: event for event in self._accepted.of_others(history)}
            if not events:
                return 0, 0
            lost = self._write(call, self._find_unknown(call, events.values()))
            self._accepted.confirm(events.keys(), history)
        except ResponseError as error:
            if not refuses_us(error):
                raise
            _log_refused(error)  # publishing goes on: who may publish need not have these rights
            return 0, 0
        except SpoolFailed as error:
            raise RedisConnectionError(error.reason) from error
        return lost, len(events) - lost

    def _find_unknown(self, call: Call, events: Iterable[AcceptedEvent]) -> list[AcceptedEvent]:
        digest = text_of(call("SCRIPT LOAD", self._unknown))
        bodies = [journal_body(self._prefix, lane) for lane in LANES]
        starts = [f"{self._prefix}{kind}" for kind in (SEEN, BRIEF, REFUSED)]
        unknown: list[AcceptedEvent] = []
        for batch in batches(events):
            asked = [part for event in batch for part in (event.key, event.source)]
            answer = call("EVALSHA", digest, len(bodies), *bodies, *starts, *asked)
            keys = set(map(text_of, answer))
            unknown += [event for event in batch if event.key in keys]
        return unknown

    def _write(self, call: Call, events: Sequence[AcceptedEvent]) -> int:
        """Write events into the journal; returns how many were not there.

        Raises:
            RedisError: not all were written; what was is logged, as it will be known next time.
        """
        if not events:
            return 0
        digest = text_of(call("SCRIPT LOAD", self._publish))
        written = 0
        try:
            for lane, of_lane in groupby(events, lambda event: event.lane):
                keys = [*journal_keys(self._prefix, lane), journal_lost(self._prefix)]
                args = [NOTIFIED_LIFETIME_MS, lane, envelope(TASK_ACCEPT, lane)]
                for batch in batches(of_lane):
                    pairs = [part for event in batch for part in (event.key, event.body)]
                    answer = call("EVALSHA", digest, len(keys), *keys, *args, *pairs)
                    written += len(batch) - len(answer[1]) // 2
        except RedisError:
            if written:
                _log_sent_again(written, 0)
            raise
        return written

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stopping.clear()
                self._thread = threading.Thread(target=self._look_on, name="resend", daemon=True)
                self._thread.start()

    def _look_on(self) -> None:
        while not self._stopping.wait(LOOKS_EVERY_S):
            try:
                self._look()
            except (RedisError, SpoolFailed):
                continue  # no Sentinel answers, or none knows a primary: the next look may find one
            except Exception:  # a bug; the thread must go on
                log.exception("publisher.look_failed")

    def _look(self) -> None:
        self.remember()
        if self._accepted.is_empty():
            return
        now_s = self._accepted.now_s()
        if not self.history:
            self._redis.ping()  # it opens a connection, which asks for what a former process sent
        if self._sentinel is None:
            self._accepted.forget(now_s - self._keep_s)
            return
        _leave_former_primary(self._sentinel)
        info = _replication(self._sentinel)
        if _found(_HISTORY, info) != self.history:
            self._sentinel.disconnect(inuse_connections=False)
            return
        self._offsets.append((now_s, int(_found(_OFFSET, info))))
        offset = max(map(int, _REPLICA.findall(info)), default=-1)
        while self._offsets and self._offsets[0][1] <= offset:
            self._on_replica_s = self._offsets.popleft()[0]
        self._accepted.forget(min(self._on_replica_s, now_s - self._keep_s))


def _leave_former_primary(pool: Any) -> None:  # noqa: ANN401 - redis-py has no type for it
    """End connections that lead to a server which is the primary no longer.

    It may hang, or its link be slow: who waits for its answer would wait until the time limit. The
    next command opens a new connection, which asks Sentinel.
    """
    primary = pool.get_master_address()  # closes those that nobody uses
    for connection in tuple(pool._in_use_connections):  # noqa: SLF001 - as worker/store/failover.py
        sock = connection._sock  # noqa: SLF001 - as above
        if sock is not None and (connection.host, connection.port) != primary:
            with suppress(OSError):  # it was closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)


def _replication(pool: Any) -> str:  # noqa: ANN401 - as above
    """What the primary says of its replicas.

    Raises:
        RedisError: it did not answer soon.
    """
    connection = pool.get_connection()
    try:
        connection.send_command("INFO", "replication")
        if not connection.can_read(timeout=_ANSWERS_S):
            connection.disconnect()
            raise RedisConnectionError("no answer")
        return text_of(connection.read_response())
    finally:
        pool.release(connection)


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _log_sent_again(lost: int, known: int) -> None:
    level = logging.WARNING if lost else logging.INFO
    numbers = {"lost": lost, "known": known}
    log.log(level, "publisher.sent_again lost=%d known=%d", lost, known, extra=numbers)


def _log_refused(error: ResponseError) -> None:
    log.error("publisher.cannot_ask: %s (%s)", advice_for(error), error)


def text_of(reply: str | bytes) -> str:
    """What Redis answered, whether the connection decodes or not."""
    return reply.decode() if isinstance(reply, bytes) else reply
