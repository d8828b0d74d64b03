"""Sends events to the gateway over HTTP, for publishers without access to the workers' Redis."""

import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, Final
from uuid import uuid5

import httpx

from contracts.identity import NAMESPACE
from contracts.names import QUEUE_EVENTS, Lane
from contracts.webhook_signature import sign
from producers.errors import BatchRefused, KeyRefused, PublishFailed, Receipt
from producers.http_client import (
    gateway_client,
    json_object,
    refusal,
    retry_after_s,
    shortened,
    unanswered,
)
from producers.transport import CompleteEvent

_SINGLE: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_REFUSING_EVENTS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Status codes of events that will never be taken. Others, except 200 and 202, may be temporary."""


class HttpTransport:
    """A `Transport` to the gateway.

    Args:
        url: of the gateway, such as `https://provisioning.example`; plain HTTP to this host only.
        key: an API key with the scope `publish`.
        signing_secret: `whsec_…` of that key, if its requests must be signed.
        timeout_s: for connecting, and for each answer.
        ssl: whom to trust, if the system does not know the gateway's authority.
        plain: allow plain HTTP to other hosts, as in a private network of containers.
        clock: seconds since 1970; each attempt is signed with the current time.
    """

    stores = False
    """The gateway seals passwords before it stores an event."""

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
        self._secret = signing_secret
        self._clock = clock
        self._client = gateway_client(url, key, timeout_s, ssl, plain=plain)

    def close(self) -> None:
        """Close the connections; this transport cannot be used again."""
        self._client.close()

    def send(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        """Post a batch.

        Raises:
            BatchRefused: the gateway will never take it.
            KeyRefused: the gateway refuses the key, its scope or the signature.
            PublishFailed: the gateway did not answer, or asks to try again later.
        """
        single = len(events) == 1
        body = (
            events[0].body if single else f"[{','.join(event.body for event in events)}]"
        ).encode()
        headers = {"Content-Type": _SINGLE if single else _BATCH}
        if self._secret is not None:
            headers |= self._signature(self._secret, events, body)
        try:
            params = {} if lane == QUEUE_EVENTS else {"lane": lane}
            answer = self._client.post("/v1/events", params=params, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise PublishFailed(unanswered(self._client, error)) from error
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise self._refusal(answer)
        return _receipts(answer, events)

    def _signature(
        self, secret: str, events: Sequence[CompleteEvent], body: bytes
    ) -> Mapping[str, str]:
        # A retry must have the same id, so a batch's id follows from its events.
        batch_id = str(uuid5(NAMESPACE, "|".join(event.key for event in events)))
        webhook_id = events[0].id if len(events) == 1 else batch_id
        now = int(self._clock())
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, webhook_id, now, body),
        }

    def _refusal(self, answer: httpx.Response) -> PublishFailed | BatchRefused:
        code = answer.status_code
        message = refusal(self._client, answer)
        errors = _by_index(json_object(answer))
        if code == HTTPStatus.UNAUTHORIZED or (code == HTTPStatus.FORBIDDEN and not errors):
            return KeyRefused(f"{message}; correct the key, its scopes or this host's clock")
        if code in _REFUSING_EVENTS:
            return BatchRefused(message, errors)
        if code == HTTPStatus.NOT_FOUND:
            message += f"; is {self._client.base_url} the gateway's URL?"
        return PublishFailed(message, retry_after_s=retry_after_s(answer, self._clock()))


def _receipts(answer: httpx.Response, events: Sequence[CompleteEvent]) -> list[Receipt]:
    """Read the receipts; raise PublishFailed if the answer is not a Leasewire gateway's."""
    receipts = json_object(answer).get("receipts") or []
    ids = [receipt.get("id") for receipt in receipts if isinstance(receipt, dict)]
    if not isinstance(receipts, list) or ids != [event.id for event in events]:
        message = f"the gateway answers {answer.status_code} without a receipt for each event"
        raise PublishFailed(f"{message}; is it a gateway of Leasewire?")
    return [
        event.receipt(
            id_reused=receipt.get("reason") == "event-id-reused",
            journaled_before=receipt.get("duplicate") is True,
        )
        for event, receipt in zip(events, receipts, strict=True)
    ]


def _by_index(problem: Mapping[str, Any]) -> dict[int, str]:
    """Return the errors of a problem document by the index of their event."""
    found: dict[int, str] = {}
    errors = problem.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict) and isinstance(error.get("index"), int):
            message = (
                f"{error.get('pointer', '')} {error.get('message', '')} [{error.get('code', '')}]"
            )
            before = f"{found[error['index']]}; " if error["index"] in found else ""
            found[error["index"]] = shortened(f"{before}{message.strip()}")
    return found
