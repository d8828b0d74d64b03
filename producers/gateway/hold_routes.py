"""What the brake holds, over HTTP, for keys with scope `ops`. Every decision names the key."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from producers.gateway import openapi
from producers.gateway.access import Access
from producers.gateway.api_keys import Scope
from producers.gateway.ports import Document, Records
from producers.gateway.problems import Refused

HoldId = Annotated[str, Path(description="As the list names it")]


class Decision(BaseModel):
    """What a person decided on."""

    model_config = ConfigDict(extra="forbid")
    digest: Annotated[str, Field(max_length=64, description="Of the list that was shown")]


class HoldRoutes:
    """Lists, approves and rejects.

    Args:
        access: lets callers in.
        records: has the lists.
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
        router.get("/v1/holds", summary="What the brake holds")(self.holds)
        router.post("/v1/holds/{hold_id}/approve", status_code=202, summary="Let a list through")(
            self.approve
        )
        router.post("/v1/holds/{hold_id}/reject", status_code=202, summary="Undo a list")(
            self.reject
        )
        return router

    async def holds(self, request: Request) -> Document:
        """Services that would lose their entries, by the limit that was passed, with digests."""
        await self._access.reader(request, Scope.OPS)
        return {"holds": await asyncio.to_thread(self._records.holds)}

    async def approve(self, request: Request, hold_id: HoldId, decision: Decision) -> Document:
        """The services lose their entries now; only just the list of the digest."""
        return await self._decide(request, self._records.approve, hold_id, decision, "approved")

    async def reject(self, request: Request, hold_id: HoldId, decision: Decision) -> Document:
        """The services are again as their routers have them: a snapshot of each is published."""
        return await self._decide(request, self._records.reject, hold_id, decision, "rejected")

    async def _decide(
        self,
        request: Request,
        action: Callable[[str, str, str], str | None],
        hold_id: str,
        decision: Decision,
        done: str,
    ) -> Document:
        key = await self._access.reader(request, Scope.OPS)
        actor = f"key {key.id} ({key.name})"
        why_not = await asyncio.to_thread(action, hold_id, decision.digest, actor)
        if why_not is None:
            raise Refused("not-found", "nothing is held under this id")
        if why_not:
            raise Refused("conflict", why_not)
        return {"id": hold_id, "status": done}
