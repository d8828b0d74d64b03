"""Registers pages and writes: each page is HTML and JSON of one document, each write one form."""

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from htpy import Node

from gateway.api.gate import SMALL_BYTES, read_body
from gateway.api.problems import Refused
from gateway.api.responses import Document, PrintableJson
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.people import Role
from gateway.console.sessions import LoginSession, LoginSessions

log = structlog.get_logger("console")

PAGE_SIZE: Final = 25
_MOST_FIELDS: Final = 100
_LONGEST_REASON: Final = 200

PageNumber = Annotated[int, Query(ge=1, le=100_000, description="Which page of the list")]
Form = Mapping[str, str]
Read = Callable[..., Document]
Show = Callable[[Any, Viewer], Node]


class Done(NamedTuple):
    """A write that was made.

    Attributes:
        message: a sentence for the person: what was done.
        back: address of the page to show next.
    """

    message: str
    back: str


class Shown(NamedTuple):
    """What is shown in this one answer alone: the secret that a write made, or a preview of one.

    Attributes:
        title: of the page.
        body: below it.
        written: something was changed.
    """

    title: str
    body: Node
    written: bool


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


Act = Callable[[Viewer, Form], Done | Shown]


async def _reader(request: Request) -> Viewer:
    viewer: Viewer = request.state.viewer
    return viewer


Reader = Annotated[Viewer, Depends(_reader)]
"""Who made a request."""


class Pages(APIRouter):
    """A group of pages and writes: routes of the console.

    Attributes:
        console: what they read and write.
        sessions: where messages for the next page wait.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(include_in_schema=False)
        self.console = console
        self.sessions = LoginSessions(console.store.client, console.settings.key_prefix)

    def page(
        self, path: str, read: Read, show: Show, *, title: str, role: Role = Role.VIEWER
    ) -> None:
        """Add a page: HTML at `path`, its document as JSON at `path.json`.

        Args:
            path: below `/console`, without ids: they are in the query.
            read: gives the document; its parameters are those of the query. It runs in a thread.
            show: makes the body from the document alone.
            title: of the page; `{name}` is replaced by a field of the document.
            role: who may read it.
        """

        def html(
            request: Request, viewer: Reader, document: Annotated[Document, Depends(read)]
        ) -> Response:
            body = show(document, viewer)
            message = self.sessions.take_message(request.state.session)
            heading = title.format_map(document)
            return HTMLResponse(str(ui.whole_page(viewer, path, heading, message, body)))

        def data(document: Annotated[Document, Depends(read)]) -> Response:
            return PrintableJson(document)

        for at, answer in ((path, html), (f"{path}.json", data)):
            self.get(at, response_model=None, dependencies=_needs(role))(answer)

    def action(
        self, path: str, act: Act, *, role: Role = Role.OPERATOR, most_bytes: int = SMALL_BYTES
    ) -> None:
        """Add a write: a form that is posted to `path`.

        Args:
            path: below `/console`.
            act: makes the change, in a thread; raises `NotDone` or `Refused` if it does not.
            role: who may make it.
            most_bytes: of the form.
        """

        async def post(request: Request, viewer: Reader) -> Response:
            form = await checked_form(request, most_bytes)
            done: Done | Shown | NotDone
            try:
                kind, done = "ok", await asyncio.to_thread(act, viewer, form)
            except NotDone as refusal:
                kind, done = "error", refusal
            if not isinstance(done, Shown) or done.written:
                log.info("console.write", path=path, result=kind, actor=viewer.actor)
            if isinstance(done, Shown):
                return HTMLResponse(str(ui.whole_page(viewer, path, done.title, None, done.body)))
            session: LoginSession = request.state.session
            await asyncio.to_thread(self.sessions.leave_message, session, kind, done.message)
            return RedirectResponse(done.back, status_code=303)

        self.post(path, response_model=None, dependencies=_needs(role))(post)

    def confirmation(  # noqa: PLR0913 - as many sides as a page and a write
        self,
        path: str,
        read: Read,
        show: Show,
        act: Act,
        *,
        title: str,
        role: Role = Role.OPERATOR,
    ) -> None:
        """Add a page that shows what a write does, and the write: its form is posted to `path`."""
        self.page(path, read, show, title=title, role=role)
        self.action(path, act, role=role)


def _needs(role: Role) -> list[Any]:
    """What refuses those who do not have a role, before anything is read."""

    async def check(viewer: Reader) -> None:
        if not viewer.may(role):
            message = f"this needs a person with the role {role}: ask an admin"
            raise Refused("role-missing", message)

    return [Depends(check)]


async def checked_form(request: Request, most_bytes: int) -> dict[str, str]:
    """The form of a request, with the token of its session.

    Raises:
        Refused: `too-large`, `malformed` or `stale-form`.
    """
    form = form_of(await read_body(request, most_bytes))
    session: LoginSession = request.state.session
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise Refused("stale-form", "open the page again and repeat what you did")
    return form


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


def reason_of(form: Form, back: str) -> str:
    """The person's reason.

    Raises:
        NotDone: there is none.
    """
    reason = form.get("reason", "").strip()[:_LONGEST_REASON]
    if not reason:
        raise NotDone("Give a reason: it goes into history and audit.", back)
    return reason


def page_of(
    name: str,
    found: Sequence[Any],
    page: int,
    document: Callable[[Any], Any] = lambda item: item,
    size: int = PAGE_SIZE,
) -> dict[str, Any]:
    """One page of a list as a part of a document, with what `pager` needs.

    Args:
        name: of the list in the document.
        found: the whole list.
        page: its number; the first is 1.
        document: makes the document of one item.
        size: items of a page.
    """
    start = (page - 1) * size
    shown = [document(item) for item in found[start : start + size]]
    return {name: shown, "page": page, "more": len(found) > start + size}
