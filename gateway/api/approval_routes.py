"""What the brake holds, over HTTP, for keys with scope `ops`. Every decision names the key."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.api import openapi
from gateway.api.access import Access
from gateway.api.api_keys import Scope
from gateway.api.gate import SMALL_BYTES, read_body
from gateway.api.ports import Document, Records
from gateway.api.problems import Refused

ApprovalId = Annotated[str, Path(description="As the list names it")]


class Decision(BaseModel):
    """What a person decided on."""

    model_config = ConfigDict(extra="forbid")
    digest: Annotated[str, Field(max_length=64, description="Of the list that was shown")]


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Decision.model_json_schema()}},
    }
}
"""Read by the routes themselves: FastAPI would read and parse it before they are asked."""


class ApprovalRoutes:
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
        router.get("/v1/approvals", summary="What the brake holds")(self.holds)
        for name, do, summary in (
            ("approve", self.approve, "Let a list through"),
            ("reject", self.reject, "Undo a list"),
        ):
            router.post(
                f"/v1/approvals/{{approval_id}}/{name}",
                status_code=202,
                summary=summary,
                responses=openapi.responses(None, "too-large"),
                openapi_extra=_BODY,
            )(do)
        return router

    async def holds(self, request: Request) -> Document:
        """Services that would lose their entries, by the limit that was passed, with digests."""
        await self._access.reader(request, Scope.OPS)
        return {"approvals": await asyncio.to_thread(self._records.holds)}

    async def approve(self, request: Request, approval_id: ApprovalId) -> Document:
        """The services lose their entries now; only just the list of the digest."""
        return await self._decide(request, self._records.approve, approval_id, "approved")

    async def reject(self, request: Request, approval_id: ApprovalId) -> Document:
        """The services are again as their routers have them: a snapshot of each is published."""
        return await self._decide(request, self._records.reject, approval_id, "rejected")

    async def _decide(
        self,
        request: Request,
        action: Callable[[str, str, str], str | None],
        approval_id: str,
        done: str,
    ) -> Document:
        key = await self._access.reader(request, Scope.OPS)
        decision = _decision(await read_body(request, SMALL_BYTES))
        why_not = await asyncio.to_thread(action, approval_id, decision.digest, key.actor)
        if why_not is None:
            raise Refused("not-found", "nothing is held under this id")
        if why_not:
            raise Refused("conflict", why_not)
        return {"id": approval_id, "status": done}


def _decision(body: bytes) -> Decision:
    try:
        return Decision.model_validate_json(body)
    except ValidationError:
        message = 'the body is JSON: {"digest": "…"}, the digest of the list that was shown'
        raise Refused("malformed", message) from None
