"""Refusals as RFC 9457 problem documents, one kind for each cause.

A title never contains what the caller sent.
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
    "malformed": (HTTPStatus.BAD_REQUEST, "Malformed request"),
    "invalid-event": (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid event"),
    "unsupported-type": (HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown event type"),
    "event-id-reused": (HTTPStatus.UNPROCESSABLE_ENTITY, "Event id reused"),
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "No valid API key"),
    "bad-signature": (HTTPStatus.UNAUTHORIZED, "Wrong signature"),
    "bad-timestamp": (HTTPStatus.UNAUTHORIZED, "Signature timestamp out of range"),
    "source-not-allowed": (HTTPStatus.FORBIDDEN, "Source not allowed for this key"),
    "scope-missing": (HTTPStatus.FORBIDDEN, "Missing scope"),
    "not-found": (HTTPStatus.NOT_FOUND, "Not found"),
    "method-not-allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"),
    "conflict": (HTTPStatus.CONFLICT, "Changed meanwhile, or not possible"),
    "cursor-too-old": (HTTPStatus.GONE, "Outcomes after this cursor are no longer kept"),
    "too-large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request too large"),
    "head-too-large": (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Request head too large",
    ),
    "too-slow": (HTTPStatus.REQUEST_TIMEOUT, "Request too slow"),
    "unsupported-media-type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported content type"),
    "rate-limited": (HTTPStatus.TOO_MANY_REQUESTS, "Rate limit exceeded"),
    "overloaded": (HTTPStatus.SERVICE_UNAVAILABLE, "Temporarily overloaded"),
    "internal": (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"),
}
"""Kind -> status and title."""

_RETRY_S: Final = (5, 30)


class Refused(Exception):  # noqa: N818 - says what happened
    """The request is answered with a problem document.

    Attributes:
        kind: of the problem.
        detail: what is wrong and what to do.
        errors: (index of the event in the request, problem).
        retry_after_s: whole seconds to wait, if waiting helps.
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
        """Further headers of the answer."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return headers

    def document(self, instance: str) -> dict[str, Any]:
        """The problem document; `instance` is the path of the request."""
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
    """Not now, for no fault of the caller: retry in 5 to 30 s, spread over callers."""
    wait_s = random.randint(*_RETRY_S)  # noqa: S311 - spreads callers, keeps no secret
    return Refused("overloaded", detail, retry_after_s=wait_s)


def of_events(errors: Iterable[tuple[int, Problem]]) -> Refused:
    """All problems of the events of a request as one answer."""
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
    return Refused(kind, f"{message}, listed in errors; nothing was accepted", found)
