"""The gateway's answers: JSON without control characters, documents with tags, problems."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from gateway.api.api_keys import ApiKey
from gateway.api.problems import MEDIA_TYPE, Kind, Refused, overloaded
from gateway.store_failures import STORE_FAILURES, log_store_failure
from producers.errors import PublishFailed
from producers.files.cells import printable

log = structlog.get_logger("gateway")

Document = Mapping[str, Any]

_LONGEST_LOGGED: Final = 40
"""Characters of a path that are logged if no route was found."""
_HTTP_KINDS: Final[Mapping[int, Kind]] = {404: "not-found", 405: "method-not-allowed"}


class PrintableJson(JSONResponse):
    """JSON with text of routers, devices and BSSs, which people show in a terminal with `curl`."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as its base has it
        """Escape invisible characters; programs read the same content."""
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return printable(text).encode()


def tagged(request: Request, body: bytes, media_type: str) -> Response:
    """The body with an ETag, or 304 if the caller has it."""
    tag = _tag_of(body)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known_tags = [
        known.strip().removeprefix("W/")
        for known in request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known_tags or "*" in known_tags:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


@lru_cache(maxsize=64)
def _tag_of(body: bytes) -> str:
    """Kept: hashing 100 kB for every caller would delay the others."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


async def answer_failure(request: Request, error: Exception) -> Response:
    """The problem document of any exception."""
    refused, headers = _refused(error)
    key: ApiKey | None = getattr(request.state, "key", None)
    log.info(
        "request.refused",
        method=request.method,
        path=_declared_path(request),
        status=refused.status,
        reason=refused.kind,
        problems=len(refused.errors),
        key=key.id if key else None,
        peer=request.client.host if request.client else None,
    )
    return PrintableJson(
        refused.document(request.url.path), refused.status, refused.headers | headers, MEDIA_TYPE
    )


def _refused(error: Exception) -> tuple[Refused, dict[str, str]]:
    """How an exception is answered, and further headers of the answer."""
    if isinstance(error, Refused):
        return error, {}
    if isinstance(error, HTTPException):
        kind = _HTTP_KINDS.get(error.status_code, "malformed")
        return Refused(kind, "see /openapi.json for all routes"), dict(error.headers or {})
    if isinstance(error, RequestValidationError):
        wrong = ", ".join(f"{found['loc'][-1]}: {found['msg']}" for found in error.errors())
        return Refused("malformed", f"invalid request: {wrong}; see /openapi.json"), {}
    if isinstance(error, (*STORE_FAILURES, PublishFailed)):
        return overloaded(log_store_failure(error)), {}
    return Refused("internal", "see the gateway's log"), {}


FAILURES: Final = (
    *(Refused, HTTPException, RequestValidationError),
    *(*STORE_FAILURES, PublishFailed, Exception),
)


def _declared_path(request: Request) -> str:
    """The path as it was declared: the real path of an unsigned webhook is a secret.

    The beginning of the path if the request was refused before a route was found.
    """
    beginning = "/".join(request.url.path.split("/")[:3])[:_LONGEST_LOGGED]
    return getattr(request.scope.get("route"), "path", beginning)
