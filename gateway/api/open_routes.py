"""What everybody may ask: is it alive, is it ready, what do events look like."""

import asyncio
import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from contracts.events import EVENT_TYPES
from gateway.api import openapi
from gateway.api.limits import Depth
from gateway.api.problems import Refused, overloaded


class OpenRoutes:
    """Health and schemas, without a key.

    Args:
        depth: says whether events are taken in.
    """

    def __init__(self, depth: Depth) -> None:
        self._depth = depth
        folder = files("contracts") / "schemas" / "v1"
        self._schemas = {
            name: (folder / f"{name}.json").read_bytes() for name in sorted(EVENT_TYPES)
        }
        listed = [{"type": name, "url": f"/v1/schemas/{name}"} for name in self._schemas]
        self._list = json.dumps({"schemas": listed}).encode()

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.get("/healthz", tags=["health"], summary="The process is alive")(self.healthz)
        router.get(
            "/readyz",
            tags=["health"],
            summary="Events are taken in",
            responses=openapi.responses(None, "overloaded"),
        )(self.readyz)
        unchanged = openapi.UNCHANGED
        router.get("/v1/schemas", tags=["schemas"], responses=unchanged)(self.schemas)
        router.get(
            "/v1/schemas/{event_type}",
            tags=["schemas"],
            responses=openapi.responses(unchanged, "not-found"),
        )(self.schema)
        return router

    async def healthz(self) -> dict[str, str]:
        """Touches nothing."""
        return {"status": "alive"}

    async def readyz(self) -> dict[str, str]:
        """Redis takes writes, and the journal is not too deep."""
        why_not = await asyncio.to_thread(self._depth.why_not_ready)
        if why_not:
            raise overloaded(why_not)
        return {"status": "ready"}

    async def schemas(self, request: Request) -> Response:
        """The event types that are taken in, each with the address of its JSON Schema."""
        return tagged(request, self._list, "application/json")

    async def schema(
        self, request: Request, event_type: Annotated[str, Path(description="As events say it")]
    ) -> Response:
        """The JSON Schema (2020-12) of one event type."""
        if event_type not in self._schemas:
            raise Refused("not-found", "no such event type is known; see /v1/schemas")
        return tagged(request, self._schemas[event_type], "application/schema+json")


def tagged(request: Request, body: bytes, media_type: str) -> Response:
    """The body under a tag that changes with it, or 304 to who has it."""
    tag = _tag_of(body)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    theirs = [
        each.strip().removeprefix("W/")
        for each in request.headers.get("if-none-match", "").split(",")
    ]
    if tag in theirs or "*" in theirs:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


@lru_cache(maxsize=64)
def _tag_of(body: bytes) -> str:
    """Of documents that stay as they are: a hash of 100 kB for whoever asks makes others wait."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
