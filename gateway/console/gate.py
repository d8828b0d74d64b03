"""Checks the session before every route of the console, and adds the headers of every answer."""

import asyncio
from time import monotonic
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import htpy as h
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import KINDS, MEDIA_TYPE, Refused
from gateway.api.responses import PrintableJson, answer_failure
from gateway.console import layout as ui
from gateway.console.console import Viewer
from gateway.console.sessions import LoginSession, LoginSessions
from gateway.store_failures import STORE_FAILURES
from worker.core.texts import capitalized

COOKIE: Final = "leasewire_session"
_ZONE_COOKIE: Final = "leasewire_zone"
_LONGEST_ZONE: Final = 64
_UTC: Final = ZoneInfo("UTC")
LIVE: Final = "/live"
"""End of the paths that a page reads by itself: nobody need be at the screen."""
_OPEN: Final = (f"{ui.ROOT}/login", f"{ui.ROOT}/static/")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SessionGate:
    """ASGI middleware.

    Args:
        app: the console.
        sessions: finds sessions; routes have `request.state.session` and `request.state.viewer`.
    """

    def __init__(self, app: ASGIApp, sessions: LoginSessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that it needs a session."""
        if scope["type"] != "http":
            return  # the server opens no websockets
        request = Request(scope)
        send = _with_headers(send, is_static=request.url.path.startswith(_OPEN[1]))
        try:
            _check_origin(request)
            if not request.url.path.startswith(_OPEN):
                session = await asyncio.to_thread(self._find, request)
                if session is None:
                    await _log_in_first(request)(scope, receive, send)
                    return
                request.state.session = session
                request.state.viewer = Viewer(
                    session.person.name,
                    session.person.role,
                    _zone_of(request.cookies.get(_ZONE_COOKIE)),
                    session.csrf,
                )
        except (Refused, *STORE_FAILURES) as error:
            answer = await answer_error(request, error)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _find(self, request: Request) -> LoginSession | None:
        token = request.cookies.get(COOKIE)
        in_use = not request.url.path.endswith(LIVE)
        return self._sessions.find(token, in_use=in_use) if token else None


async def answer_error(request: Request, error: Exception) -> Response:
    """An exception as a page, or as a problem document where a program asked."""
    problem = await answer_failure(request, error)
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    if request.url.path.endswith(".json"):
        return problem
    refused = error if isinstance(error, Refused) else None
    title, advice = "Something is wrong", ""
    detail = "see the log of the gateway, or try again"
    if refused is not None:
        detail, (_, title, advice) = refused.detail, KINDS[refused.kind]
    elif problem.status_code == KINDS["not-found"].status:
        title, detail = KINDS["not-found"].title, "The console has no page at this address"
    sentence = f"{capitalized(detail)}."
    body = [
        ui.note("error", ui.with_code(sentence)),
        h.p[ui.with_code(advice)],
    ]
    page = ui.whole_page(viewer, "", title, None, body) if viewer else ui.frame(title, None, *body)
    headers = {
        name: value for name, value in problem.headers.items() if name in ("retry-after", "allow")
    }
    return HTMLResponse(str(page), problem.status_code, headers)


def _zone_of(name: str | None) -> ZoneInfo:
    """The zone in which a reader sees times; UTC where the browser did not say one that exists."""
    if not name or len(name) > _LONGEST_ZONE:
        return _UTC
    try:
        return ZoneInfo(name.replace("%2F", "/"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _UTC


def _log_in_first(request: Request) -> Response:
    """The login page for who reads; a refusal for who writes and for programs."""
    path, query = request.url.path, request.url.query
    target = ui.address("/login", next=f"{path}?{query}" if query else path)
    is_part = "hx-request" in request.headers or path.endswith(LIVE)
    if is_part or path.endswith(".json"):
        refused = Refused("no-session", "log in at /console/login")
        document = refused.document(path)
        return PrintableJson(document, refused.status, {"HX-Redirect": target}, MEDIA_TYPE)
    if request.method in ("GET", "HEAD"):
        return RedirectResponse(target, status_code=303)
    page = ui.frame(
        "Your session has ended",
        None,
        ui.note("error", "Nothing was changed."),
        h.p[ui.link("/login", "Log in"), " and repeat what you did."],
    )
    return HTMLResponse(str(page), KINDS["no-session"].status)


def _check_origin(request: Request) -> None:
    """Refuse what another site makes a browser send, beside the token of each form.

    Raises:
        Refused: `stale-form`.
    """
    site = request.headers.get("sec-fetch-site", "none")
    if request.method == "POST" and site not in ("same-origin", "none"):
        raise Refused("stale-form", "another site sent this: open the console and repeat it there")


def _with_headers(send: Send, *, is_static: bool) -> Send:
    caching = "no-cache" if is_static else "no-store"
    began_s = monotonic()

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            took_ms = (monotonic() - began_s) * 1000
            timing = {"Server-Timing": f"total;dur={took_ms:.1f}"}
            headers.update({**_HEADERS, **timing, "Cache-Control": caching})
        await send(message)

    return with_headers
