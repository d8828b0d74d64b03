"""What stands before every route: a key where one is needed, and a body that may be read.

A new route below `/v1/` is closed, and its body small, until it is named here.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from fastapi import Request
from fastapi.responses import Response
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.access import Access
from gateway.api.decode import MAX_BATCH_BYTES
from gateway.api.problems import Refused

log = structlog.get_logger("gateway")

Answer = Callable[[Request, Exception], Awaitable[Response]]

HOOK_BYTES: Final = 256 * 1024
"""Vendors send the whole entity, before and after; ours are some kilobytes."""
SMALL_BYTES: Final = 4096
"""A decision of a person."""
_LARGER: Final[Mapping[str, int]] = {
    "/v1/events": MAX_BATCH_BYTES,
    "/v1/validate": MAX_BATCH_BYTES,
}
_KEYED: Final = "/v1/"
_HOOKS: Final = "/v1/hooks/"
_OPEN: Final = (_HOOKS, "/v1/schemas")
"""Webhooks show themselves who they are; schemas are told to everybody."""


class Gate:
    """ASGI middleware.

    Args:
        app: what is behind it.
        access: knows the keys; the key that was found is `request.state.key` behind it.
        answer: makes the answer of what was raised.
    """

    def __init__(self, app: ASGIApp, access: Access, answer: Answer) -> None:
        self._app = app
        self._access = access
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, path = Request(scope), scope["path"]
        try:
            if path.startswith(_KEYED) and not path.startswith(_OPEN):
                request.state.key = await self._access.identify(request)
            most = HOOK_BYTES if path.startswith(_HOOKS) else _LARGER.get(path, SMALL_BYTES)
            # The server has checked that it is a number.
            if int(request.headers.get("content-length", 0)) > most:
                raise _too_large(most)
        except (Refused, RedisError) as error:
            answer = await self._answer(request, error)
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, _counted(receive, most), send)
        except ClientDisconnect:
            log.debug("request.failed", advice="the caller went away while it sent its body")


async def read_body(request: Request, most: int) -> bytes:
    """The raw bytes of a request; no more of them are read than may be.

    Raises:
        Refused: `too-large`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _counted(receive: Receive, most: int) -> Receive:
    """Stop a body that is longer than it may be, whoever reads it."""
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
