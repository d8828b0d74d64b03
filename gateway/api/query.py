"""Refuses parameters of the query that a route does not have.

A filter with a typing error would be left out: a BSS would take all services for what it asked for.
"""

from difflib import get_close_matches

from fastapi import Request
from fastapi.routing import APIRoute

from gateway.api.problems import Refused


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
    alike = get_close_matches(unknown, known, 1)
    hint = f"did you mean {alike[0]}?" if alike else f"it takes {', '.join(known) or 'none'}"
    raise Refused("malformed", f"unknown query parameter {unknown[:40]}: {hint}")
