"""What became of events, and what is known of services."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from gateway.api import openapi
from gateway.api.access import Access
from gateway.api.api_keys import ApiKey, Scope
from gateway.api.ports import Document, Records
from gateway.api.problems import Refused

_HISTORY_PAGE = 25

ServiceId = Annotated[str, Path(description="The BSS's id of the service")]


class ReadRoutes:
    """Answers for the sources of a key; for all of them, to a key with scope `ops`.

    Args:
        access: lets callers in.
        records: what is known.
    """

    def __init__(self, access: Access, records: Records) -> None:
        self._access = access
        self._records = records

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["state"], responses=openapi.responses(None, *openapi.READING))
        router.get("/v1/events/{event_id}", summary="Where an event stands")(self.event)
        router.get("/v1/services/{service_id}", summary="All that is known of a service")(
            self.service
        )
        router.get("/v1/services/{service_id}/events", summary="What happened to a service")(
            self.history
        )
        return router

    async def event(
        self,
        request: Request,
        event_id: Annotated[str, Path(description="The id that its source gave it")],
        source: Annotated[
            str | None, Query(description="Which one's; else each source of the key is tried")
        ] = None,
    ) -> Document:
        """Where an event stands.

        Of a final state nothing more comes by itself; `EventState` says which are final. The
        outcomes of the last 20 events of a service are kept 31 days, those of older ones and of
        events that changed nothing an hour, those of refused ones a day.
        """
        key = await self._access.reader(request, Scope.READ, Scope.OPS)
        if source is not None and source not in key.sources and Scope.OPS not in key.scopes:
            raise Refused("source-not-allowed", "the key does not read events of this source")
        sources = sorted(key.sources) if source is None else [source]
        found = await asyncio.to_thread(self._records.event, event_id, sources)
        if found is None:
            raise Refused("not-found", "no event of this id is known of these sources")
        return found

    async def service(self, request: Request, service_id: ServiceId) -> Document:
        """Its registers, each with the event that set it; its routers; its last events."""
        key = await self._access.reader(request, Scope.READ, Scope.OPS)
        return await self._service(service_id, key)

    async def history(
        self,
        request: Request,
        service_id: ServiceId,
        cursor: Annotated[
            str | None, Query(description="`next` of the page before", pattern=r"^\d{1,6}$")
        ] = None,
    ) -> Document:
        """What happened, the newest first: the last 50 things and 20 events.

        Pages are cut from what there is at the time: what happens in between moves them.
        """
        key = await self._access.reader(request, Scope.READ, Scope.OPS)
        await self._service(service_id, key)
        lines = await asyncio.to_thread(self._records.history, service_id)
        start = int(cursor or 0)
        page: dict[str, Any] = {
            "service": service_id,
            "lines": lines[start : start + _HISTORY_PAGE],
        }
        if start + _HISTORY_PAGE < len(lines):
            page["next"] = str(start + _HISTORY_PAGE)
        return page

    async def _service(self, service_id: str, key: ApiKey) -> Document:
        found = await asyncio.to_thread(self._records.service, service_id)
        if found is None or not (Scope.OPS in key.scopes or found.get("owner") in key.sources):
            # The same words: whether others have such a service is not the caller's affair.
            raise Refused("not-found", "no service of this id is known of the key's sources")
        return found
