"""Checks the key and the size of the body before every route; HEAD is answered as GET is.

A new route below `/v1/` needs a key and takes a small body unless it is listed here.
"""

from collections.abc import Mapping
from typing import Final

import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.access import AccessCheck
from gateway.api.decode import MAX_BATCH_BYTES
from gateway.api.problems import Refused
from gateway.api.responses import answer_failure
from gateway.store_failures import STORE_FAILURES

log = structlog.get_logger("gateway")

HOOK_BYTES: Final = 256 * 1024
"""Vendors send the whole entity, before and after the change."""
SMALL_BYTES: Final = 4096
"""An approval or rejection."""
_LARGER: Final[Mapping[str, int]] = {
    "/v1/events": MAX_BATCH_BYTES,
    "/v1/validate": MAX_BATCH_BYTES,
}
_CONSOLE: Final = "/console/"
CONSOLE_BYTES: Final = 256 * 1024
"""A corrected event as a form; the console checks the session before it reads, and less is read."""
_KEYED: Final = "/v1/"
_HOOKS: Final = "/v1/hooks/"
_OPEN: Final = (_HOOKS, "/v1/schemas")
"""Webhooks are signed or have a secret path; schemas are public."""


class Gate:
    """ASGI middleware.

    Args:
        app: the application.
        access: finds keys; routes have the key in `request.state.key`.
    """

    def __init__(self, app: ASGIApp, access: AccessCheck) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, path = Request(scope), scope["path"]
        if scope["method"] == "HEAD" and not path.startswith(_CONSOLE):
            # As GET; the server leaves the body out. The console has pages that never end.
            scope = {**scope, "method": "GET"}
        try:
            if path.startswith(_KEYED) and not path.startswith(_OPEN):
                request.state.key = await self._access.identify(request)
            most = _most_bytes(path)
            # The server has checked that it is a number.
            if int(request.headers.get("content-length", 0)) > most:
                raise _too_large(most)
        except (Refused, *STORE_FAILURES) as error:
            answer = await answer_failure(request, error)
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, _counted(receive, most), send)
        except ClientDisconnect:
            log.debug("request.failed", advice="the caller disconnected while it sent the body")


async def read_body(request: Request, most: int) -> bytes:
    """The raw bytes of a request; at most `most` of them are read.

    Raises:
        Refused: `too-large`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _most_bytes(path: str) -> int:
    if path.startswith(_HOOKS):
        return HOOK_BYTES
    return CONSOLE_BYTES if path.startswith(_CONSOLE) else _LARGER.get(path, SMALL_BYTES)


def _counted(receive: Receive, most: int) -> Receive:
    """Refuse a body that is too long, whoever reads it."""
    left = most

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(most)
        return message

    return counted


def _too_large(most: int) -> Refused:
    return Refused("too-large", f"the body has more than {most} bytes: send several requests")
