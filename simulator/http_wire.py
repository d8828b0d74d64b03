"""As much HTTP/1.1 as REST needs: requests in, responses out. No routes, no meaning."""

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl

HEAD = 64 * 1024  # bytes of a request's head
BODY = 16 * 1024 * 1024
_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class BadRequestError(Exception):
    """Bytes that are no HTTP request: the connection is given up."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    Attributes:
        method: in upper case.
        path: as sent, not decoded.
        query: pairs after the `?`, decoded, in order.
        headers: names in lower case.
        body: of the length that the headers say.
        keep: whether the connection stays open after it.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    keep: bool


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> HttpRequest | None:
    """Read one request, or None when the client is gone.

    Raises:
        BadRequestError: no HTTP, or too long.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, version, headers = _parse_head(head.decode("latin-1"))
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, headers)
    except asyncio.IncompleteReadError:
        return None
    except (asyncio.LimitOverrunError, ValueError) as error:
        raise BadRequestError from error
    path, _, query = target.partition("?")
    closes = headers.get("connection", "").lower()
    keep = closes != "close" if version == "HTTP/1.1" else closes == "keep-alive"
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return HttpRequest(method.upper(), path, pairs, headers, body, keep)


def _parse_head(text: str) -> tuple[str, str, str, dict[str, str]]:
    first, *lines = text.rstrip("\r\n").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        headers[name.strip().lower()] = value.strip()
    return method, target, version, headers


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > BODY:
            raise ValueError(length)
        return await reader.readexactly(int(length))
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not 0 <= size <= BODY - len(body):
            raise ValueError(size)
        chunk = await reader.readexactly(size + 2)
        if not size:
            return body
        body += chunk[:-2]


def write_response(
    status: int, body: bytes | None, headers: dict[str, str] | None = None, *, keep: bool = True
) -> bytes:
    """Write one response; a body of None says there is none."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    elif status != 204:  # noqa: PLR2004 - the one status that must not have a length
        lines.append("Content-Length: 0")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def reason(status: int) -> str:
    """Give a status's words."""
    return _REASONS[status]
