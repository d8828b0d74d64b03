"""Reads over HTTP what became of events: one by one, or all changes in order."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx

from producers.errors import KeyRefused
from producers.http_client import (
    gateway_client,
    json_object,
    refusal,
    retry_after_s,
    unanswered,
)

T = TypeVar("T")

FINAL_STATES: Final = frozenset(
    {"applied", "observed", "superseded", "duplicate", "rejected", "failed", "expired"}
)
"""After these nothing more happens to an event by itself."""
_ASK_EVERY_S: Final = 0.5


class ReadFailed(Exception):  # noqa: N818 - says what happened
    """The gateway did not answer, or not with an outcome. Ask again later.

    Attributes:
        retry_after_s: the wait that the gateway asked for, if any.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class CursorTooOld(ReadFailed):
    """Outcomes after the cursor are no longer kept: read your services, start without a cursor."""


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of an event until now.

    Attributes:
        event_id: as its source set it.
        source: of the event.
        state: such as `applied`; newer gateways may know further ones.
        reason: for programs, such as `foreign-row`; or nothing.
        detail: for people; or nothing.
        service_id: or nothing, where the event names none.
        document: all that the gateway says.
    """

    event_id: str
    source: str
    state: str
    reason: str
    detail: str
    service_id: str
    document: Mapping[str, Any]

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to the event by itself."""
        return self.state in FINAL_STATES


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """Changes of outcomes, oldest first.

    Attributes:
        outcomes: may be none.
        cursor: where the next page begins; keep it.
        more: there are more already.
    """

    outcomes: tuple[EventOutcome, ...]
    cursor: str
    more: bool


def outcome_of(document: Mapping[str, Any]) -> EventOutcome:
    """Read an outcome: the answer to `GET /v1/events/…`, or an event of feed or webhook.

    Raises:
        ValueError: it is neither.
    """
    data = document.get("data", document)
    if not isinstance(data, dict) or not all(
        isinstance(data.get(name), str) for name in ("event", "source", "state")
    ):
        raise ValueError(
            "the document is no outcome of an event: it has no event, source and state"
        )
    return EventOutcome(
        event_id=data["event"],
        source=data["source"],
        state=data["state"],
        reason=str(data.get("reason", "")),
        detail=str(data.get("detail", "")),
        service_id=str(data.get("service", "")),
        document=data,
    )


class OutcomeReader:
    """Reads outcomes with a key of scope `read`. Several threads may use one.

    Args:
        url: of the gateway, such as `https://provisioning.example`; plain HTTP to this host only.
        key: an API key with the scope `read`.
        timeout_s: for connecting, and for each answer beyond the wait that was asked for.
        ssl: whom to trust, if the system does not know the gateway's authority.
        plain: allow plain HTTP to other hosts, as in a private network of containers.
        sleep: waits so many seconds.
        clock: seconds, which never go back.
    """

    def __init__(  # noqa: PLR0913 - each may be left out
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = 30,
        ssl: SSLContext | None = None,
        plain: bool = False,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = gateway_client(url, key, timeout_s, ssl, plain=plain)
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._clock = clock

    def close(self) -> None:
        """Close the connections; this reader cannot be used again."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def outcome(self, source: str, event_id: str) -> EventOutcome | None:
        """Read an event's outcome; None if the gateway does not know the event, or no longer.

        Raises:
            KeyRefused: a person must correct the key or its scopes.
            ReadFailed: ask again later.
        """
        answer = self._get(f"/v1/events/{quote(event_id, safe='')}", {"source": source}, 0)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._read(answer, outcome_of)

    def wait_until_final(self, source: str, event_id: str, within_s: float) -> EventOutcome | None:
        """Read an event's outcome until it is final; returns the last one in any case.

        Raises:
            KeyRefused: a person must correct the key or its scopes.
            ReadFailed: the gateway did not answer until the end.
        """
        deadline = self._clock() + within_s
        while True:
            pause_s = _ASK_EVERY_S
            try:
                found, failure = self.outcome(source, event_id), None
            except ReadFailed as error:
                found, failure, pause_s = None, error, error.retry_after_s or pause_s
            left_s = deadline - self._clock()
            if failure is not None and left_s <= 0:
                raise failure
            if left_s <= 0 or (found is not None and found.is_final):
                return found
            self._sleep(min(pause_s, left_s))

    def page(self, cursor: str | None = None, *, wait_s: int = 0, most: int = 100) -> OutcomePage:
        """Read changes of the outcomes of all sources of the key.

        Args:
            cursor: of the page before; `latest`: from now on; None: from the oldest that is kept.
            wait_s: wait for the next change, at most 30.
            most: how many, at most 1000.

        Raises:
            CursorTooOld: changes after the cursor are no longer kept.
            KeyRefused: a person must correct the key or its scopes.
            ReadFailed: ask again later.
        """
        query = {"wait": str(wait_s), "most": str(most)}
        if cursor is not None:
            query["cursor"] = cursor
        answer = self._get("/v1/outcomes", query, wait_s)
        if answer.status_code == HTTPStatus.GONE:
            raise CursorTooOld(refusal(self._client, answer))
        return self._read(answer, _page)

    def _get(self, path: str, query: Mapping[str, str], wait_s: float) -> httpx.Response:
        timeout_s = self._timeout_s + wait_s
        try:
            return self._client.get(path, params=query, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise ReadFailed(unanswered(self._client, error)) from error

    def _read(self, answer: httpx.Response, reading: Callable[[Mapping[str, Any]], T]) -> T:
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise KeyRefused(f"{refusal(self._client, answer)}; correct the key or its scopes")
        if answer.status_code != HTTPStatus.OK:
            wait_s = retry_after_s(answer, time.time())
            raise ReadFailed(refusal(self._client, answer), wait_s)
        try:
            return reading(json_object(answer))
        except ValueError as error:
            raise ReadFailed(f"{error}; is {self._client.base_url} a gateway?") from None


def _page(document: Mapping[str, Any]) -> OutcomePage:
    outcomes, cursor = document.get("outcomes"), document.get("next")
    if not isinstance(outcomes, list) or not isinstance(cursor, str):
        raise ValueError("the answer is no page of outcomes")  # noqa: TRY004 - of bad JSON
    found = tuple(outcome_of(event) for event in outcomes if isinstance(event, dict))
    return OutcomePage(found, cursor, document.get("more") is True)
