"""What the pages of the console are made of: the frame, and parts that several pages have."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console.console import Viewer
from worker.admin.json_fields import clean

ROOT: Final = "/console"
_PAGES: Final = (
    ("/now", "Now", "viewer"),
    ("/services", "Services", "viewer"),
    ("/routers", "Routers", "viewer"),
    ("/pools", "Pools", "viewer"),
    ("/approvals", "Approvals", "viewer"),
    ("/failed", "Failed", "viewer"),
    ("/calendar", "Calendar", "viewer"),
    ("/sources", "Sources", "viewer"),
    ("/audit", "Audit", "viewer"),
    ("/people", "People", "admin"),
)
_PARTS: Final[Mapping[str, str]] = {
    "alerts": "/now",
    "service": "/services",
    "router": "/routers",
    "pool": "/pools",
    "approval": "/approvals",
    "announce": "/approvals",
    "dead-letter": "/failed",
    "cause": "/failed",
    "keys": "/sources",
    "person": "/people",
}
"""Pages that are reached from another, by the first part of their address."""
_COLOURS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("up", "ok", "in_sync", "applied", "acting", "active", "closed"), "good"),
    **dict.fromkeys(("critical", "failed", "blocked", "unreachable", "rejected"), "bad"),
    **dict.fromkeys(("warning", "circuit_open", "open", "paused", "suspended", "expired"), "warn"),
    **dict.fromkeys(("pending", "waiting", "half-open", "scheduled", "accepted"), "busy"),
}


def whole_page(
    viewer: Viewer, path: str, title: str, message: tuple[str, str] | None, body: Node
) -> h.Element:
    """A page with its frame.

    Args:
        viewer: who reads it.
        path: of the page, to mark it in the navigation.
        title: its heading.
        message: kind and text of what a write before it did.
        body: below the heading.
    """
    links = [
        h.li[h.a(href=ROOT + address, aria_current=_current(address, path))[name]]
        for address, name, role in _PAGES
        if viewer.may(role)
    ]
    header = h.header[
        h.nav(aria_label="Pages")[h.ul[links]],
        h.form(".search", action=f"{ROOT}/services", role="search")[
            h.label(".hidden", for_="search")["Find a service"],
            h.input(
                id="search", name="q", type="search", maxlength="100", placeholder="MAC, IP, id, …"
            ),
            h.button["Find"],
        ],
        h.form(".logout", method="post", action=f"{ROOT}/logout")[
            _token(viewer), h.span[f"{viewer.name}, {viewer.role}"], h.button["Log out"]
        ],
    ]
    return frame(title, header, message and note(*message), body)


def _current(address: str, path: str) -> str | None:
    """How the navigation marks the page that is open, or the page that it is part of."""
    if address == path:
        return "page"
    first = path.strip("/").partition("/")[0]
    return "true" if address == _PARTS.get(first, f"/{first}") else None


def frame(title: str, header: Node, *body: Node) -> h.Element:
    """A page without navigation, such as the login page."""
    return h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="color-scheme", content="light dark"),
            # It would write a style element, and read code out of attributes: both are refused.
            h.meta(
                name="htmx-config",
                content='{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true}',
            ),
            h.title[f"{title} · Leasewire"],
            h.link(rel="stylesheet", href=f"{ROOT}/static/console.css"),
            h.link(rel="icon", href=f"{ROOT}/static/icon.svg"),
            h.script(src=f"{ROOT}/static/htmx.min.js", defer=True),
            h.script(src=f"{ROOT}/static/console.js", defer=True),
        ],
        h.body[
            h.a(".skip", href="#content")["Skip to the content"],
            header,
            h.main(id="content")[h.h1[title], body],
        ],
    ]


def moment(text: str | None, viewer: Viewer) -> Node:
    """A time in RFC 3339 as the reader's clock shows it, with its offset."""
    if not text:
        return None
    local = datetime.fromisoformat(text).astimezone(viewer.zone)
    return h.time(datetime=text)[local.isoformat(sep=" ", timespec="seconds")]


def table(caption: str, rows: Sequence[Mapping[str, Node]], empty: Node = "None.") -> Node:
    """A table. A row has a cell for each column, by its name; its first cell is its heading.

    Args:
        caption: above it.
        rows: all with the same columns.
        empty: what is said where there are no rows.
    """
    if not rows:
        return h.p(".empty")[caption, ": ", empty]
    # A region that scrolls must be reached by keyboard.
    return h.div(".scroll", tabindex="0", role="region", aria_label=caption)[
        h.table[
            h.caption[caption],
            h.thead[h.tr[[h.th(scope="col")[name] for name in rows[0]]]],
            h.tbody[[_row(*row.values()) for row in rows]],
        ]
    ]


