"""Commands and replies of the API in the form of REST: JSON bodies and statuses.

Every command is a POST, which takes what a sentence takes and has distinct refusals: with PATCH a
missing permission looks like a missing row. Source: MikroTik manual, REST API; RouterOS
7.23.7.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from librouteros.exceptions import FatalError, ProtocolError

from worker.routeros.connection import MOST_SHOWN, Command, Reply

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

    Args:
        command: to be carried.
        headers: of every request.

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
    match _json(body):
        case dict() as done if not command[0].endswith("/print"):
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
