"""What a read of a router showed, as HTML: plan, lease table, drift, check."""

from collections.abc import Iterable, Mapping
from typing import Final

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from worker.admin.lease_documents import WHOSE
from worker.admin.plan_documents import SIGNS
from worker.core.texts import counted

_SIGN_CLASSES: Final = {"+": ".add", "~": ".change", "-": ".remove", "?": ".wait", "!": ".wait"}
_LEVELS: Final = {"ok": "ok", "warn": "warning", "fail": "failed"}
SHOWN_PARTS: Final = (
    *("/router/plan", "/router/leases", "/router/drift", "/router/reconcile", "/router/rebuild"),
)
"""Pages to which a new read of the router leads back; of any other page it is `/router`."""
_FROM_STORE: Final = (
    "The plan is made from what was last written to the router. Changes by hand, and leases of "
    "others, are not known until it is read."
)


def reading(document: Document, viewer: Viewer, pools: Node) -> h.Element:
    """The part of a router's page that needs a read of it; `pools` may be older than it."""
    name = document["router"]
    return live_part(
        "/router",
        document,
        viewer,
        [pools]
        if not document.get("summary")
        else [
            h.h2["What would be written now"],
            h.p[f"{document.get('summary', '')}."],
            signs(document),
            lines(document["lines"]) if document.get("lines") else None,
            _all("/router/plan", name, document["lines_in_all"], "line"),
            h.p[ui.link("/router/drift", "See what the last report found changed by hand", id=name)]
            if document["error"]
            else _whole_table(document),
            pools,
        ],
    )


def _whole_table(document: Document) -> Node:
    name = document["router"]
    counts = [
        (WHOSE[whose], ui.link("/router/leases", str(number), id=name, whose=whose))
        for whose, number in document["leases"].items()
    ]
    return [
        h.h2["Lease table"],
        ui.fields(*counts) if counts else h.p(".empty")["The router has no leases."],
        h.p[ui.link("/router/leases", "See the lease table", id=name)],
        h.h2["Changed by hand"],
        drift_table(document["drift"]),
        _all("/router/drift", name, document["drift_in_all"], "difference"),
    ]


def _all(path: str, name: str, number: int, noun: str) -> Node:
    return h.p[ui.link(path, f"See {counted(number, noun)}", id=name)] if number else None


def live_part(path: str, document: Document, viewer: Viewer, body: Node) -> h.Element:
    """A part that is read in the background: it says when, and is replaced when a read ends.

    Args:
        path: of the page that has it.
        document: with `router`, `running`, and `read_at` and `error` of the last read.
        viewer: who reads it.
        body: what was read; None: nothing yet.
    """
    name, running, error = document["router"], document["running"], document.get("error")
    asked = {part: document.get(part) for part in ("whose", "find", "sign", "page")}
    whole = ui.address(path, id=name, **asked)
    # The page is asked again until the read has ended; only this part of it is taken.
    again = ui.reload_soon(whole, "#reading") if running else {}
    return h.section(again, id="reading", aria_label="Read from the router")[
        ui.being_read(whole) if running else None,
        ui.note("warning", "The router could not be read: ", why_not(error)) if error else None,
        h.p[_FROM_STORE] if error and document.get("summary") else None,
        _read_at(path, document, viewer),
        body,
    ]


def live_page(path: str, document: Document, viewer: Viewer, body: Node, form: Node = None) -> Node:
    """A page of a router that is one live part, perhaps below a form; see `live_part`."""
    return [back(document["router"]), form, live_part(path, document, viewer, body)]


def why_not(error: Mapping[str, str]) -> str:
    """Why a router could not be read, and what to do."""
    advice = f" {error['advice']}." if error.get("advice") else ""
    return f"{error['message']} ({error['cause']}).{advice}"


def _read_at(path: str, document: Document, viewer: Viewer) -> Node:
    if not document.get("read_at") and not document.get("error"):
        return None
    checks = path == "/router/check"
    button, hidden = "Check again" if checks else "Read again", {"id": document["router"]}
    target = path if checks else "/router/read"
    if path in SHOWN_PARTS:
        hidden["part"] = path
    return h.div(".actions")[
        h.span(".dim")["Read at ", ui.moment(document["read_at"], viewer)]
        if document.get("read_at")
        else None,
        None
        if document["running"]
        else ui.confirm_form(viewer, target, hidden, button, reason=False),
    ]


def signs(document: Document) -> Node:
    """How many lines of each sign a plan has, each with what the sign means."""
    name = document["router"]
    found = document.get("signs", {})
    return h.ul(".counts", aria_label="Lines by sign")[
        [
            h.li[ui.link("/router/plan", sign_text(sign), id=name, sign=sign), f" {found[sign]}"]
            for sign in SIGNS
            if found.get(sign)
        ]
    ]


