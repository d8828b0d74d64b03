"""Limits of a connection before there is a request: bytes, time, number of connections.

With httptools, uvicorn limits neither a head nor the time that a request takes to arrive, and it
counts connections only when their head is complete.
"""

import json
import resource
from asyncio import TimerHandle, Transport
from time import monotonic
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from gateway.api.problems import MEDIA_TYPE, Kind, Refused

MOST_HEAD_BYTES: Final = 64 * 1024
MOST_HEADERS: Final = 100
HEAD_S: Final = 10.0
"""From the connection, or from the head's first byte, to the end of the head."""
BODY_S: Final = 30.0
"""From there to the end of the body: a full batch takes this long at 35 kB/s."""
ANSWER_S: Final = 30.0
"""How long a caller may read nothing of an answer that does not fit into the socket."""
MOST_CONNECTIONS: Final = 1000
MOST_UNFINISHED_BYTES: Final = 16 * 1024 * 1024
"""Of all incomplete requests: a hundred half bodies of the largest kind."""
_MOST_UNREAD_BYTES: Final = 8 * 1024 * 1024
"""Of a request that was refused before it was complete: its sender may read the answer only at the
end."""
_UNFINISHED: Final = "unfinished_bytes"
MOST_ARRIVING: Final = 4 * MOST_CONNECTIONS
_SHARE: Final = 4
"""Connections take one in so many of the process's descriptors, those without a complete request
half of them; the rest is for the process itself."""
_ENOUGH_FILES: Final = 2 * MOST_ARRIVING


def allow_open_files() -> None:
    """Raise the limit of descriptors as far as needed and permitted; a connection needs one.

    Not further: child processes inherit the limit, and some iterate over all descriptors.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_FILES if most == resource.RLIM_INFINITY else min(most, _ENOUGH_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def most_connections() -> int:
    """Number of connections that may be open at once."""
    return min(MOST_CONNECTIONS, _open_files() // _SHARE)


def most_arriving() -> int:
    """Number of further connections without a request: they cost only a descriptor."""
    return min(MOST_ARRIVING, _open_files() // 2)


def _open_files() -> int:
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH_FILES if now == resource.RLIM_INFINITY else now


def _answer(kind: Kind, message: str) -> bytes:
    refused = Refused(kind, message)
    body = json.dumps(refused.document("")).encode()
    head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
    lines = [STATUS_LINE[refused.status], head.encode(), b"connection: close\r\n\r\n", body]
    return b"".join(lines)


TOO_SLOW: Final = _answer("too-slow", "the request did not arrive in time")
"""The answer to a head or body that does not arrive."""
_HEAD_TOO_LARGE: Final = _answer(
    "head-too-large", f"a head has at most {MOST_HEAD_BYTES} bytes and {MOST_HEADERS} headers"
)


class _TooMuch(Exception):  # noqa: N818 - says what happened
    """Stops the parser."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits. If there is no room, the longest idle ones are closed."""

    since = 0.0
    """Since when the caller has completed nothing."""
    _in_head = True
    _arrived = 0
    """Bytes of the incomplete request."""
    _held = 0
    _head_bytes = 0
    _too_much = False
    _deadline: TimerHandle | None = None
    _stalled: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Make room for it, or close it."""
        super().connection_made(transport)
        self.since = monotonic()
        self._wait(HEAD_S)
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._wait(None)
        self._hold(0)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and check the limits."""
        self._arrived += len(data)
        if self._in_head and self._deadline is None:
            self._wait(HEAD_S)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_head and self.cycle.response_complete:  # refused: nothing of it is kept
            self._hold(0)
            if self._arrived > _MOST_UNREAD_BYTES:
                self.give_up()
            return
        self._hold(self._arrived)
        if self._in_head and self._arrived > MOST_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)
        elif self._unfinished > MOST_UNFINISHED_BYTES:
            self._make_room()

    def on_url(self, url: bytes) -> None:
        """Count it."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it."""
        self._count(len(name) + len(value))
        if len(self.headers) >= MOST_HEADERS:
            self._count(MOST_HEAD_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; the body has its own time limit."""
        self._in_head, self._head_bytes = False, 0
        self._wait(BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete: from now on the caller waits for us."""
        super().on_message_complete()
        self._in_head, self._arrived, self.since = True, 0, monotonic()
        self._wait(None)

    def on_response_complete(self) -> None:
        """From now on we wait for the caller."""
        self.since = monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or too much of it."""
        if self._too_much:
            self._refuse(_HEAD_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """The caller does not read the answer."""
        super().pause_writing()
        self._stalled = self.loop.call_later(ANSWER_S, self.give_up)

    def resume_writing(self) -> None:
        """The caller reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    @property
    def is_waiting_for_us(self) -> bool:
        """The caller waits for us."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return self._deadline is None and cycle is not None and not cycle.response_complete

    def give_up(self) -> None:
        """Close it at once, whatever was sent."""
        self._hold(0)
        self.connections.discard(self)
        self.transport.abort()
        # At once: hundreds may be closed before the loop calls `connection_lost` for one of them.
        self.parser = None  # type: ignore[assignment]  # as uvicorn does then
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not self._in_head:
            cycle.body = bytearray()

    def _hold(self, size: int) -> None:
        """Record how many bytes of its incomplete request are held."""
        self.app_state[_UNFINISHED] = self._unfinished + size - self._held
        self._held = size

    @property
    def _unfinished(self) -> int:
        """Bytes of all incomplete requests of this server."""
        found: int = self.app_state.get(_UNFINISHED, 0)
        return found

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            self._too_much = True
            raise _TooMuch

    def _wait(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        if self.pipeline and not self._in_head:
            self._wait(BODY_S)  # we do not read: an earlier request of it comes first
        elif self._arrived:
            self._refuse(TOO_SLOW)
        else:
            self.give_up()

    def _refuse(self, answer: bytes) -> None:
        """Answer an incomplete request, unless another answer is being sent, and close."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_silent = cycle is None or (
            cycle.response_complete if self._in_head else not cycle.response_started
        )
        if is_silent:
            self.transport.write(answer)
        if cycle is not None:
            cycle.disconnected = True
        self.transport.close()

    def _make_room(self) -> None:
        """Close a tenth more than needed: checking all of them is expensive with thousands."""
        all_ = cast("set[Connection]", self.connections)
        idle = (connection for connection in all_ if not connection.is_waiting_for_us)
        for connection in sorted(idle, key=lambda connection: connection.since):
            if len(all_) <= 0.9 * most_connections() and (
                self._unfinished <= 0.9 * MOST_UNFINISHED_BYTES
            ):
                return
            connection.give_up()
        if len(all_) > most_connections():
            self.give_up()
