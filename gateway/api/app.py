"""Puts the routes together into one ASGI application."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.security import HTTPBearer

from contracts.names import BULK_DEPTH, INTAKE_DEPTH, QUEUE_BULK, QUEUE_EVENTS, Lane
from gateway.api.access import AccessCheck
from gateway.api.api_keys import ApiKeys
from gateway.api.event_routes import EventRoutes
from gateway.api.gate import Gate
from gateway.api.hook_routes import HookRoutes
from gateway.api.intake import Intake
from gateway.api.limits import Depth, Rates
from gateway.api.open_routes import OpenRoutes
from gateway.api.openapi import complete
from gateway.api.ops_routes import OpsRoutes
from gateway.api.outcome_routes import OutcomeRoutes
from gateway.api.outcome_waiter import OutcomeWaiter
from gateway.api.page_routes import PageRoutes
from gateway.api.query import known_parameters
from gateway.api.responses import FAILURES, PrintableJson, answer_failure, tagged
from gateway.api.state_routes import StateRoutes
from gateway.hooks.config import Hook
from gateway.hooks.inbox import Inbox
from producers.publisher import Publisher
from worker.admin.documents import final_events
from worker.inventory import Inventory
from worker.store.store import Store

_ABOUT: Final = """\
Send provisioning events as CloudEvents 1.0 and follow their outcomes.

Every request except health and schemas needs `Authorization: Bearer` with a key from
`leasewire keys create`. The examples use source `urn:isp:bss:example`: give the key that source to
try them. Errors are RFC 9457 problems; 429 and 503 say in `Retry-After` when to retry. `/docs`
shows all of this as a page.
"""


def make_app(  # noqa: PLR0913 - what the gateway stands on
    *,
    store: Store,
    inventory: Callable[[], Inventory],
    publisher: Publisher,
    clock: Callable[[], datetime],
    depth_limit: int = INTAKE_DEPTH,
    bulk_limit: int = BULK_DEPTH,
    hooks: Mapping[str, Hook] | None = None,
    console: FastAPI | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        store: with short time limits.
        inventory: gives the inventory as it is now.
        publisher: writes events; closed with the application.
        clock: gives the time, aware.
        depth_limit: live events in the journal at which intake closes.
        bulk_limit: the same for bulk events.
        hooks: webhooks by name.
        console: the pages for the NOC.
    """
    client, prefix = store.client, store.keys.prefix
    limits: dict[Lane, int] = {QUEUE_EVENTS: depth_limit, QUEUE_BULK: bulk_limit}
    depths = {lane: Depth(client, prefix, limit, lane) for lane, limit in limits.items()}
    rates = Rates()
    access = AccessCheck(ApiKeys(client, prefix), rates, clock)

    def seen(event_keys: list[str]) -> Mapping[str, str]:
        return store.records.seen(event_keys, store.records.now_ms())

    intakes = {lane: Intake(publisher, depth, seen, lane=lane) for lane, depth in depths.items()}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        for intake in intakes.values():
            await intake.close()

    app = FastAPI(
        title="Leasewire",
        version="1",
        description=_ABOUT,
        servers=[{"url": "/", "description": "This gateway"}],
        openapi_url=None,  # below
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a program would get an empty answer in place of a problem
        lifespan=lifespan,
        default_response_class=PrintableJson,
        exception_handlers=dict.fromkeys(FAILURES, answer_failure),
    )
    app.add_middleware(Gate, access=access)
    app.include_router(OpenRoutes(depths[QUEUE_EVENTS]))
    inbox = Inbox(client.plain, prefix)
    app.include_router(HookRoutes(hooks or {}, inbox, rates, clock))
    # Only for the document: it says that a key is needed. `Gate` asks for the key.
    documented = [Depends(HTTPBearer(auto_error=False, description="An API key"))]
    waiter = OutcomeWaiter(partial(final_events, store))
    for routes in (
        EventRoutes(access, publisher, intakes, waiter, inventory),
        StateRoutes(access, store),
        OutcomeRoutes(access, store, inventory),
        OpsRoutes(access, store, inventory, publisher),
    ):
        app.include_router(routes, dependencies=[*documented, Depends(known_parameters)])
    openapi_document = app.openapi()
    complete(openapi_document)
    # After the document is made: FastAPI makes a new, unfinished one when a route is added.
    app.include_router(PageRoutes(openapi_document))
    # Rendered once: rendering its 100 kB for every caller would delay the others.
    document = json.dumps(openapi_document, separators=(",", ":")).encode()

    async def describe(request: Request) -> Response:
        return tagged(request, document, "application/json")

    app.add_route("/openapi.json", describe, include_in_schema=False)
    if console is not None:
        app.add_route("/console", _to_console, include_in_schema=False)
        app.mount("/console", console)
    return app


async def _to_console(_request: Request) -> Response:
    """People leave the slash out."""
    return RedirectResponse("/console/")
