"""Puts the routes together into one ASGI application, and turns failures into problem documents."""

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from redis import Redis
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from contracts.names import BULK_DEPTH, INTAKE_DEPTH, QUEUE_BULK, QUEUE_EVENTS, Lane
from gateway.api.access import Access
from gateway.api.api_keys import ApiKey, ApiKeys
from gateway.api.approval_routes import ApprovalRoutes
from gateway.api.awaited import Awaited
from gateway.api.document import complete
from gateway.api.event_routes import EventRoutes
from gateway.api.gate import Gate
from gateway.api.hook_routes import HookRoutes
from gateway.api.intake import Intake
from gateway.api.json_response import ShownJson
from gateway.api.limits import Depth, Rates
from gateway.api.open_routes import OpenRoutes, tagged
from gateway.api.ops_routes import OpsRoutes
from gateway.api.outcome_routes import OutcomeRoutes
from gateway.api.page_routes import PageRoutes
from gateway.api.ports import ReadFailed, Records
from gateway.api.problems import MEDIA_TYPE, Kind, Refused, overloaded
from gateway.api.read_routes import ReadRoutes
from gateway.api.redis_failure import notified
from gateway.api.service_routes import ServiceRoutes
from gateway.hooks.config import Hook
from gateway.hooks.inbox import Inbox
from producers.publisher import Publisher

log = structlog.get_logger("gateway")

_ABOUT = """\
Hand in provisioning events as CloudEvents 1.0, and hear what became of them.

Every request but health and schemas needs `Authorization: Bearer` and a key of
`leasewire keys create`. The examples are of source `urn:isp:bss:example`: give the key that
source to try them. Errors are RFC 9457 problems; 429 and 503 say in `Retry-After` when to come
again. `/docs` is a page with all of this.
"""
_BEGINNING = 40


def make_app(  # noqa: PLR0913 - what the gateway stands on
    *,
    redis: Redis,
    prefix: str,
    publisher: Publisher,
    records: Records,
    overriding: Callable[[], Collection[str]],
    clock: Callable[[], datetime],
    depth_limit: int = INTAKE_DEPTH,
    bulk_limit: int = BULK_DEPTH,
    hooks: Mapping[str, Hook] | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        redis: for keys and looks at the journal; decodes replies, with short time limits.
        prefix: before every key in Redis.
        publisher: writes events; closed with the application.
        records: answers questions.
        overriding: gives the sources that may speak of services of others by now.
        clock: gives the time, aware.
        depth_limit: live events in the journal from which on none is taken in.
        bulk_limit: the same for bulk ones.
        hooks: webhooks that are taken in, by name.
    """
    limits: dict[Lane, int] = {QUEUE_EVENTS: depth_limit, QUEUE_BULK: bulk_limit}
    depths = {lane: Depth(redis, prefix, limit, lane) for lane, limit in limits.items()}
    rates = Rates()
    access = Access(ApiKeys(redis, prefix), rates, clock)
    intakes = {
        lane: Intake(publisher, depth, records.known, lane=lane) for lane, depth in depths.items()
    }
    awaited = Awaited(records.final)

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
        lifespan=lifespan,
        default_response_class=ShownJson,
        exception_handlers={
            Refused: _refused,
            HTTPException: _http,
            RequestValidationError: _unreadable,
            RedisError: _redis_failed,
            ReadFailed: _redis_failed,
            Exception: _bug,
        },
    )
    app.add_middleware(Gate, access=access, answer=_answer_of)
    # Says in the document that a key is needed; `Access` asks for it.
    named = [Depends(HTTPBearer(auto_error=False, description="An API key"))]
    app.include_router(OpenRoutes(depths[QUEUE_EVENTS]).router())
    app.include_router(HookRoutes(hooks or {}, Inbox(redis, prefix), rates, clock).router())
    events = EventRoutes(access, publisher, intakes, awaited, overriding)
    reading = (
        ReadRoutes(access, records),
        ServiceRoutes(access, records),
        OutcomeRoutes(access, records),
    )
    operating = (OpsRoutes(access, records), ApprovalRoutes(access, records))
    for part in (events, *reading, *operating):
        app.include_router(part.router(), dependencies=named)
    openapi_document = app.openapi()
    complete(openapi_document)
    # Kept: FastAPI makes another, unfinished one as soon as a route is added.
    app.include_router(PageRoutes(openapi_document).router())
    # Written once: its 100 kB were rendered for whoever asked, and others waited.
    document = json.dumps(openapi_document, separators=(",", ":")).encode()

    async def described(request: Request) -> Response:
        return tagged(request, document, "application/json")

    app.add_route("/openapi.json", described, include_in_schema=False)
    return app


def _answer(request: Request, refused: Refused) -> ShownJson:
    key: ApiKey | None = getattr(request.state, "key", None)
    log.info(
        "request.refused",
        method=request.method,
        path=_declared_path(request),
        status=refused.status,
        reason=refused.kind,
        problems=len(refused.errors),
        key=key.id if key else None,
        peer=request.client.host if request.client else None,
    )
    return ShownJson(
        refused.document(request.url.path), refused.status, refused.headers, MEDIA_TYPE
    )


def _declared_path(request: Request) -> str:
    """The path as it was declared: the path of a webhook that nothing signs is a secret.

    Who is refused before a route was looked for is told of with the beginning of the path.
    """
    beginning = "/".join(request.url.path.split("/")[:3])[:_BEGINNING]
    return getattr(request.scope.get("route"), "path", beginning)


async def _answer_of(request: Request, error: Exception) -> ShownJson:
    handler = _redis_failed if isinstance(error, RedisError) else _refused
    return await handler(request, error)


async def _refused(request: Request, error: Exception) -> ShownJson:
    assert isinstance(error, Refused)  # noqa: S101 - what the table above says
    return _answer(request, error)


async def _http(request: Request, error: Exception) -> ShownJson:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the table above says
    kinds: dict[int, Kind] = {404: "not-found", 405: "method-not-allowed"}
    kind = kinds.get(error.status_code, "malformed")
    answer = _answer(request, Refused(kind, "see /openapi.json for what there is"))
    answer.headers.update(error.headers or {})
    return answer


async def _unreadable(request: Request, error: Exception) -> ShownJson:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the table above says
    wrong = ", ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return _answer(request, Refused("malformed", f"cannot be read: {wrong}; see /openapi.json"))


async def _redis_failed(request: Request, error: Exception) -> ShownJson:
    return _answer(request, overloaded(notified(error)))


async def _bug(request: Request, _error: Exception) -> ShownJson:
    return _answer(request, Refused("internal", "the gateway's log says more"))
