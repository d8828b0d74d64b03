"""How the gateway says no: RFC 9457 problem documents, one kind a cause.

A title never holds what the caller sent.
"""

import random
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from contracts import Problem

MEDIA_TYPE: Final = "application/problem+json"

Kind = Literal[
    "malformed",
    "invalid-event",
    "unsupported-type",
    "event-id-reused",
    "unauthorized",
    "bad-signature",
    "bad-timestamp",
    "source-not-allowed",
    "scope-missing",
    "not-found",
    "method-not-allowed",
    "conflict",
    "cursor-too-old",
    "too-large",
    "head-too-large",
    "too-slow",
    "unsupported-media-type",
    "rate-limited",
    "overloaded",
    "internal",
]

KINDS: Final[Mapping[Kind, tuple[HTTPStatus, str]]] = {
    "malformed": (HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    "invalid-event": (HTTPStatus.UNPROCESSABLE_ENTITY, "An event breaks the contract"),
    "unsupported-type": (HTTPStatus.UNPROCESSABLE_ENTITY, "An event is of no type known here"),
    "event-id-reused": (HTTPStatus.UNPROCESSABLE_ENTITY, "An id is that of another event"),
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "No valid API key"),
    "bad-signature": (HTTPStatus.UNAUTHORIZED, "The signature does not fit"),
    "bad-timestamp": (HTTPStatus.UNAUTHORIZED, "The signature is not of now"),
    "source-not-allowed": (HTTPStatus.FORBIDDEN, "The key does not speak for this source"),
    "scope-missing": (HTTPStatus.FORBIDDEN, "The key lacks a scope"),
    "not-found": (HTTPStatus.NOT_FOUND, "Nothing is known under this address"),
    "method-not-allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "The method has no meaning here"),
    "conflict": (HTTPStatus.CONFLICT, "It changed meanwhile, or cannot be done"),
    "cursor-too-old": (HTTPStatus.GONE, "What came after the cursor is not kept any more"),
    "too-large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large"),
    "head-too-large": (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The request's head is too large",
    ),
    "too-slow": (HTTPStatus.REQUEST_TIMEOUT, "The request takes too long to arrive"),
    "unsupported-media-type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This content is not taken"),
    "rate-limited": (HTTPStatus.TOO_MANY_REQUESTS, "The key sends too much"),
    "overloaded": (HTTPStatus.SERVICE_UNAVAILABLE, "Nothing can be taken in now"),
    "internal": (HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway has a bug"),
}
"""Kind -> status and title."""

_RETRY_S: Final = (5, 30)


class Refused(Exception):  # noqa: N818 - says what happened
    """The request is answered with a problem.

    Attributes:
        kind: which.
        detail: what is wrong and what to do.
        errors: (index of the event in the request, problem).
        retry_after_s: whole seconds to wait, where waiting helps.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        errors: Iterable[tuple[int, Problem]] = (),
        retry_after_s: int | None = None,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s
        super().__init__(kind, detail)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0].value

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says besides."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return headers

    def document(self, instance: str) -> dict[str, Any]:
        """The problem document; `instance` is the path that was asked for."""
        found: dict[str, Any] = {
            "type": f"/problems/{self.kind}",
            "title": KINDS[self.kind][1],
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.kind,
        }
        if self.errors:
            found["errors"] = [
                {
                    "index": index,
                    "pointer": problem.pointer,
                    "code": problem.code,
                    "message": problem.message,
                }
                for index, problem in self.errors
            ]
        return found


def overloaded(detail: str) -> Refused:
    """Not now, and not because of the caller: come again in 5 to 30 s, not all at once."""
    wait_s = random.randint(*_RETRY_S)  # noqa: S311 - spreads callers, keeps no secret
    return Refused("overloaded", detail, retry_after_s=wait_s)


def of_events(errors: Iterable[tuple[int, Problem]]) -> Refused:
    """What is wrong with the events of a request, as one answer."""
    found = tuple(errors)
    codes = {problem.code for _, problem in found}
    kind: Kind = "invalid-event"
    if "malformed-json" in codes:
        kind = "malformed"
    elif codes == {"too-large"}:
        kind = "too-large"
    elif codes == {"unsupported-type"}:
        kind = "unsupported-type"
    elif codes == {"event-id-reused"}:
        kind = "event-id-reused"
    message = f"{len(found)} problems" if len(found) > 1 else "1 problem"
    return Refused(kind, f"{message}, listed in errors; nothing was taken in", found)
