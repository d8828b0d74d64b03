"""A connection over REST: HTTPS, one request at a time, as RouterOS serves a user."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPResponse, IncompleteRead
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from librouteros.exceptions import FatalError, ProtocolError

from worker.routeros.commands import COUNTS, MOST_SHOWN, Command, Pace, Reply
from worker.routeros.connection import RouterConnection
from worker.routeros.failures import no_rest, refused_login
from worker.routeros.wire import RouterSocket

if TYPE_CHECKING:
    import socket

_CHUNK: Final = 1 << 14
"""Bytes of a body after which `progress` is called."""
_WAIT_S: Final = 1.0
"""How often `progress` is called while nothing comes: the router lock must be renewed."""
_LARGEST_RESPONSE: Final = 64 << 20
"""In bytes: over 200,000 leases. A larger response must not fill our memory."""
_ROW_S: Final = 0.01
"""For each row of a whole table whose rows were counted just before: the slowest that it comes."""
_WHO: Final = ("/system/identity/print", "=.proplist=name")


class RestConnection(RouterConnection):
    """See `RouterConnection`; `Pace.window` does not matter here.

    `connect` opens a connection and checks that it is the right router.
    """

    counts_first = True
    longest_s = 60.0  # MAN-REST

    def __init__(self, router: str, host: str, connect: Callable[[], RouterSocket]) -> None:
        super().__init__(router, connect())
        self._connect = connect
        self._headers = {
            "Host": f"[{host}]" if ":" in host else host,
            "Content-Type": "application/json",
        }
        self._username = ""
        self._kept = True

    def log_in(self, username: str, password: str, pace: Pace) -> Reply:
        """Send name and password with each request from now on, and try them."""
        self._username = username
        login = b64encode(f"{username}:{password}".encode("utf-8", "surrogateescape"))
        self._headers["Authorization"] = f"Basic {login.decode()}"
        (reply,) = self.run("logging in", [_WHO], pace)
        return reply

    def _carry(
        self, commands: Sequence[Command], replies: list[Reply], pace: Pace
    ) -> Iterator[None]:
        ends_at = monotonic() + pace.total_s
        counted: dict[str, int] = {}
        for command, reply in zip(commands, replies, strict=True):
            if not self._kept:  # the router closed it after its answer, as HTTP allows
                self._transport.close()
                self._transport, self._kept = self._connect(), True
            # a whole table comes only when the router has put all of it together
            is_long = _reads_a_whole_table(command) and command[0] not in counted
            more_s = self.longest_s if is_long else counted.get(command[0], 0) * _ROW_S
            deadline = min(monotonic() + pace.silence_s + more_s, ends_at)
            out = bytearray(encode_request(command, self._headers))
            stream = _Stream(self._transport, out, deadline)
            # the parser of the standard library uses only `makefile` of a socket
            response = HTTPResponse(cast("socket.socket", stream), method="POST")
            self._owed = True
            while not stream.has_begun(_WAIT_S):
                yield
            response.begin()
            body = bytearray()
            while chunk := response.read(_CHUNK):
                body += chunk
                yield
            if response.length:  # the parser accepts a body that ends too soon
                raise IncompleteRead(b"", response.length)
            self._owed = False
            self._kept = not (response.will_close or out)
            if stream.left_over:
                raise ProtocolError("more bytes came than the response has")
            answer = self._understood(command, response.status, bytes(body))
            reply.rows, reply.done, reply.traps = answer.rows, answer.done, answer.traps
            if COUNTS in command and (count := reply.done.get("ret", "")).isdecimal():
                counted[command[0]] = int(count)
            yield

    def _understood(self, command: Command, status: int, body: bytes) -> Reply:
        if status == HTTPStatus.UNAUTHORIZED:
            raise refused_login(self._router, self._username, [HTTPStatus.UNAUTHORIZED.phrase])
        if status == HTTPStatus.FORBIDDEN or (status == HTTPStatus.NOT_FOUND and command == _WHO):
            raise no_rest(self._router, status)
        return decode_response(command, status, body)


def _reads_a_whole_table(command: Command) -> bool:
    menu, *words = command
    is_part = any(word == COUNTS or word.startswith("?") for word in words)
    return menu.endswith("/print") and not is_part


class _Stream:
    """Sends a request, and is the file from which the response is read; both have a deadline."""

    def __init__(self, transport: RouterSocket, out: bytearray, deadline: float) -> None:
        self._transport = transport
        self._out = out
        self._deadline = deadline
        self._buffer = bytearray()
        self._came = 0

    def makefile(self, _mode: str) -> "_Stream":
        return self

    @property
    def left_over(self) -> bool:
        return bool(self._buffer)

    def has_begun(self, wait_s: float) -> bool:
        """Wait for the first bytes; False when none came and the deadline is not over."""
        try:
            self._more(monotonic() + wait_s)
        except TimeoutError:
            if monotonic() >= self._deadline:
                raise
            return False
        return True

    def readline(self, limit: int) -> bytes:
        """Read a line of the head; the parser alone would accept a head that is cut off."""
        while not (end := self._buffer.find(b"\n") + 1) and len(self._buffer) < limit:
            if not self._more():
                raise EOFError
        return self._take(min(end or limit, limit))

    def read(self, size: int = _LARGEST_RESPONSE) -> bytes:
        while len(self._buffer) < size and self._more():
            pass
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _more(self, until: float = inf) -> bool:
        """Wait for more; False at the end. Bytes alone do not extend the deadline."""
        if monotonic() >= self._deadline:
            raise TimeoutError
        try:
            data = self._transport.exchange(self._out, min(until, self._deadline))
        except EOFError:
            return False
        self._came += len(data)
        if self._came > _LARGEST_RESPONSE:
            raise ProtocolError(f"a response of more than {_LARGEST_RESPONSE} bytes")
        self._buffer += data
        return True

    def close(self) -> None:
        """Do nothing: the connection outlives the response."""

    flush = close


_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.NOT_ACCEPTABLE,  # of a missing command, in older manuals
        HTTPStatus.INTERNAL_SERVER_ERROR,  # of a missing permission
    }
)
_NOT_RUN: Final = "Session closed"
"""The answer to a request that waited for another one for more than a minute."""


def encode_request(command: Command, headers: Mapping[str, str]) -> bytes:
    """Return one request.

    Raises:
        UnicodeEncodeError: a surrogate that stands for no byte.
    """
    path, *words = command
    content: dict[str, Any] = {}
    query = []
    for word in words:
        name, _, value = word[1:].partition("=")
        if word.startswith("?"):
            query.append(word.removeprefix("?").removeprefix("="))
        else:
            content[name] = value.split(",") if name == ".proplist" else value
    if query:
        content[".query"] = query
    # bytes that are not UTF-8 are surrogates in the text, and are sent unchanged
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogateescape")
    lines = (f"POST /rest{path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers))
    head = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", ""))
    return head.encode("ascii") + body


def decode_response(command: Command, status: int, body: bytes) -> Reply:
    """Return what a response says about its command.

    Raises:
        FatalError: the command was not run, as far as known.
        ProtocolError: this is not an answer of RouterOS's REST.
    """
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Reply(traps=[_refusal(status, body)])
    if not body and not command[0].endswith("/print"):
        return Reply()
    is_print = command[0].endswith("/print") and COUNTS not in command
    match _json(body):
        case dict() as done if not is_print:
            return Reply(done=_texts(done))
        case list() as rows:
            return Reply(rows=[_texts(row) for row in rows])
        case other:
            raise ProtocolError(f"{other!r:.{MOST_SHOWN}} is not a reply")


def _refusal(status: int, body: bytes) -> str:
    if status not in _REFUSALS:
        raise ProtocolError(f"status {status}")
    content = _json(body)
    if not isinstance(content, dict) or "error" not in content:
        raise ProtocolError(f"status {status} without an error body")
    message = str(content.get("detail") or content.get("message", ""))[:MOST_SHOWN]
    if message == _NOT_RUN:
        raise FatalError(message)
    if status == HTTPStatus.NOT_FOUND:  # the one refusal without the text of the API
        return f"no such item ({message})"
    return message or f"status {status}"


def _json(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the body is not JSON") from error


def _texts(row: object) -> dict[str, str]:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise ProtocolError("a row with values that are not texts")
    return row
