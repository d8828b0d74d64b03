"""`GET /v1/outcomes`: the outcome feed of a key's sources."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from gateway.api import openapi
from gateway.api.access import AccessCheck, Caller
from gateway.api.api_keys import KeyScope
from gateway.api.problems import Refused
from gateway.api.responses import Document
from worker.admin.documents import outcome_cloudevent
from worker.inventory import Inventory
from worker.store.feed import CursorTooOldError
from worker.store.store import Store

CHECK_EVERY_S: Final = 0.25
"""How often the feed is read for a caller that waits: each read is a round trip to Redis."""
MOST_S: Final = 30
"""The longest wait: proxies give up after a minute."""
LATEST: Final = "latest"


class OutcomeRoutes(APIRouter):
    """The outcome feed."""

    def __init__(
        self, access: AccessCheck, store: Store, inventory: Callable[[], Inventory]
    ) -> None:
        kinds = [kind for kind in openapi.READING if kind != "not-found"]
        super().__init__(
            tags=["state"],
            responses=openapi.responses(None, *kinds, "source-not-allowed", "cursor-too-old"),
            dependencies=[access.needs(KeyScope.READ)],
        )
        self._access = access
        self._store = store
        self._inventory = inventory
        self.get("/v1/outcomes", summary="Follow outcomes")(self.outcomes)

    async def outcomes(  # noqa: PLR0913, PLR0917 - one for each part of the query
        self,
        request: Request,
        key: Caller,
        cursor: Annotated[
            str | None,
            Query(
                description="`next` of the previous answer; `latest`: from now on; default: from "
                "the oldest outcome that is kept",
                pattern=r"^(latest|\d{1,15}-\d{1,15})$",
            ),
        ] = None,
        wait: Annotated[
            int, Query(ge=0, le=MOST_S, description="Seconds to wait for a new outcome")
        ] = 0,
        most: Annotated[int, Query(ge=1, le=1000, description="How many")] = 100,
        source: Annotated[
            str | None, Query(description="One source of the key; default: all of them")
        ] = None,
    ) -> Document:
        """Each change of an event's outcome in order, as CloudEvents.

        The same CloudEvents as in outcome webhooks, of type `leasewire.outcome.<state>.v1`. Keep
        `next` and continue with it: outcomes are kept for days, of bulk events fewer. 410 says that
        outcomes after the cursor are no longer kept: read the state of your services, then start
        without a cursor.
        """
        sources = key.sources_to_read(source)
        with self._access.waiting(key) as may_wait:
            deadline = monotonic() + (wait if may_wait else 0)
            while True:
                page = await asyncio.to_thread(self._page, sources, cursor, most)
                cursor, left_s = page["next"], deadline - monotonic()
                if page["outcomes"] or left_s <= 0:
                    return page
                await asyncio.sleep(min(CHECK_EVERY_S, left_s))
                await self._access.identify(request)  # the key may have been revoked

    def _page(self, sources: list[str], cursor: str | None, most: int) -> dict[str, Any]:
        feed, inventory = self._store.feed, self._inventory()
        if cursor == LATEST:
            return {"outcomes": [], "next": feed.last(), "more": False}
        unknown_sources = not inventory.sources.keys() >= set(sources)
        try:
            page = feed.read(sources, cursor, most, unknown_sources=unknown_sources)
        except CursorTooOldError:
            message = (
                "outcomes after this cursor are no longer kept: read your services with "
                "GET /v1/services/{id}, then start without a cursor"
            )
            raise Refused("cursor-too-old", message) from None
        events = [outcome_cloudevent(item, inventory.installation) for item in page.items]
        return {"outcomes": events, "next": page.cursor, "more": page.more}
