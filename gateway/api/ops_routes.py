"""Dead letters and approvals, for keys with scope `ops`. The key is the actor of every action."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway import dead_letters
from gateway.api import openapi
from gateway.api.access import AccessCheck
from gateway.api.api_keys import KeyScope
from gateway.api.gate import SMALL_BYTES, read_body
from gateway.api.problems import Refused
from gateway.api.responses import Document
from producers.publisher import Publisher
from worker.admin import approvals
from worker.admin.documents import approval_document, dead_letter_document
from worker.inventory import Inventory
from worker.store.store import Store

DeadLetterId = Annotated[str, Path(description="Id in the list of dead letters")]
ApprovalId = Annotated[str, Path(description="Id in the list of approvals")]


class Digest(BaseModel):
    """The body of an approval or rejection."""

    model_config = ConfigDict(extra="forbid")
    digest: Annotated[str, Field(max_length=64, description="Digest of the list that you saw")]


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Digest.model_json_schema()}},
    }
}
"""The routes read the body themselves: FastAPI would parse it before it checks the key."""


class OpsRoutes:
    """What operators list and decide.

    Args:
        access: checks keys.
        store: the store.
        inventory: gives the inventory as it is now.
        publisher: publishes the events of retried dead letters and of rejections.
    """

    def __init__(
        self,
        access: AccessCheck,
        store: Store,
        inventory: Callable[[], Inventory],
        publisher: Publisher,
    ) -> None:
        self._access = access
        self._store = store
        self._inventory = inventory
        self._publisher = publisher

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(
            tags=["operations"],
            responses=openapi.responses(None, *openapi.READING, "conflict"),
        )
        router.get("/v1/dead-letters", summary="List dead letters")(self.dead_letters)
        path = "/v1/dead-letters/{dead_letter_id}"
        router.post(f"{path}/retry", status_code=202, summary="Retry a dead letter")(self.retry)
        router.post(f"{path}/discard", summary="Discard a dead letter")(self.discard)
        router.get("/v1/approvals", summary="List what is held for approval")(self.list_approvals)
        for name, route, summary in (
            ("approve", self.approve, "Approve the losses of a list"),
            ("reject", self.reject, "Reject the losses of a list"),
        ):
            router.post(
                f"/v1/approvals/{{approval_id}}/{name}",
                status_code=202,
                summary=summary,
                responses=openapi.responses(None, "too-large"),
                openapi_extra=_BODY,
            )(route)
        return router

    async def dead_letters(
        self,
        request: Request,
        reason: Annotated[str | None, Query(description="Only with this reason")] = None,
        most: Annotated[int, Query(ge=1, le=1000, description="How many; the newest")] = 100,
    ) -> Document:
        """Events, services and webhooks that failed permanently, newest first."""
        await self._access.reader(request, KeyScope.OPS)
        return {"dead_letters": await asyncio.to_thread(self._list, reason, most)}

    def _list(self, reason: str | None, most: int) -> list[Document]:
        if reason is None:
            found = self._store.views.dead_letters(most)
        else:
            every = self._store.dead_letters.all()
            oldest_first = [dead_letter for dead_letter in every if dead_letter.reason == reason]
            found = oldest_first[: -most - 1 : -1]
        return [dead_letter_document(dead_letter) for dead_letter in found]

    async def retry(self, request: Request, dead_letter_id: DeadLetterId) -> Document:
        """Publishes an event again as it was; checks a service again on its router."""
        return await self._settle(request, dead_letter_id, "retried")

    async def discard(self, request: Request, dead_letter_id: DeadLetterId) -> Document:
        """Deletes a dead letter; the service's history records who did it."""
        return await self._settle(request, dead_letter_id, "discarded")

    async def _settle(self, request: Request, dead_letter_id: str, status: str) -> Document:
        key = await self._access.reader(request, KeyScope.OPS)
        await asyncio.to_thread(self._settle_now, dead_letter_id, status, key.actor)
        return {"id": dead_letter_id, "status": status}

    def _settle_now(self, dead_letter_id: str, status: str, actor: str) -> None:
        dead_letter = self._store.views.dead_letter(dead_letter_id)
        if dead_letter is None:
            raise Refused("not-found", "no dead letter has this id")
        if status == "retried":
            refusal = dead_letters.retry(self._store, self._publisher, dead_letter, actor)
        else:
            refusal = dead_letters.discard(self._store, dead_letter, actor)
        if refusal:
            raise Refused("conflict", refusal)

    async def list_approvals(self, request: Request) -> Document:
        """Services that would lose their entries, one list for each limit that was exceeded."""
        await self._access.reader(request, KeyScope.OPS)
        return {"approvals": await asyncio.to_thread(self._approvals)}

    def _approvals(self) -> list[Document]:
        found = approvals.approvals(self._store, self._inventory().policies)
        return [approval_document(approval) for approval in found]

    async def approve(self, request: Request, approval_id: ApprovalId) -> Document:
        """The services lose their entries now, if the list still has this digest."""
        return await self._decide(request, approval_id, "approved")

    async def reject(self, request: Request, approval_id: ApprovalId) -> Document:
        """Publishes a snapshot of each service that restores what its router has."""
        return await self._decide(request, approval_id, "rejected")

    async def _decide(self, request: Request, approval_id: str, status: str) -> Document:
        key = await self._access.reader(request, KeyScope.OPS)
        digest = _digest(await read_body(request, SMALL_BYTES))
        arguments = (self._store, self._inventory().policies, approval_id, digest, key.actor)
        if status == "approved":
            decision = await asyncio.to_thread(approvals.approve, *arguments)
        else:
            publish = self._publisher.publish
            decision = await asyncio.to_thread(approvals.reject, *arguments, publish)
        if decision.result == "unknown":
            raise Refused("not-found", "nothing is held for approval under this id")
        if decision.result == "changed":
            raise Refused("conflict", "the list has changed: read it again")
        return {"id": approval_id, "status": status}


def _digest(body: bytes) -> str:
    try:
        return Digest.model_validate_json(body).digest
    except ValidationError:
        message = 'the body must be JSON: {"digest": "…"}, with the digest of the list you saw'
        raise Refused("malformed", message) from None
