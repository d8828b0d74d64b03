"""Posts one outcome to one target, signed, and says how it was answered.

Nothing of an answer but its status is read: a target can neither hold us up nor lead us elsewhere.
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

MEDIA_TYPE: Final = "application/cloudevents+json"
_AWAY: Final = frozenset({429, 502, 503, 504})
"""Answers for a target that is not there, or wants less: the next item would fare alike."""
_LONGEST_REST_S: Final = 3600.0


class Answer(NamedTuple):
    """How an attempt ended.

    Attributes:
        verdict: `taken`; `away`: the target could not be reached or wants rest; `refused`: it
            answered, and did not take this item.
        message: how it was answered, or why not; without the URL, which may hold a secret.
        rest_s: as long the target asked for rest; 0: it did not.
    """

    verdict: Literal["taken", "away", "refused"]
    message: str = ""
    rest_s: float = 0


class Poster:
    """A client of one target; for one event loop. To be closed.

    Args:
        target: where to.
    """

    def __init__(self, target: Target) -> None:
        if target.secret is None:
            raise ValueError("a target without its secret is sent nothing")
        self._target = target
        self._secret: Final = target.secret
        self._client = httpx.AsyncClient(
            verify=trusting(target.ca_file),
            follow_redirects=False,
            trust_env=False,  # no proxy and no password but those of the configuration: none
            timeout=target.timeout_s,
            limits=httpx.Limits(max_connections=1),
        )

    async def post(self, event: Mapping[str, Any], now_s: int) -> Answer:
        """Make one attempt.

        Args:
            event: the CloudEvent; its id is the webhook's, so that a receiver knows a repetition.
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
            # Of the whole: a limit on each read would let bytes that trickle in hold us for ever.
            async with (
                asyncio.timeout(self._target.timeout_s),
                self._client.stream(
                    "POST", self._target.url, content=body, headers=headers
                ) as answer,
            ):
                return _answer_of(answer)
        except TimeoutError:
            return Answer("away", f"gave no answer within {self._target.timeout_s:g} s")
        except httpx.HTTPError as error:
            return Answer("away", f"cannot be reached: {_reason(error)}")

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _answer_of(answer: httpx.Response) -> Answer:
    status = answer.status_code
    message = f"answered {status}"
    if answer.is_success:
        return Answer("taken", message)
    if answer.is_redirect:
        message += ": redirects are not followed"
    rest = answer.headers.get("retry-after", "")
    rest_s = min(float(rest), _LONGEST_REST_S) if rest.isascii() and rest.isdecimal() else 0.0
    return Answer("away" if status in _AWAY else "refused", message, rest_s)


def _reason(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
