"""Posts one signed outcome to one target, and returns its answer.

Only the status of an answer is read: a target can neither delay nor redirect us.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import httpx

from contracts.webhook_signature import sign
from gateway.outcomes.targets import Target
from producers.endpoints import trusting
from producers.files.cells import printable
from worker.errors import system_text

MEDIA_TYPE: Final = "application/cloudevents+json"
TEST: Final = "leasewire.outcome.test.v1"
"""Sent by a person to test a target; belongs to no event."""
MISSED: Final = "leasewire.outcome.missed.v1"
"""Some outcomes were dropped before they could be delivered: read the state of services."""
_DOWN: Final = frozenset({429, 502, 503, 504})
"""Answers of a target that is down or overloaded: the next outcome would fail too."""
_LONGEST_REST_S: Final = 3600.0


class PostResult(NamedTuple):
    """The result of an attempt.

    Attributes:
        verdict: `taken`; `down`: the target cannot be reached or asks us to wait; `refused`: it
            answered, but did not take this outcome.
        message: the answer or the failure; without the URL, which may contain a secret.
        rest_s: how long the target asked us to wait; 0: it did not ask.
    """

    verdict: Literal["taken", "down", "refused"]
    message: str = ""
    rest_s: float = 0


class Poster:
    """An HTTP client of one target; for one event loop. Must be closed."""

    def __init__(self, target: Target) -> None:
        if target.secret is None:
            raise ValueError("nothing is sent to a target without a secret")
        self._target = target
        self._secret: Final = target.secret
        self._client = httpx.AsyncClient(
            verify=trusting(target.ca_file),
            follow_redirects=False,
            trust_env=False,  # no proxy and no password from the environment
            timeout=target.timeout_s,
            limits=httpx.Limits(max_connections=1),
        )

    async def post(self, event: Mapping[str, Any], now_s: int) -> PostResult:
        """Make one attempt.

        Args:
            event: the CloudEvent; its id is the webhook's, so that a receiver detects repetitions.
            now_s: seconds since 1970, part of the signature.
        """
        body = printable(json.dumps(event, separators=(",", ":"), ensure_ascii=False)).encode()
        id_ = str(event["id"])
        headers = {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": "leasewire",
            "webhook-id": id_,
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign(self._secret.get_secret_value(), id_, now_s, body),
        }
        try:
            # Of the whole attempt: a limit on each read would let a slow answer hold us for ever.
            async with (
                asyncio.timeout(self._target.timeout_s),
                self._client.stream(
                    "POST", self._target.url, content=body, headers=headers
                ) as answer,
            ):
                return _answer_of(answer)
        except TimeoutError:
            return PostResult("down", f"gave no answer within {self._target.timeout_s:g} s")
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return PostResult("down", "took the connection and ended it without an answer")
        except httpx.HTTPError as error:
            return PostResult("down", f"cannot be reached: {_reason(error)}")

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _answer_of(answer: httpx.Response) -> PostResult:
    status = answer.status_code
    message = f"answered {status}"
    if answer.is_success:
        return PostResult("taken", message)
    if answer.is_redirect:
        message += ": redirects are not followed"
    rest = answer.headers.get("retry-after", "")
    rest_s = min(float(rest), _LONGEST_REST_S) if rest.isascii() and rest.isdecimal() else 0.0
    return PostResult("down" if status in _DOWN else "refused", message, rest_s)


def _reason(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.errno:
            return system_text(cause)
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def missed_event(after: str, installation: str, time: str) -> dict[str, Any]:
    """Says that outcomes after a cursor are no longer kept; `time` in RFC 3339."""
    detail = (
        "outcomes after this cursor were dropped before they could be delivered: read your "
        "services with GET /v1/services/{id}"
    )
    data = {"detail": detail, "cursor": after}
    return _of_no_event(f"missed-{after}", MISSED, installation, time, data)


def trial_event(token: str, installation: str, time: str, source: str) -> dict[str, Any]:
    """A test outcome of no event.

    Args:
        token: makes its id unique.
        installation: id of the installation.
        time: in RFC 3339.
        source: one of the target's.
    """
    detail = "sent by `leasewire outcomes test`: belongs to no event"
    data = {"state": "test", "source": source, "detail": detail}
    return _of_no_event(f"test-{token}", TEST, installation, time, data)


def _of_no_event(
    id_: str, type_: str, installation: str, time: str, data: dict[str, str]
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": f"urn:leasewire:{installation}",
        "type": type_,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