def sign_text(sign: str) -> h.Element:
    """A sign with its word, in its colour."""
    return h.span(_SIGN_CLASSES[sign])[f"{sign} {SIGNS[sign]}"]


def lines(found: Iterable[Document]) -> Node:
    """Lines of a plan as a diff."""
    return ui.table(
        "Plan",
        [
            {
                "Write": sign_text(line["sign"]),
                "Service": ui.service_link(line["service"]),
                "What": ui.with_code(line["text"]),
            }
            for line in found
        ],
        "nothing is to be written.",
    )


def drift_table(found: Iterable[Document]) -> Node:
    """What was changed by hand."""
    return ui.table(
        "Drift",
        [
            {
                "Service": ui.service_link(row["service"]),
                "What": row["kind"],
                "Row of": row["menu"],
                "Field": row["field"],
                "As written": row["wanted"],
                "Found": row["found"],
                "Reconcile": "puts it right" if row["mendable"] else "leaves it to a person",
            }
            for row in found
        ],
        "nothing was changed by hand.",
    )


def plan(document: Document, viewer: Viewer) -> Node:
    """A page of a plan."""
    body = [
        h.p[f"{document.get('summary', '')}."],
        signs(document),
        lines(document["lines"]),
        ui.pager("/router/plan", document, id=document["router"], sign=document["sign"]),
    ]
    return live_page("/router/plan", document, viewer, body if document.get("summary") else None)


def leases(document: Document, viewer: Viewer) -> Node:
    """A page of a lease table, with a form that searches it."""
    name, whose, find = document["router"], document["whose"], document["find"]
    owners = {"": "all"} | {key: f"{key}: {text}" for key, text in WHOSE.items()}
    form = h.form(".filter", action=f"{ui.ROOT}/router/leases")[
        h.input(type="hidden", name="id", value=name),
        h.label[
            "Part of address, MAC, DUID, service or comment",
            h.input(name="find", value=find, maxlength="64"),
        ],
        ui.choice("Whose", "whose", owners, whose),
        h.button["Find"],
    ]
    was_read = document.get("read_at") and not document.get("error")
    rows = _lease_rows(document) if was_read else None
    return live_page("/router/leases", document, viewer, rows, form)


def _lease_rows(document: Document) -> Node:
    query = {"id": document["router"], "whose": document["whose"], "find": document["find"]}
    return [
        ui.table(
            counted(document["found"], "lease"),
            [_lease_row(row) for row in document["rows"]],
            "no lease is found so.",
        ),
        ui.pager("/router/leases", document, **query),
    ]


def _lease_row(row: Document) -> dict[str, Node]:
    off = ", disabled" if row.get("disabled") else ""
    off += ", blocked" if row.get("block") == "yes" else ""
    return {
        "Address or prefix": row["address"],
        "Device": _device(row),
        "Whose": row["whose"],
        "Service": ui.service_link(row.get("service")),
        "Server": row.get("server"),
        "Kind": f"{row['kind']}{off}",
        "Comment": row.get("comment"),
    }


def _device(row: Document) -> Node:
    """The MAC of a lease; of a binding also its DUID and IAID."""
    mac = row.get("mac", "")
    known = ui.link("/services", mac, q=mac) if mac else None
    return known if "duid" not in row else [known, f" DUID {row['duid']}, IAID {row.get('iaid')}"]


def drift(document: Document, viewer: Viewer) -> Node:
    """A page of what was changed by hand."""
    name, reported_at = document["router"], document.get("reported_at")
    shown = [
        h.p["From the report of ", ui.moment(reported_at, viewer), ":"] if reported_at else None,
        drift_table(document["drift"]),
        ui.pager("/router/drift", document, id=name),
    ]
    is_known = reported_at or (document.get("read_at") and not document.get("error"))
    return live_page("/router/drift", document, viewer, shown if is_known else None)


def check(document: Document, viewer: Viewer) -> Node:
    """The result of a check."""
    rows = [
        {
            "Result": ui.badge(_LEVELS[line["level"]]),
            "What": line["what"],
            "Found": line["detail"],
            "What to do": ui.with_code(line.get("advice")),
        }
        for line in [*document["checks"], *document["workers"]]
    ]
    failed = document.get("error")
    shown = dict(document) | {"error": {"cause": "failed", "message": failed} if failed else None}
    return live_page("/router/check", shown, viewer, ui.table("Checks", rows))


def back(name: str) -> h.Element:
    """A link to the page of the router."""
    return h.p[ui.link("/router", f"Router {name}", id=name)]
