"""HTTP/1.1 requests and responses of one connection, for REST. `h11` parses the requests."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

import h11

HEAD = 64 * 1024  # longest head of a request, in bytes
BODY = 16 * 1024 * 1024


class BadRequestError(Exception):
    """The bytes are no HTTP request: the connection is closed."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    Attributes:
        method: in upper case.
        path: as sent, not decoded.
        query: pairs after the `?`, decoded, in order.
        headers: names in lower case.
        body: the whole body.
        keep: whether the connection stays open after it.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    keep: bool


class HttpReader:
    """Reads the requests of one connection, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""

    async def next_request(self) -> HttpRequest | None:
        """Read one request, or None when the client has closed the connection.

        Raises:
            BadRequestError: it is no HTTP, or too long.
        """
        # A parser for each request: what the simulator answers, or does not, is not its affair.
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)
        if self._rest:
            parser.receive_data(self._rest)
        head: h11.Request | None = None
        body = b""
        try:
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    if parser.they_are_waiting_for_100_continue:
                        self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                        parser.send(h11.InformationalResponse(status_code=100, headers=[]))
                    parser.receive_data(await self._reader.read(HEAD))
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > BODY:
                        raise BadRequestError
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    self._rest = parser.trailing_data[0]
                    return _request(head, body)
                else:
                    return None
        except h11.RemoteProtocolError as error:
            raise BadRequestError from error


def _request(head: h11.Request, body: bytes) -> HttpRequest:
    path, _, query = head.target.decode("latin-1").partition("?")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    connection = headers.get("connection", "").lower()
    keep = connection != "close" if head.http_version == b"1.1" else connection == "keep-alive"
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return HttpRequest(head.method.decode("latin-1").upper(), path, pairs, headers, body, keep)


def write_response(
    status: int, body: bytes | None, headers: dict[str, str] | None = None, *, keep: bool = True
) -> bytes:
    """Write one response; a body of None means that there is none."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    elif status != HTTPStatus.NO_CONTENT:  # the one status that must not have a length
        lines.append("Content-Length: 0")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
