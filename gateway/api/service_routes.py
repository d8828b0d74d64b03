"""`GET /v1/services`: the services of a key's sources, page by page, to compare a BSS with."""

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request

from gateway.api import openapi
from gateway.api.access import Access
from gateway.api.api_keys import Scope
from gateway.api.ports import Document, Records, ServiceFilter
from gateway.api.problems import Refused

MOST: Final = 500
_LARGEST_CURSOR: Final = 2**64 - 1

Status = Literal["incomplete", "active", "suspended", "cancelled"]
Sync = Literal[
    "in_sync", "observed", "observed: differs", "pending", "waiting", "circuit_open", "failed"
]


class ServiceRoutes:
    """The list.

    Args:
        access: lets callers in.
        records: has the services.
    """

    def __init__(self, access: Access, records: Records) -> None:
        self._access = access
        self._records = records

    def router(self) -> APIRouter:
        """The route."""
        kinds = [kind for kind in openapi.READING if kind != "not-found"]
        router = APIRouter(tags=["state"], responses=openapi.responses(None, *kinds))
        router.get("/v1/services", summary="The services of the key's sources")(self.services)
        return router

    async def services(  # noqa: PLR0913, PLR0917 - one for each part of the query
        self,
        request: Request,
        cursor: Annotated[
            str | None, Query(description="`next` of the page before", pattern=r"^\d{1,20}$")
        ] = None,
        most: Annotated[
            int, Query(ge=1, le=MOST, description="About how many; a page may hold some more")
        ] = MOST,
        router: Annotated[
            str | None,
            Query(max_length=64, description="Only those that are, or may still be, on this one"),
        ] = None,
        status: Annotated[Status | None, Query(description="Only those with this status")] = None,
        sync: Annotated[
            Sync | None, Query(description="Only those with which their routers are so far")
        ] = None,
    ) -> Document:
        """All services that the key's sources own, in short; of all sources to scope `ops`.

        In no certain order. Ask on with `cursor` while there is a `next`: a page may be empty and
        have one, since each looks at a bounded part of what is kept. A service that is there all
        the while comes at least once; some may come twice.
        """
        key = await self._access.reader(request, Scope.READ, Scope.OPS)
        start = int(cursor or 0)
        if start > _LARGEST_CURSOR:
            raise Refused("malformed", "cursor is not a `next` of this list; begin without one")
        sources = None if Scope.OPS in key.scopes else key.sources
        wanted = ServiceFilter(sources, router, status, sync)
        found, onward = await asyncio.to_thread(self._records.services, wanted, start, most)
        page: dict[str, Any] = {"services": found}
        if onward:
            page["next"] = str(onward)
        return page
