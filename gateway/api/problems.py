"""Refusals as RFC 9457 problem documents, one kind for each cause.

A title never contains what the caller sent.
"""

import random
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple

from contracts.errors import Problem

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
    "no-session",
    "role-missing",
    "stale-form",
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


class KindInfo(NamedTuple):
    """A kind of problem.

    Attributes:
        status: of the answer.
        title: of the problem document.
        advice: what to do.
    """

    status: int
    title: str
    advice: str


_RETRY: Final = "Wait for `Retry-After` seconds, then send the same request with the same ids."
KINDS: Final[Mapping[Kind, KindInfo]] = {
    "malformed": KindInfo(400, "Malformed request", "Correct the request as `detail` says."),
    "invalid-event": KindInfo(
        422, "Invalid event", "Correct the events that `errors` names; nothing was accepted."
    ),
    "unsupported-type": KindInfo(422, "Unknown event type", "Use a type listed at /v1/schemas."),
    "event-id-reused": KindInfo(
        422, "Event id reused", "Give each event its own id: another event has this one."
    ),
    "unauthorized": KindInfo(
        401,
        "No valid API key",
        "Send `Authorization: Bearer` with a key from `leasewire keys create`.",
    ),
    "bad-signature": KindInfo(
        401, "Wrong signature", "Sign `id.timestamp.body` with the signing secret of the key."
    ),
    "bad-timestamp": KindInfo(
        401,
        "Signature timestamp out of range",
        "Sign each attempt again, and correct the clock of the sender.",
    ),
    "source-not-allowed": KindInfo(
        403, "Source not allowed for this key", "Use a key for this source."
    ),
    "scope-missing": KindInfo(
        403, "Missing scope", "Use a key with the scope that `detail` names."
    ),
    "no-session": KindInfo(401, "No session", "Log in to the console."),
    "role-missing": KindInfo(
        403, "Missing role", "Ask an admin of the console: `leasewire people role`."
    ),
    "stale-form": KindInfo(
        403, "The form is not of this session", "Open the page of the console again."
    ),
    "not-found": KindInfo(
        404, "Not found", "Check the URL and the id; services of other sources are not shown."
    ),
    "method-not-allowed": KindInfo(
        405, "Method not allowed", "Use a method that the header `Allow` lists."
    ),
    "conflict": KindInfo(
        409, "Changed meanwhile, or not possible", "Read it again, then decide again."
    ),
    "cursor-too-old": KindInfo(
        410,
        "Outcomes after this cursor are no longer kept",
        "Read the state of your services, then start without a cursor.",
    ),
    "too-large": KindInfo(413, "Request too large", "Send several smaller requests."),
    "head-too-large": KindInfo(
        431, "Request head too large", "Send fewer or shorter headers and a shorter path."
    ),
    "too-slow": KindInfo(
        408, "Request too slow", "Send the whole request faster; repeating it is safe."
    ),
    "unsupported-media-type": KindInfo(
        415,
        "Unsupported content type",
        "Send `application/cloudevents+json` or another documented type.",
    ),
    "rate-limited": KindInfo(429, "Rate limit exceeded", _RETRY),
    "overloaded": KindInfo(503, "Temporarily overloaded", _RETRY),
    "internal": KindInfo(
        500,
        "Internal error",
        "Tell the operator of the gateway to read its log. Repeating the request is safe.",
    ),
}

_RETRY_S: Final = (5, 30)
_OF_THEIR_OWN: Final[tuple[Kind, ...]] = ("too-large", "unsupported-type", "event-id-reused")
"""Problems of events that are a kind of their own where there is no other."""


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
        return KINDS[self.kind].status

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
            "title": KINDS[self.kind].title,
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
    kind: Kind = "malformed" if "malformed-json" in codes else "invalid-event"
    for alone in _OF_THEIR_OWN:
        if codes == {alone}:
            kind = alone
    message = f"{len(found)} problems" if len(found) > 1 else "1 problem"
    return Refused(kind, f"{message}, listed in errors; nothing was accepted", found)
