"""Connections without a complete first request: each costs only a descriptor.

asyncio and uvicorn make some twenty objects for a connection, and start the application for half a
body. Thousands of connections without a complete request would delay all others. Here the kernel
keeps what they send, and beyond the limit the oldest is closed.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

import structlog

from gateway.api import connections

log = structlog.get_logger("gateway")

BACKLOG: Final = 4096
"""Connections that the kernel may queue. If its queue is full, it does not answer, and the caller
tries again after a second."""
MOST_BYTES: Final = 8192
"""A longer request is handed over with its head, or what has arrived of it."""
_AT_A_TIME: Final = 64
"""So many are accepted before other work gets its turn: some milliseconds."""
_PAUSE_S: Final = 1.0
_ADVICE: Final = "no descriptor is left: raise the limit of open files (ulimit -n, LimitNOFILE)"
_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*(\d{1,6})[ \t]*\r?\n", re.IGNORECASE)
_AT_ONCE: Final = re.compile(rb"\n(?:expect|transfer-encoding):", re.IGNORECASE)
"""The caller waits to be asked for the body, or does not say how long it is."""


class NewConnections:
    """Hands a connection over when its first request has arrived.

    Args:
        listener: accepts the connections; it becomes non-blocking.
        make: makes the protocol of a connection.
    """

    def __init__(self, listener: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._since: dict[socket.socket, float] = {}
        """Waiting connections, oldest first."""
        self._wanted: dict[socket.socket, int] = {}
        """How many bytes must have arrived before the next check, if more than one."""
        self._handed_over: set[asyncio.Task[object]] = set()
        listener.setblocking(False)  # noqa: FBT003 - the name of the method says what it is
        self._begin()
        self._pause = self._late = self._loop.call_later(connections.HEAD_S, self._end_late_ones)

    def close(self) -> None:
        """Accept no more connections, and close those without a complete request."""
        self._late.cancel()
        self._pause.cancel()
        self._loop.remove_reader(self._listener)
        for caller in list(self._since):
            self._hang_up(caller)

    def _begin(self) -> None:
        self._loop.add_reader(self._listener, self._let_in)

    def _let_in(self) -> None:
        most = connections.most_arriving()
        for _ in range(_AT_A_TIME):
            try:
                caller, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(_PAUSE_S, self._begin)
                log.warning("gateway.accept_failed", error=str(error), advice=_ADVICE)
                return
            caller.setblocking(False)  # noqa: FBT003 - as above
            self._since[caller] = monotonic()
            self._loop.add_reader(caller, self._look, caller)
            if len(self._since) > most:
                self._hang_up(next(iter(self._since)))

    def _look(self, caller: socket.socket) -> None:
        """Check whether the request has arrived, and leave it in the kernel."""
        try:
            sent = caller.recv(MOST_BYTES, socket.MSG_PEEK)
        except OSError:
            sent = b""
        if len(sent) < self._wanted.get(caller, 1):  # woken because the caller closed it
            self._hang_up(caller)
            return
        wanted = _bytes_wanted(sent)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, max(1, wanted))
        if wanted:
            self._wanted[caller] = wanted
            return
        self._forget(caller)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._make, caller))
        self._handed_over.add(task)
        task.add_done_callback(self._handed_over.discard)

    def _end_late_ones(self) -> None:
        now, next_s = monotonic(), connections.HEAD_S
        for caller, since in list(self._since.items()):
            if since + connections.HEAD_S > now:
                next_s = since + connections.HEAD_S - now
                break
            with suppress(OSError):
                if caller.recv(MOST_BYTES):  # unread bytes would discard the answer
                    caller.send(connections.TOO_SLOW)
            self._hang_up(caller)
        self._late = self._loop.call_later(next_s, self._end_late_ones)

    def _forget(self, caller: socket.socket) -> None:
        del self._since[caller]
        self._wanted.pop(caller, None)
        self._loop.remove_reader(caller)

    def _hang_up(self, caller: socket.socket) -> None:
        self._forget(caller)
        caller.close()


def _bytes_wanted(sent: bytes) -> int:
    """How many bytes must have arrived before the next check; 0: hand the connection over.

    Bytes that are not a head are handed over too: they are answered at once.
    """
    end = _END.search(sent)
    if end is None:
        is_open = sent[:1].isalpha() and len(sent) < MOST_BYTES
        return len(sent) + 1 if is_open else 0
    head = sent[: end.end()]
    lengths = _LENGTH.findall(head)
    if len(lengths) != 1 or _AT_ONCE.search(head):
        return 0
    wanted = len(head) + int(lengths[0])
    return wanted if len(sent) < wanted <= MOST_BYTES else 0
