"""Dead letters over HTTP, for keys with scope `ops`. Every action names the key as its actor."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from gateway.api import openapi
from gateway.api.access import Access
from gateway.api.api_keys import Scope
from gateway.api.ports import Document, Records
from gateway.api.problems import Refused

DeadLetterId = Annotated[str, Path(description="As the list names it")]


class OpsRoutes:
    """Lists, replays and discards dead letters.

    Args:
        access: lets callers in.
        records: has them.
    """

    def __init__(self, access: Access, records: Records) -> None:
        self._access = access
        self._records = records

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(
            tags=["operations"],
            responses=openapi.responses(None, *openapi.READING, "conflict"),
        )
        router.get("/v1/dead-letters", summary="What could go no further")(self.dead_letters)
        router.post(
            "/v1/dead-letters/{dead_letter_id}/retry", status_code=202, summary="Try one again"
        )(self.retry)
        router.post("/v1/dead-letters/{dead_letter_id}/discard", summary="Take one away for good")(
            self.discard
        )
        return router

    async def dead_letters(
        self,
        request: Request,
        reason: Annotated[str | None, Query(description="Only those with this reason")] = None,
        most: Annotated[int, Query(ge=1, le=1000, description="How many; the newest")] = 100,
    ) -> Document:
        """Events as they came, and services whose writes were refused; the newest first."""
        await self._access.reader(request, Scope.OPS)
        found = await asyncio.to_thread(self._records.dead_letters, reason, most)
        return {"dead_letters": found}

    async def retry(self, request: Request, dead_letter_id: DeadLetterId) -> Document:
        """An event goes into the journal as it came; a service is looked at again."""
        return await self._settle(request, self._records.retry, dead_letter_id, "retried")

    async def discard(self, request: Request, dead_letter_id: DeadLetterId) -> Document:
        """The event or failure is given up; the service's history says by whom."""
        return await self._settle(request, self._records.discard, dead_letter_id, "discarded")

    async def _settle(
        self,
        request: Request,
        action: Callable[[str, str], str | None],
        dead_letter_id: str,
        done: str,
    ) -> Document:
        key = await self._access.reader(request, Scope.OPS)
        why_not = await asyncio.to_thread(action, dead_letter_id, key.actor)
        if why_not is None:
            raise Refused("not-found", "there is no such dead letter")
        if why_not:
            raise Refused("conflict", why_not)
        return {"id": dead_letter_id, "status": done}