def _row(heading: Node, *cells: Node) -> h.Element:
    return h.tr[h.th(scope="row")[heading], [h.td[cell] for cell in cells]]


def fields(*pairs: tuple[str, Node]) -> Node:
    """Names with their values; those without a value are left out."""
    return h.dl[
        [(h.dt[name], h.dd[value]) for name, value in pairs if value not in (None, "", [], ())]
    ]


def badge(state: str, text: str | None = None) -> h.Element:
    """A state as a word with a colour."""
    return h.span(f".badge.{_COLOURS.get(state, 'plain')}")[text or state.replace("_", " ")]


def note(kind: str, *text: Node) -> h.Element:
    """A message: `ok`, `warning` or `error`."""
    return h.p(f".note.{kind}", role="alert" if kind == "error" else "status")[text]


def with_code(text: str | None) -> Node:
    """A text whose parts in backticks, such as commands, are shown as code."""
    if not text:
        return None
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick of somebody else's
        return text
    return [h.code[part] if number % 2 else part for number, part in enumerate(parts)]


def address(path: str, **query: object) -> str:
    """The address of a page, with those of the query that have a value."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
    return f"{ROOT}{path}" + (f"?{urlencode(given)}" if given else "")


def link(path: str, text: Node, **query: object) -> h.Element:
    """A link to another page."""
    return h.a(href=address(path, **query))[text]


def service_link(service_id: str | None) -> Node:
    """A link to a service; None without one."""
    return link("/service", clean(service_id), id=service_id) if service_id else None


def router_link(name: str | None) -> Node:
    """A link to a router; None without one."""
    return link("/router", clean(name), id=name) if name else None


def runbook_link(name: str) -> h.Element:
    """A link to what to do about a kind of alert or finding."""
    return link("/runbook", f"Runbook {name}", name=name)


def pager(path: str, document: Document, **query: object) -> Node:
    """Links to the page of a list before and after this one, if there are any."""
    page = document["page"]
    before = link(path, "Back", **query, page=page - 1) if page > 1 else None
    after = link(path, "More", **query, page=page + 1) if document["more"] else None
    if before is None and after is None:
        return None
    return h.nav(".pager", aria_label="Further rows")[before, h.span[f"Page {page}"], after]


def read_on(*text: Node, path: str, **query: object) -> h.Element:
    """Say how far something was read; the page reads on by itself, or when it is loaded again."""
    again = reload_soon(address(path, **query), "main", "300ms")
    return h.p(".note.warning", {**again, "hx-target": "main"}, role="status")[text]


def reload_soon(page: str, part: str, after: str = "1s") -> dict[str, str]:
    """Attributes of an element that is soon replaced by a part of a page.

    Args:
        page: its address.
        part: selects the part.
        after: how soon.
    """
    trigger = {"hx-get": page, "hx-trigger": f"load delay:{after}"}
    return trigger | {"hx-select": part, "hx-swap": "outerHTML"}


def being_read(page: str) -> h.Element:
    """Says that a read goes on, for browsers without a script."""
    shown = h.a(href=page)["Show what was read"]
    return h.p(".dim", role="status")["The router is being read. ", shown]


def choice(label: str, name: str, options: Mapping[str, str], chosen: str = "") -> h.Element:
    """A field of a form: one of some values, each with its text."""
    shown = [h.option(value=key, selected=key == chosen)[text] for key, text in options.items()]
    return h.label[label, h.select(name=name)[shown]]


def confirm_form(  # noqa: PLR0913 - a form has as many parts
    viewer: Viewer,
    path: str,
    hidden: Mapping[str, Any],
    button: str,
    *,
    asked: Node = None,
    reason: bool = True,
    danger: bool = False,
) -> h.Element:
    """A form that makes one change.

    Args:
        viewer: who may send it.
        path: where it is posted to, below `/console`.
        hidden: further fields, as the page shows them.
        button: what the button says.
        asked: further fields, for the person to fill in.
        reason: ask why; it goes into history and audit.
        danger: customers lose something.
    """
    why = h.label["Reason", h.input(name="reason", maxlength="200", required=True)]
    return h.form(".confirm", method="post", action=ROOT + path)[
        _token(viewer),
        [h.input(type="hidden", name=name, value=str(value)) for name, value in hidden.items()],
        asked,
        why if reason else None,
        h.button(".danger" if danger else ".primary")[button],
    ]


def _token(viewer: Viewer) -> h.VoidElement:
    return h.input(type="hidden", name="csrf", value=viewer.csrf)
