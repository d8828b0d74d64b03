"""Health and schemas: open to everybody."""

import asyncio
import json
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

import contracts
from contracts.events import EVENT_TYPES
from gateway.api import openapi
from gateway.api.limits import Depth
from gateway.api.problems import Refused, overloaded
from gateway.api.responses import tagged


class OpenRoutes(APIRouter):
    """Routes without a key."""

    def __init__(self, depth: Depth) -> None:
        super().__init__()
        self._depth = depth
        folder = files(contracts) / "schemas" / "v1"
        self._schemas = {
            name: (folder / f"{name}.json").read_bytes() for name in sorted(EVENT_TYPES)
        }
        listed = [{"type": name, "url": f"/v1/schemas/{name}"} for name in self._schemas]
        self._list = json.dumps({"schemas": listed}).encode()
        self.get("/healthz", tags=["health"], summary="Check that the process is alive")(
            self.healthz
        )
        self.get(
            "/readyz",
            tags=["health"],
            summary="Check that events are accepted",
            responses=openapi.responses(None, "overloaded"),
        )(self.readyz)
        unchanged = openapi.UNCHANGED
        self.get("/v1/schemas", tags=["schemas"], responses=unchanged)(self.schemas)
        self.get(
            "/v1/schemas/{event_type}",
            tags=["schemas"],
            responses=openapi.responses(unchanged, "not-found"),
        )(self.schema)

    async def healthz(self) -> dict[str, str]:
        """Always 200; nothing else is checked."""
        return {"status": "alive"}

    async def readyz(self) -> dict[str, str]:
        """200 if Redis takes writes and the journal has room."""
        why_not = await asyncio.to_thread(self._depth.why_not_ready)
        if why_not:
            raise overloaded(why_not)
        return {"status": "ready"}

    async def schemas(self, request: Request) -> Response:
        """The supported event types, each with the URL of its JSON Schema."""
        return tagged(request, self._list, "application/json")

    async def schema(
        self, request: Request, event_type: Annotated[str, Path(description="`type` of the event")]
    ) -> Response:
        """The JSON Schema (2020-12) of one event type."""
        if event_type not in self._schemas:
            raise Refused("not-found", "unknown event type; see /v1/schemas")
        return tagged(request, self._schemas[event_type], "application/schema+json")
