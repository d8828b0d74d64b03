"""A connection to the gateway, bounded in what it may send, for how long, and beside how many.

All this is before there is a request: with httptools uvicorn puts no limit on a head, none on the
time that a request takes to arrive, and it counts connections only when their head is complete.
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
"""From the connection on, or from the head's first byte, to its end."""
BODY_S: Final = 30.0
"""From there to the end of the body: a full batch takes as long at 35 kB/s."""
ANSWER_S: Final = 30.0
"""As long a caller may read nothing of an answer that does not fit into the socket."""
MOST_CONNECTIONS: Final = 1000
MOST_UNFINISHED_BYTES: Final = 16 * 1024 * 1024
"""Of all requests that are not complete yet: a hundred halves of the largest kind."""
_MOST_UNREAD_BYTES: Final = 8 * 1024 * 1024
"""Of a request that was refused before it was complete: its sender may not look before it ends."""
_UNFINISHED: Final = "unfinished_bytes"
MOST_ARRIVING: Final = 4 * MOST_CONNECTIONS
_SHARE: Final = 4
"""Of the process's descriptors connections take one in so many, those that say nothing whole take
half, and the rest is its own."""
_ENOUGH_FILES: Final = 2 * MOST_ARRIVING


def allow_open_files() -> None:
    """Take as many descriptors as are needed, or may be had: a connection is one.

    No more: processes that are started from here have the same limit, and some count up to it.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_FILES if most == resource.RLIM_INFINITY else min(most, _ENOUGH_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def most_connections() -> int:
    """How many connections may be open at once."""
    return min(MOST_CONNECTIONS, _open_files() // _SHARE)


def most_arriving() -> int:
    """How many more may be open of which there is no request yet: they cost a descriptor only."""
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
"""To whom a head or a body is waited for in vain."""
_HEAD_TOO_LARGE: Final = _answer(
    "head-too-large", f"a head has at most {MOST_HEAD_BYTES} bytes and {MOST_HEADERS} headers"
)


class _TooMuch(Exception):  # noqa: N818 - says what happened
    """Ends the parser."""


class Connection(HttpToolsProtocol):
    """uvicorn's, with bounds. Where there is no room, who has kept us waiting longest goes."""

    since = 0.0
    """Since when the caller does nothing that is whole."""
    _in_head = True
    _arrived = 0
    """Bytes of the request that is not complete."""
    _held = 0
    _head_bytes = 0
    _too_much = False
    _deadline: TimerHandle | None = None
    _stalled: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Make room for it, or turn it away."""
        super().connection_made(transport)
        self.since = monotonic()
        self._wait(HEAD_S)
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._wait(None)
        self._hold(0)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see whether what arrives is within bounds."""
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
        """Its head is there; the rest has a time of its own."""
        self._in_head, self._head_bytes = False, 0
        self._wait(BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is complete: from now on it is we who keep the caller waiting."""
        super().on_message_complete()
        self._in_head, self._arrived, self.since = True, 0, monotonic()
        self._wait(None)

    def on_response_complete(self) -> None:
        """It is the caller's turn."""
        self.since = monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or more of it than may be."""
        if self._too_much:
            self._refuse(_HEAD_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """The caller does not read what it is answered."""
        super().pause_writing()
        self._stalled = self.loop.call_later(ANSWER_S, self.give_up)

    def resume_writing(self) -> None:
        """It reads on."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    @property
    def is_answered(self) -> bool:
        """It waits for us."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return self._deadline is None and cycle is not None and not cycle.response_complete

    def give_up(self) -> None:
        """Hang up, whatever was sent."""
        self._hold(0)
        self.connections.discard(self)
        self.transport.abort()
        # At once: hundreds may be given up before the loop tells one of them that it is lost.
        self.parser = None  # type: ignore[assignment]  # as uvicorn does then
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not self._in_head:
            cycle.body = bytearray()

    def _hold(self, size: int) -> None:
        """Note how much is kept of its request until that is complete."""
        self.app_state[_UNFINISHED] = self._unfinished + size - self._held
        self._held = size

    @property
    def _unfinished(self) -> int:
        """Bytes of all requests that are not complete, at this server."""
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
            self._wait(BODY_S)  # it is we who do not read: another request of it comes first
        elif self._arrived:
            self._refuse(TOO_SLOW)
        else:
            self.give_up()

    def _refuse(self, answer: bytes) -> None:
        """Answer what is no request yet, where nothing is being answered, and hang up."""
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
        """End a tenth more than must be: a look at all of them is dear where thousands come."""
        there = cast("set[Connection]", self.connections)
        idle = sorted((each for each in there if not each.is_answered), key=lambda each: each.since)
        for each in idle:
            if len(there) <= 0.9 * most_connections() and (
                self._unfinished <= 0.9 * MOST_UNFINISHED_BYTES
            ):
                return
            each.give_up()
        if len(there) > most_connections():
            self.give_up()
