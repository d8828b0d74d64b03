"""`/`, `/docs` and `/problems/…`: pages for people, without a key."""

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
"""Browsers run and load nothing for these pages except their own style."""


class PageRoutes(APIRouter):
    """Pages that are rendered once; the OpenAPI document does not list them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(include_in_schema=False)
        self._document = document
        self._front = pages.front()
        self._problems: dict[str, str] = {kind: pages.problem(kind) for kind in KINDS}
        self.get("/")(self.front)
        self.get("/docs")(self.docs)
        self.get("/problems/{kind}")(self.problem)

    @cached_property
    def _docs(self) -> str:
        folder = files(__package__) / "samples"
        samples = {
            sample.name: sample.read_text(encoding="utf-8")
            for sample in sorted(folder.iterdir(), key=lambda sample: sample.name)
            if sample.name.startswith("client.")
        }
        return pages.docs(self._document, samples)

    async def front(self) -> HTMLResponse:
        """Links to everything else."""
        return HTMLResponse(self._front, headers=HEADERS)

    async def docs(self) -> HTMLResponse:
        """The page for integrators."""
        return HTMLResponse(self._docs, headers=HEADERS)

    async def problem(self, kind: Annotated[str, Path()]) -> HTMLResponse:
        """The meaning of a problem kind, and what to do."""
        found = self._problems.get(kind)
        if found is None:
            raise Refused("not-found", "unknown problem kind; see /docs")
        return HTMLResponse(found, headers=HEADERS)
