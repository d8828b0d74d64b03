"""Dead letters and approvals, for keys with scope `ops`. The key is the actor of every action."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway import dead_letters
from gateway.api import openapi
from gateway.api.access import AccessCheck, Caller
from gateway.api.api_keys import KeyScope
from gateway.api.gate import SMALL_BYTES, read_body
from gateway.api.problems import Refused
from gateway.api.responses import Document
from producers.publisher import Publisher
from worker.admin import approvals
from worker.admin.documents import approval_document, dead_letter_document
from worker.core.service.outcome import DeadLetter
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


async def _digest(request: Request) -> str:
    """The digest in a body, which FastAPI would parse before it checks the key."""
    try:
        return Digest.model_validate_json(await read_body(request, SMALL_BYTES)).digest
    except ValidationError:
        message = 'the body must be JSON: {"digest": "…"}, with the digest of the list you saw'
        raise Refused("malformed", message) from None


GivenDigest = Annotated[str, Depends(_digest)]


class OpsRoutes(APIRouter):
    """What operators list and decide."""

    def __init__(
        self,
        access: AccessCheck,
        store: Store,
        inventory: Callable[[], Inventory],
        publisher: Publisher,
    ) -> None:
        super().__init__(
            tags=["operations"],
            responses=openapi.responses(None, *openapi.READING, "conflict"),
            dependencies=[access.needs(KeyScope.OPS)],
        )
        self._store = store
        self._inventory = inventory
        self._publisher = publisher
        self.get("/v1/dead-letters", summary="List dead letters")(self.dead_letters)
        path = "/v1/dead-letters/{dead_letter_id}"
        self.post(f"{path}/retry", status_code=202, summary="Retry a dead letter")(self.retry)
        self.post(f"{path}/discard", summary="Discard a dead letter")(self.discard)
        self.get("/v1/approvals", summary="List what is held for approval")(self.list_approvals)
        for name, route, summary in (
            ("approve", self.approve, "Approve the losses of a list"),
            ("reject", self.reject, "Reject the losses of a list"),
        ):
            self.post(
                f"/v1/approvals/{{approval_id}}/{name}",
                status_code=202,
                summary=summary,
                responses=openapi.responses(None, "too-large"),
                openapi_extra=_BODY,
            )(route)

    def dead_letters(
        self,
        reason: Annotated[str | None, Query(description="Only with this reason")] = None,
        most: Annotated[int, Query(ge=1, le=1000, description="How many; the newest")] = 100,
    ) -> Document:
        """Events, services and webhooks that failed permanently, newest first."""
        if reason is None:
            found = self._store.views.dead_letters(most)
        else:
            every = self._store.dead_letters.all()
            oldest_first = [dead_letter for dead_letter in every if dead_letter.reason == reason]
            found = oldest_first[: -most - 1 : -1]
        return {"dead_letters": [dead_letter_document(dead_letter) for dead_letter in found]}

    def retry(self, key: Caller, dead_letter_id: DeadLetterId) -> Document:
        """Publishes an event again as it was; checks a service again on its router."""
        dead_letter = self._dead_letter(dead_letter_id)
        refusal = dead_letters.retry(self._store, self._publisher, dead_letter, key.actor)
        return _settled(dead_letter_id, "retried", refusal)

    def discard(self, key: Caller, dead_letter_id: DeadLetterId) -> Document:
        """Deletes a dead letter; the service's history records who did it."""
        refusal = dead_letters.discard(self._store, self._dead_letter(dead_letter_id), key.actor)
        return _settled(dead_letter_id, "discarded", refusal)

    def _dead_letter(self, dead_letter_id: str) -> DeadLetter:
        found = self._store.views.dead_letter(dead_letter_id)
        if found is None:
            raise Refused("not-found", "no dead letter has this id")
        return found

    def list_approvals(self) -> Document:
        """Services that would lose their entries, one list for each limit that was exceeded."""
        found = approvals.approvals(self._store, self._inventory().policies)
        return {"approvals": [approval_document(approval) for approval in found]}

    def approve(self, key: Caller, approval_id: ApprovalId, digest: GivenDigest) -> Document:
        """The services lose their entries now, if the list still has this digest."""
        policies = self._inventory().policies
        decision = approvals.approve(self._store, policies, approval_id, digest, key.actor)
        return _decided(approval_id, "approved", decision)

    def reject(self, key: Caller, approval_id: ApprovalId, digest: GivenDigest) -> Document:
        """Publishes a snapshot of each service that restores what its router has."""
        decision = approvals.reject(
            *(self._store, self._inventory().policies, approval_id, digest, key.actor),
            self._publisher.publish,
        )
        return _decided(approval_id, "rejected", decision)


def _settled(dead_letter_id: str, status: str, refusal: str) -> Document:
    if refusal:
        raise Refused("conflict", refusal)
    return {"id": dead_letter_id, "status": status}


def _decided(approval_id: str, status: str, decision: approvals.Decision) -> Document:
    if decision.result == "unknown":
        raise Refused("not-found", "nothing is held for approval under this id")
    if decision.result == "changed":
        raise Refused("conflict", "the list has changed: read it again")
    return {"id": approval_id, "status": status}
