"""`POST /v1/events` and `/v1/validate`: raw bytes in, a receipt for each event out."""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from contracts import Problem
from contracts.names import QUEUE_EVENTS, Lane
from gateway.api import openapi
from gateway.api.access import Access
from gateway.api.api_keys import ApiKey, Scope
from gateway.api.awaited import Awaited
from gateway.api.decode import BATCHED, Given, events_in, largest, media_type, problems_of
from gateway.api.gate import read_body
from gateway.api.intake import Intake, Taken
from gateway.api.json_response import ShownJson
from gateway.api.ports import Document
from gateway.api.problems import Refused, of_events
from producers.complete import CompleteEvent
from producers.errors import BatchViolation
from producers.publisher import Publisher

_CHECKED_AT_ONCE: Final = 10
"""So many hold up other callers for half a millisecond (measured: 45 to 60 µs each); more go to a
thread."""
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?(?=[,;\s]|$)", re.IGNORECASE)


class EventRoutes:
    """The two ways to hand in events.

    Args:
        access: lets callers in.
        publisher: checks events.
        intakes: take them, one a lane.
        awaited: waits for what becomes of them.
        overriding: gives sources that speak of services of others: only for keys with that scope.
    """

    def __init__(
        self,
        access: Access,
        publisher: Publisher,
        intakes: Mapping[Lane, Intake],
        awaited: Awaited,
        overriding: Callable[[], Collection[str]],
    ) -> None:
        self._access = access
        self._publisher = publisher
        self._intakes = intakes
        self._awaited = awaited
        self._overriding = overriding

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["events"])
        router.post(
            "/v1/events",
            status_code=202,
            summary="Hand in one event or a batch",
            responses=openapi.responses(
                openapi.RECEIPTS, *openapi.PUBLISHING, "source-not-allowed", "scope-missing"
            )
            | openapi.DONE,
            openapi_extra=openapi.EVENTS_BODY,
        )(self.publish)
        router.post(
            "/v1/validate",
            summary="Check events and do nothing",
            responses=openapi.responses(None, *openapi.PUBLISHING),
            openapi_extra=openapi.EVENTS_BODY,
        )(self.validate)
        return router

    async def publish(
        self,
        request: Request,
        lane: Annotated[
            Lane,
            Query(
                description="`bulk` for imports, which nobody waits for: workers serve them while "
                "there are no live events. It has a rate and a depth of its own."
            ),
        ] = QUEUE_EVENTS,
    ) -> ShownJson:
        """Take in events: all of a request, or none.

        202 means: each is in the intake journal, and stays there until a worker has committed it.
        It is not on a router yet; `status_url` says when it is. Repeat a request that was not
        answered, with the same ids, as often as you like. With `Prefer: wait=5` the answer is
        given when all is known of every event, at the latest after 5 s: then with 200.
        """
        key = await self._access.caller(request, Scope.PUBLISH)
        events = await self._read(request, key, lane)
        self._check_sources(events, key)
        events = self._with_actor(events, key)
        taken = await self._intakes[lane].take(events)
        reused = [(index, _REUSED) for index, each in enumerate(taken) if each.receipt.id_reused]
        if len(reused) == len(taken):
            raise of_events(reused)
        wait_s = _wait_s(request)
        final = await self._wait(request, taken, wait_s)
        receipts = [_receipt(each, key, final) for each in taken]
        done = all(each["status"] != _OPEN for each in receipts)
        answer = ShownJson({"receipts": receipts}, 200 if done else 202)
        if len(taken) == 1:
            answer.headers["Location"] = receipts[0]["status_url"]
        if wait_s:
            answer.headers["Preference-Applied"] = f"wait={wait_s}"
        return answer

    async def validate(self, request: Request) -> ShownJson:
        """Check events as `POST /v1/events` does; the answer shows them in normal form."""
        key = await self._access.caller(request)
        events = await self._read(request, key)
        return ShownJson({"valid": True, "events": [each.event for each in events]})

    async def _read(
        self, request: Request, key: ApiKey, lane: Lane = QUEUE_EVENTS
    ) -> list[CompleteEvent]:
        """Everything between a known caller and events that are right."""
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

    def _checked(self, given: Sequence[Given]) -> list[CompleteEvent]:
        problems = [found for i, each in enumerate(given) for found in problems_of(each, i)]
        try:
            events = self._publisher.check(given)
        except BatchViolation as violation:
            said = {(index, problem.pointer) for index, problem in violation.problems}
            missing = [each for each in problems if (each[0], each[1].pointer) not in said]
            problems = sorted([*violation.problems, *missing], key=lambda found: found[0])
            raise of_events(problems) from None
        if problems:
            raise of_events(problems)
        return events

    def _check_sources(self, events: Sequence[CompleteEvent], key: ApiKey) -> None:
        errors, overriding = [], self._overriding()
        for index, each in enumerate(events):
            if each.source not in key.sources:
                message = "is not a source of this key"
                errors.append((index, Problem("/source", "source-not-allowed", message)))
            elif each.source in overriding and Scope.OVERRIDE not in key.scopes:
                message = "may speak of services of others: this needs a key with scope override"
                errors.append((index, Problem("/source", "source-not-allowed", message)))
        if errors:
            message = "the key does not speak for every source; nothing was taken in"
            raise Refused("source-not-allowed", message, errors)

    def _with_actor(self, events: list[CompleteEvent], key: ApiKey) -> list[CompleteEvent]:
        """Name the key as the actor of what overrides: no key signs with somebody else's name."""
        overriding = self._overriding()
        if not any(each.source in overriding for each in events):
            return events
        actor = {"actor": key.actor[:_MOST_ACTOR]}
        return self._checked(
            [each.event | actor if each.source in overriding else each.event for each in events]
        )

    async def _wait(
        self, request: Request, taken: Sequence[Taken], wait_s: int
    ) -> Mapping[str, Document]:
        keys = [each.receipt.event_key for each in taken if not each.receipt.id_reused]
        with self._access.waiting(request) as may_wait:
            if not wait_s or not may_wait:
                return {}
            final = await self._awaited.final(keys, wait_s)
        try:
            await self._access.identify(request)
        except Refused:
            return {}  # its key was revoked meanwhile: what came of it is told to nobody
        return final


_OPEN: Final = "accepted"
_MOST_ACTOR: Final = 64
"""Characters that a history keeps."""
_REUSED: Final = Problem("/id", "event-id-reused", "is the id of another event; give it its own")


def _wait_s(request: Request) -> int:
    found = _WAIT.search(", ".join(request.headers.getlist("prefer")))
    return int(found[1]) if found else 0


def _receipt(taken: Taken, key: ApiKey, final: Mapping[str, Document]) -> dict[str, Any]:
    receipt = taken.receipt
    # An id names an event of one source only; who speaks for one source need not say which.
    which = "" if len(key.sources) == 1 else f"?{openapi.source_query(receipt.source)}"
    found: dict[str, Any] = {
        "id": receipt.event_id,
        "source": receipt.source,
        "status": "rejected" if receipt.id_reused else _OPEN,
        "duplicate": taken.duplicate,
        "status_url": f"/v1/events/{receipt.event_id}{which}",
    }
    if receipt.id_reused:
        found["reason"] = _REUSED.code
    if receipt.event_key in final:
        outcome = final[receipt.event_key]
        found |= {"status": outcome["state"], "outcome": outcome}
    return found
