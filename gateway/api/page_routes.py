"""`/`, `/docs` and `/problems/…`: for a person in a browser. Needs no key."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from gateway.api import pages
from gateway.api.problems import KINDS, Refused

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(pages.STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""A browser runs and loads nothing for these pages but their own style."""


class PageRoutes:
    """Pages that are made once.

    Args:
        document: the finished OpenAPI document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._front = pages.front()
        self._problems: dict[str, str] = {kind: pages.problem(kind) for kind in KINDS}

    @cached_property
    def _docs(self) -> str:
        folder = files("gateway.api") / "samples"
        samples = {
            each.name: each.read_text(encoding="utf-8")
            for each in sorted(folder.iterdir(), key=lambda each: each.name)
            if each.name.startswith("client.")
        }
        return pages.docs(self._document, samples)

    def router(self) -> APIRouter:
        """The routes; the document, which is for programs, does not name them."""
        router = APIRouter(include_in_schema=False)
        router.get("/")(self.front)
        router.get("/docs")(self.docs)
        router.get("/problems/{kind}")(self.problem)
        return router

    async def front(self) -> HTMLResponse:
        """Where everything is."""
        return HTMLResponse(self._front, headers=HEADERS)

    async def docs(self) -> HTMLResponse:
        """The page for integrators."""
        return HTMLResponse(self._docs, headers=HEADERS)

    async def problem(self, kind: Annotated[str, Path()]) -> HTMLResponse:
        """What a kind of problem means, and what to do."""
        found = self._problems.get(kind)
        if found is None:
            raise Refused("not-found", "there is no such problem; see /docs")
        return HTMLResponse(found, headers=HEADERS)
