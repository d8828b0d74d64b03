"""Registers pages and writes: each page is HTML and JSON of one document, each write one form."""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from htpy import Node, fragment

from gateway.api.gate import SMALL_BYTES, read_body
from gateway.api.problems import Refused
from gateway.api.responses import Document, PrintableJson
from gateway.console.console import Viewer
from gateway.console.layout import ROOT, whole_page
from gateway.console.people import Role
from gateway.console.sessions import LoginSession, LoginSessions

log = structlog.get_logger("console")

PAGE_SIZE: Final = 25
_MOST_FIELDS: Final = 100

PageNumber = Annotated[int, Query(ge=1, le=100_000, description="Which page of the list")]
Form = Mapping[str, str]
Read = Callable[..., Document]
Show = Callable[[Any, Viewer], Node]


class Done(NamedTuple):
    """A write that was made.

    Attributes:
        message: a sentence for the person: what was done.
        back: address below `/console` of the page to show next, such as `/router?name=tower-7`.
    """

    message: str
    back: str


class Shown(NamedTuple):
    """A write that was made, and what is shown in this one answer alone, such as a secret.

    Attributes:
        title: of the page.
        body: below it.
    """

    title: str
    body: Node


class NotDone(Exception):  # noqa: N818 - says what happened
    """A write that was not made; the person reads why on the next page.

    Args:
        message: what is wrong, and what to do.
        back: as in `Done`.
    """

    def __init__(self, message: str, back: str) -> None:
        super().__init__(message)
        self.message = message
        self.back = back


class Pages(APIRouter):
    """Routes of the console.

    Args:
        sessions: where messages for the next page wait.
    """

    def __init__(self, sessions: LoginSessions) -> None:
        super().__init__(include_in_schema=False)
        self._sessions = sessions

    def page(  # noqa: PLR0913 - a page has as many sides
        self,
        path: str,
        read: Read,
        show: Show,
        *,
        title: str,
        role: str = Role.VIEWER,
        fragment: bool = False,
    ) -> None:
        """Add a page: HTML at `path`, its document as JSON at `path.json`.

        Args:
            path: below `/console`, without ids: they are in the query.
            read: gives the document; its parameters are `request` and those of the query. It runs
                in a thread.
            show: makes the body from the document alone.
            title: of the page; `{name}` is replaced by a field of the document.
            role: who may read it.
            fragment: only a part of a page: nothing is put around it.
        """

        @wraps(read)
        def html(**given: Any) -> Response:  # noqa: ANN401 - as `read` has it
            request: Request = given["request"]
            viewer = viewer_of(request, role)
            document = read(**given)
            body = show(document, viewer)
            if fragment:
                return HTMLResponse(str(_fragment(body)))
            message = self._sessions.take_message(request.state.session)
            heading = title.format_map(document)
            return HTMLResponse(str(whole_page(viewer, path, heading, message, body)))

        @wraps(read)
        def data(**given: Any) -> Response:  # noqa: ANN401 - as `read` has it
            viewer_of(given["request"], role)
            return PrintableJson(read(**given))

        self.get(path, response_model=None)(html)
        self.get(f"{path}.json", response_model=None)(data)

    def action(
        self,
        path: str,
        act: Callable[[Viewer, Form], Done | Shown],
        *,
        role: str = Role.OPERATOR,
        most_bytes: int = SMALL_BYTES,
    ) -> None:
        """Add a write: a form that is posted to `path`.

        Args:
            path: below `/console`.
            act: makes the change, in a thread; raises `NotDone` or `Refused` if it does not.
            role: who may make it.
            most_bytes: of the form.
        """

        async def post(request: Request) -> Response:
            form = await self._checked_form(request, most_bytes)
            session: LoginSession = request.state.session
            viewer = viewer_of(request, role)
            outcome = await asyncio.to_thread(_outcome, act, viewer, form)
            if isinstance(outcome, Shown):
                log.info("console.write", path=path, result="ok", actor=viewer.actor)
                page = whole_page(viewer, path, outcome.title, None, outcome.body)
                return HTMLResponse(str(page))
            kind, message, back = outcome
            await asyncio.to_thread(self._sessions.leave_message, session, kind, message)
            log.info("console.write", path=path, result=kind, actor=viewer.actor)
            return RedirectResponse(f"{ROOT}{back}", status_code=303)

        self.post(path, response_model=None)(post)

    def preview(  # noqa: PLR0913 - as `page`
        self,
        path: str,
        read: Callable[[Viewer, Form], Document],
        show: Show,
        *,
        title: str,
        role: str = Role.OPERATOR,
        most_bytes: int = SMALL_BYTES,
    ) -> None:
        """Add a page that shows what a form would do, and does nothing; for forms of any size.

        Args:
            path: below `/console`; the form is posted there.
            read: gives the document, in a thread.
            show: as for `page`.
            title: as for `page`.
            role: who may do what it shows.
            most_bytes: of the form.
        """

        async def post(request: Request) -> Response:
            form = await self._checked_form(request, most_bytes)
            viewer = viewer_of(request, role)

            def answer() -> Response:
                document = read(viewer, form)
                body = show(document, viewer)
                heading = title.format_map(document)
                return HTMLResponse(str(whole_page(viewer, path, heading, None, body)))

            return await asyncio.to_thread(answer)

        self.post(path, response_model=None)(post)

    async def _checked_form(self, request: Request, most_bytes: int) -> dict[str, str]:
        form = form_of(await read_body(request, most_bytes))
        session: LoginSession = request.state.session
        if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
            raise Refused("stale-form", "open the page again and repeat what you did")
        return form


def _outcome(
    act: Callable[[Viewer, Form], Done | Shown], viewer: Viewer, form: Form
) -> Shown | tuple[str, str, str]:
    try:
        done = act(viewer, form)
        return done if isinstance(done, Shown) else ("ok", *done)
    except NotDone as refusal:
        return "error", refusal.message, refusal.back


def viewer_of(request: Request, role: str) -> Viewer:
    """Who made a request, who must have this role.

    Raises:
        Refused: `role-missing`.
    """
    viewer: Viewer = request.state.viewer
    if not viewer.may(role):
        raise Refused("role-missing", f"this needs a person with the role {role}: ask an admin")
    return viewer


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a form; the last one where a name comes twice.

    Raises:
        Refused: `malformed`.
    """
    try:
        text = body.decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Refused("malformed", "the form is not as a browser sends it") from None


def _fragment(body: Node) -> Node:
    return fragment[body]
