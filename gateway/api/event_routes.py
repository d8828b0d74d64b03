"""`POST /v1/events` and `/v1/validate`: takes raw bytes, returns a receipt for each event."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from contracts.errors import Problem
from contracts.names import QUEUE_EVENTS, Lane
from gateway.api import openapi
from gateway.api.access import AccessCheck, Caller, check_scope
from gateway.api.api_keys import ApiKey, KeyScope
from gateway.api.decode import BATCHED, events_in, largest, media_type, missing_fields
from gateway.api.gate import read_body
from gateway.api.intake import Accepted, Intake
from gateway.api.outcome_waiter import OutcomeWaiter
from gateway.api.problems import Refused, of_events
from gateway.api.responses import Document, PrintableJson
from producers.errors import BatchViolation
from producers.publisher import GivenEvent, Publisher
from producers.transport import CompleteEvent
from worker.inventory import Inventory

_CHECKED_AT_ONCE: Final = 10
"""So many delay other callers by half a millisecond (measured: 45 to 60 µs each). More events are
checked in a thread."""
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?(?=[,;\s]|$)", re.IGNORECASE)


class EventRoutes(APIRouter):
    """Publishes and validates events."""

    def __init__(
        self,
        access: AccessCheck,
        publisher: Publisher,
        intakes: Mapping[Lane, Intake],
        waiter: OutcomeWaiter,
        inventory: Callable[[], Inventory],
    ) -> None:
        super().__init__(tags=["events"])
        self._access = access
        self._publisher = publisher
        self._intakes = intakes
        self._waiter = waiter
        self._inventory = inventory
        self.post(
            "/v1/events",
            status_code=202,
            summary="Publish one event or a batch",
            responses=openapi.responses(
                openapi.RECEIPTS, *openapi.PUBLISHING, "source-not-allowed", "scope-missing"
            )
            | openapi.DONE,
            openapi_extra=openapi.EVENTS_BODY,
        )(self.publish)
        self.post(
            "/v1/validate",
            summary="Validate events without publishing them",
            responses=openapi.responses(None, *openapi.PUBLISHING),
            openapi_extra=openapi.EVENTS_BODY,
        )(self.validate)

    async def publish(
        self,
        request: Request,
        key: Caller,
        lane: Annotated[
            Lane,
            Query(
                description="`bulk` for imports that nobody waits for: workers take them while "
                "there are no live events. Each lane has its own rate and depth."
            ),
        ] = QUEUE_EVENTS,
    ) -> PrintableJson:
        """Accepts all events of a request, or none.

        202: every event is in the intake journal until a worker has committed it. It is not on a
        router yet; ask `status_url` for its state. If you got no answer, repeat the request with
        the same ids as often as you like. With `Prefer: wait=5` the answer waits up to 5 s for the
        final outcome of every event, and is 200 if all are final.
        """
        check_scope(key, KeyScope.PUBLISH)
        events = await self._read(request, key, lane)
        self._check_sources(events, key)
        events = self._with_actor(events, key)
        accepted = await self._intakes[lane].accept(events)
        reused = [
            (index, _REUSED) for index, event in enumerate(accepted) if event.receipt.id_reused
        ]
        if len(reused) == len(accepted):
            raise of_events(reused)
        wait_s = _wait_s(request)
        final = await self._wait(request, key, accepted, wait_s)
        receipts = [_receipt(event, key, final) for event in accepted]
        done = all(receipt["status"] != _PENDING for receipt in receipts)
        answer = PrintableJson({"receipts": receipts}, 200 if done else 202)
        if len(accepted) == 1:
            answer.headers["Location"] = receipts[0]["status_url"]
        if wait_s:
            answer.headers["Preference-Applied"] = f"wait={wait_s}"
        return answer

    async def validate(self, request: Request, key: Caller) -> PrintableJson:
        """Validates events as `POST /v1/events` does, and returns them in normal form."""
        events = await self._read(request, key)
        return PrintableJson({"valid": True, "events": [event.event for event in events]})

    async def _read(
        self, request: Request, key: ApiKey, lane: Lane = QUEUE_EVENTS
    ) -> list[CompleteEvent]:
        """Read, count and check the events of a request whose key is known."""
        kind = media_type(request.headers)
        body = await read_body(request, largest(kind))
        webhook_id = self._access.check_signature(key, request.headers, body)
        given = events_in(request.headers, body)
        self._access.spend(key, len(given), lane)
        few = len(given) <= _CHECKED_AT_ONCE
        events = self._checked(given) if few else await asyncio.to_thread(self._checked, given)
        if webhook_id is not None and kind != BATCHED and webhook_id != events[0].id:
            raise Refused("bad-signature", "webhook-id must be the id of the event")
        return events

    def _checked(self, given: Sequence[GivenEvent]) -> list[CompleteEvent]:
        missing = [found for i, event in enumerate(given) for found in missing_fields(event, i)]
        try:
            events = self._publisher.check(given)
        except BatchViolation as violation:
            known = {(index, problem.pointer) for index, problem in violation.problems}
            more = [found for found in missing if (found[0], found[1].pointer) not in known]
            problems = sorted([*violation.problems, *more], key=lambda found: found[0])
            raise of_events(problems) from None
        if missing:
            raise of_events(missing)
        return events

    def _check_sources(self, events: Sequence[CompleteEvent], key: ApiKey) -> None:
        errors, overriding = [], self._overriding()
        for index, event in enumerate(events):
            if event.source not in key.sources:
                message = key.not_its_source()
                errors.append((index, Problem("/source", "source-not-allowed", message)))
            elif event.source in overriding and KeyScope.OVERRIDE not in key.scopes:
                message = "may override other sources: this needs a key with scope override"
                errors.append((index, Problem("/source", "source-not-allowed", message)))
        if errors:
            message = "the key may not publish for every source; nothing was accepted"
            raise Refused("source-not-allowed", message, errors)

    def _overriding(self) -> frozenset[str]:
        """The sources that may override services of other sources."""
        sources = self._inventory().sources
        return frozenset(name for name, source in sources.items() if "override" in source.scopes)

    def _with_actor(self, events: list[CompleteEvent], key: ApiKey) -> list[CompleteEvent]:
        """Name the key as the actor of overriding events: no key can give another name."""
        overriding = self._overriding()
        if not any(event.source in overriding for event in events):
            return events
        actor = {"actor": key.actor[:_MOST_ACTOR]}
        return self._checked(
            [event.event | actor if event.source in overriding else event.event for event in events]
        )

    async def _wait(
        self, request: Request, key: ApiKey, accepted: Sequence[Accepted], wait_s: int
    ) -> Mapping[str, Document]:
        keys = [event.receipt.event_key for event in accepted if not event.receipt.id_reused]
        with self._access.waiting(key) as may_wait:
            if not wait_s or not may_wait:
                return {}
            final = await self._waiter.final(keys, wait_s)
        try:
            await self._access.identify(request)
        except Refused:
            return {}  # its key was revoked meanwhile
        return final


_PENDING: Final = "accepted"
_MOST_ACTOR: Final = 64
"""Characters that a history keeps."""
_REUSED: Final = Problem("/id", "event-id-reused", "is the id of another event; use a new id")


def _wait_s(request: Request) -> int:
    found = _WAIT.search(", ".join(request.headers.getlist("prefer")))
    return int(found[1]) if found else 0


def _receipt(accepted: Accepted, key: ApiKey, final: Mapping[str, Document]) -> dict[str, Any]:
    receipt = accepted.receipt
    # An id is unique in its source only; a key of one source need not name it.
    query = "" if len(key.sources) == 1 else f"?{openapi.source_query(receipt.source)}"
    document: dict[str, Any] = {
        "id": receipt.event_id,
        "source": receipt.source,
        "status": "rejected" if receipt.id_reused else _PENDING,
        "duplicate": accepted.duplicate,
        "status_url": f"/v1/events/{receipt.event_id}{query}",
    }
    if receipt.id_reused:
        document["reason"] = _REUSED.code
    if receipt.event_key in final:
        outcome = final[receipt.event_key]
        document |= {"status": outcome["state"], "outcome": outcome}
    return document
