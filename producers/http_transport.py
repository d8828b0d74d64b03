"""Hands events to the gateway over HTTP: the way in for who has no access to our Redis.

Codes and signature as the gateway has them (`gateway/api`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Final
from uuid import uuid5

import httpx

from contracts.identity import NAMESPACE
from contracts.names import QUEUE_EVENTS, Lane
from contracts.webhook_signature import sign
from producers.complete import CompleteEvent
from producers.errors import BatchRefused, KeyRefused, PublishFailed, Receipt

_ONE: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_OF_THE_EVENTS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Codes that say: never, as it is. All others but 200 and 202 may be over later."""
_WORDS_SHOWN: Final = 300


class HttpTransport:
    """A transport (`producers/transport.py`) to a gateway.

    Args:
        url: of the gateway, as `https://provisioning.example`; plain HTTP to this host only.
        key: an API key with the scope `publish`.
        signing_secret: `whsec_…` of that key, where it signs.
        timeout_s: longest silence of the gateway, and longest connecting.
        ssl: who is trusted, where the system's store does not know.
        plain: allow plain HTTP to other hosts, as in a private network of containers.
        clock: seconds since 1970: each attempt is signed with its own time.
    """

    def __init__(  # noqa: PLR0913 - each may be left out
        self,
        url: str,
        key: str,
        *,
        signing_secret: str | None = None,
        timeout_s: float = 30,
        ssl: SSLContext | None = None,
        plain: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        base = httpx.URL(url)
        if base.scheme != "https" and not (base.scheme == "http" and (plain or _is_here(base))):
            raise ValueError(f"{url}: the key must not travel in plain: give an https:// URL")
        self._secret = signing_secret
        self._clock = clock
        self._client = httpx.Client(
            base_url=base,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            verify=ssl or True,
        )

    def close(self) -> None:
        """Close the connections, for good."""
        self._client.close()

    def send(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        """Post a batch; see `Transport`.

        Raises:
            BatchRefused: the gateway will never take it.
            KeyRefused: the gateway does not let this key in, or its scope or signature.
            PublishFailed: it did not answer, or asks to come again.
        """
        single = len(events) == 1
        body = (events[0].body if single else f"[{','.join(e.body for e in events)}]").encode()
        headers = {"Content-Type": _ONE if single else _BATCH}
        if self._secret is not None:
            headers |= self._signature(self._secret, events, body)
        try:
            params = {} if lane == QUEUE_EVENTS else {"lane": lane}
            answer = self._client.post("/v1/events", params=params, content=body, headers=headers)
        except httpx.HTTPError as error:
            message = f"the gateway {self._client.base_url} cannot be reached, or did not answer"
            raise PublishFailed(f"{message}: {error}") from error
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise self._refusal(answer)
        return _receipts(answer, events)

    def _signature(
        self, secret: str, events: Sequence[CompleteEvent], body: bytes
    ) -> Mapping[str, str]:
        # A retry keeps the id, so a batch's follows from what is in it.
        together = str(uuid5(NAMESPACE, "|".join(each.key for each in events)))
        webhook_id = events[0].id if len(events) == 1 else together
        now = int(self._clock())
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, webhook_id, now, body),
        }

    def _refusal(self, answer: httpx.Response) -> PublishFailed | BatchRefused:
        code = answer.status_code
        problem = _json_object(answer)
        detail = str(problem.get("detail") or answer.reason_phrase)[:_WORDS_SHOWN]
        message = f"the gateway answers {code}: {detail}"
        errors = _by_index(problem)
        if code == HTTPStatus.UNAUTHORIZED or (code == HTTPStatus.FORBIDDEN and not errors):
            return KeyRefused(f"{message}; mend the key, its scopes or this host's clock")
        if code in _OF_THE_EVENTS:
            return BatchRefused(message, errors)
        if answer.is_redirect or code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            message += f"; is {self._client.base_url} the gateway's URL?"
        return PublishFailed(message, retry_after_s=self._retry_after_s(answer))

    def _retry_after_s(self, answer: httpx.Response) -> float | None:
        said = answer.headers.get("Retry-After", "").strip()
        if said.isascii() and said.isdecimal():
            return float(said)
        try:
            moment = parsedate_to_datetime(said)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.fromtimestamp(self._clock(), UTC)).total_seconds())


def _receipts(answer: httpx.Response, events: Sequence[CompleteEvent]) -> list[Receipt]:
    """Read the receipts; an answer that is not the gateway's is none."""
    given = _json_object(answer).get("receipts")
    ids = [each.get("id") for each in given if isinstance(each, dict)] if given else []
    if not isinstance(given, list) or ids != [each.id for each in events]:
        message = f"the gateway answers {answer.status_code} without a receipt for each event"
        raise PublishFailed(f"{message}; is it a gateway of Leasewire?")
    return [
        Receipt(
            event_id=each.id,
            source=each.source,
            event_key=each.key,
            id_reused=receipt.get("reason") == "event-id-reused",
            journaled_before=receipt.get("duplicate") is True,
        )
        for each, receipt in zip(events, given, strict=True)
    ]


def _json_object(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _by_index(problem: Mapping[str, Any]) -> dict[int, str]:
    """The problems of a problem document, by the event they are of."""
    found: dict[int, str] = {}
    errors = problem.get("errors")
    for each in errors if isinstance(errors, list) else []:
        if isinstance(each, dict) and isinstance(each.get("index"), int):
            message = (
                f"{each.get('pointer', '')} {each.get('message', '')} [{each.get('code', '')}]"
            )
            before = f"{found[each['index']]}; " if each["index"] in found else ""
            found[each["index"]] = f"{before}{message.strip()}"[:_WORDS_SHOWN]
    return found


def _is_here(url: httpx.URL) -> bool:
    try:
        return ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost"
