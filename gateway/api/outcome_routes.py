"""`GET /v1/outcomes`: what became of the events of a key's sources, to be followed."""

import asyncio
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from gateway.api import openapi
from gateway.api.access import Access
from gateway.api.api_keys import Scope
from gateway.api.ports import CursorTooOld, Document, OutcomePage, Records
from gateway.api.problems import Refused

CHECK_EVERY_S: Final = 0.25
"""Between looks for those who wait: each is a round trip to Redis."""
MOST_S: Final = 30
"""As long a caller may wait; proxies give up after a minute."""
LATEST: Final = "latest"


class OutcomeRoutes:
    """The feed.

    Args:
        access: lets callers in.
        records: has the feed.
    """

    def __init__(self, access: Access, records: Records) -> None:
        self._access = access
        self._records = records

    def router(self) -> APIRouter:
        """The route."""
        kinds = [kind for kind in openapi.READING if kind != "not-found"]
        responses = openapi.responses(None, *kinds, "source-not-allowed", "cursor-too-old")
        router = APIRouter(tags=["state"], responses=responses)
        router.get("/v1/outcomes", summary="Follow what becomes of events")(self.outcomes)
        return router

    async def outcomes(
        self,
        request: Request,
        cursor: Annotated[
            str | None,
            Query(
                description="`next` of the answer before; `latest`: from now on; else from the "
                "oldest that is kept",
                pattern=r"^(latest|\d{1,15}-\d{1,15})$",
            ),
        ] = None,
        wait: Annotated[
            int, Query(ge=0, le=MOST_S, description="Seconds to wait for something new")
        ] = 0,
        most: Annotated[int, Query(ge=1, le=1000, description="How many")] = 100,
        source: Annotated[
            str | None, Query(description="Of one source of the key; else of all of them")
        ] = None,
    ) -> Document:
        """Each change of an event's outcome, in the order in which it was said, as CloudEvents.

        The same events that outcome webhooks carry, type `leasewire.outcome.<state>.v1`. Keep
        `next` and ask on with it: at least what was said in the last days is there still. 410 says
        that some of what came after the cursor is not: ask for the state of services, and begin
        anew without a cursor. Of events that came in bulk less is kept.
        """
        key = await self._access.reader(request, Scope.READ)
        if source is not None and source not in key.sources:
            raise Refused("source-not-allowed", "the key does not read events of this source")
        sources = sorted(key.sources) if source is None else [source]
        with self._access.waiting(request) as may_wait:
            deadline = monotonic() + (wait if may_wait else 0)
            while True:
                page = await self._page(sources, cursor, most)
                cursor, left_s = page.cursor, deadline - monotonic()
                if page.events or left_s <= 0:
                    break
                await asyncio.sleep(min(CHECK_EVERY_S, left_s))
                await self._access.identify(request)  # it may have been revoked meanwhile
        found: dict[str, Any] = {"outcomes": page.events, "next": page.cursor, "more": page.more}
        return found

    async def _page(self, sources: list[str], cursor: str | None, most: int) -> OutcomePage:
        try:
            return await asyncio.to_thread(
                self._records.outcomes, sources, cursor, most, latest=cursor == LATEST
            )
        except CursorTooOld:
            message = (
                "some of what came after this cursor is not kept any more: GET /v1/services/{id} "
                "says what is; begin anew without a cursor"
            )
            raise Refused("cursor-too-old", message) from None
