"""Refuses parameters of the query that a route does not have.

A filter with a typing error would be left out: a BSS would take all services for what it asked for.
"""

from fastapi import Request
from fastapi.routing import APIRoute

from gateway.api.problems import Refused
from worker.core.texts import did_you_mean


async def known_parameters(request: Request) -> None:
    """A dependency of the routes.

    Raises:
        Refused: `malformed`; the query has another parameter.
    """
    route: APIRoute = request.scope["route"]
    known = sorted(field.alias for field in route.dependant.query_params)
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is None:
        return
    hint = did_you_mean(unknown, known) or f"it takes {', '.join(known) or 'none'}"
    raise Refused("malformed", f"unknown query parameter {unknown[:40]}: {hint}")
