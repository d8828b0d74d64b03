"""What the pages of approvals and announcements look like, from their documents alone."""

from collections.abc import Mapping, Sequence
from typing import Final

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from worker.admin.json_fields import clean
from worker.core.texts import counted

_WRITTEN: Final = ("mac", "option_82", "address", "prefix")


def approvals(document: Document, viewer: Viewer) -> Node:
    """All approvals, and what was announced."""
    found = document["approvals"]
    return [
        h.p[
            f"{counted(document['held'], 'service')} would lose their entries and are held in "
            f"{counted(document['count'], 'list')}: unusually many at once. They keep what "
            "they have until a person decides."
        ]
        if found
        else h.p(".empty")["Nothing is held."],
        ui.read_on("Kinds are still being counted.", path="/approvals", page=document["page"])
        if any(approval["counted"] < approval["count"] for approval in found)
        else None,
        [_section(approval, viewer) for approval in found],
        ui.pager("/approvals", document),
        h.h2["Announced"],
        h.p["Announced losses, such as a dunning run or a migration, are not held."],
        _announced(document["announced"], viewer),
        _left_out(document["announced_count"] - len(document["announced"])),
        h.p[h.a(".button", href=ui.address("/announce"))["Announce losses"]]
        if viewer.may("operator")
        else None,
    ]


def _section(approval: Document, viewer: Viewer) -> Node:
    services = approval["services"]
    rest = approval["count"] - len(services)
    return h.section[
        h.h2[
            ui.link(
                "/approval", f"{approval['scope']} {clean(approval['name'])}", id=approval["id"]
            )
        ],
        _heading(approval, viewer),
        _services(f"First of {approval['scope']} {clean(approval['name'])}", services),
        h.p[ui.link("/approval", f"All {counted(approval['count'], 'service')}", id=approval["id"])]
        if rest
        else None,
        _buttons(approval, viewer),
    ]


def approval(document: Document, viewer: Viewer) -> Node:
    """One approval with a page of its services."""
    return [
        h.p[ui.link("/approvals", "All approvals")],
        _changes(document),
        _heading(document, viewer),
        _buttons(document, viewer),
        _services(f"{counted(document['count'], 'service')}", document["services"]),
        ui.pager("/approval", document, id=document["id"]),
    ]


def approve(document: Document, viewer: Viewer) -> Node:
    """What an approval does."""
    services = counted(document["count"], "service")
    return _decision(
        document,
        viewer,
        h.p[
            f"{services} lose their entries now, as their events say: cancelled ones are removed, "
            "suspended ones are blocked, replaced ones get their new MAC or address. Later losses "
            "are counted from zero again."
        ],
        ui.confirm_form(
            viewer, "/approval/approve", _shown(document), f"Approve {services}", danger=True
        ),
    )


def reject(document: Document, viewer: Viewer) -> Node:
    """What a rejection does."""
    services = counted(document["count"], "service")
    return _decision(
        document,
        viewer,
        h.p[
            f"{services} keep what their routers have: a snapshot of each is published in your "
            "name. The next event of the BSS about a service overrides it, so correct the BSS "
            "first."
        ],
        ui.confirm_form(viewer, "/approval/reject", _shown(document), f"Reject {services}"),
    )


def _decision(document: Document, viewer: Viewer, effect: Node, form: Node) -> Node:
    back = h.p[ui.link("/approval", "Back to the list", id=document["id"])]
    if document["change"] is not None:
        return [back, _changes(document), _heading(document, viewer), _buttons(document, viewer)]
    return [back, effect, _heading(document, viewer), form]


def _shown(document: Document) -> dict[str, str]:
    return {"id": document["id"], "digest": document["shown_digest"]}


def announce(document: Document, viewer: Viewer) -> Node:
    """The form that announces losses."""
    sources = {source: source for source in document["sources"]}
    asked = [
        ui.choice("Source", "source", {"": "none: the router below"} | sources),
        h.label["Or router", h.input(name="router", maxlength="64")],
        h.label[
            "Number of services",
            h.input(name="services", inputmode="numeric", maxlength="7", required=True),
        ],
        h.label[
            "For how long, such as 2h or 90m",
            h.input(name="lasts", value="2h", maxlength="16", required=True),
        ],
    ]
    return [
        h.p[ui.link("/approvals", "All approvals")],
        h.p[
            "So many services of a source or a router may lose their entries: they are neither "
            "counted nor held. A new announcement for the same source or router replaces the one "
            "before. What is held already stays held: approve it."
        ],
        ui.confirm_form(viewer, "/announce", {}, "Announce", asked=asked, danger=True),
        h.h2["Announced"],
        _announced(document["announced"], viewer),
    ]


def withdraw(document: Document, viewer: Viewer) -> Node:
    """What the end of an announcement does."""
    scope = f"{document['scope']}:{document['name']}"
    return [
        h.p[ui.link("/approvals", "All approvals")],
        h.p["From now on losses are counted again, and held if they are unusually many."],
        _announced([document], viewer),
        ui.confirm_form(viewer, "/announce/withdraw", {"scope": scope}, "Withdraw"),
    ]


def _heading(document: Document, viewer: Viewer) -> Node:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in document["kinds"].items())
    if document["counted"] < document["count"]:
        kinds = f"{kinds} ({document['counted']:,} of {document['count']:,} were counted so far)"
    return ui.fields(
        ("Limit of", f"{document['scope']} {clean(document['name'])}"),
        ("Services", f"{document['count']:,}"),
        ("Kinds", kinds),
        ("Held since", ui.moment(document["since"], viewer)),
        ("Routers", _counts(document["routers"])),
        ("Sources", _counts(document["sources"])),
        ("Digest", h.code[document["digest"]]),
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{clean(name) or 'unknown'} ({number:,})" for name, number in counts.items())


def _buttons(document: Document, viewer: Viewer) -> Node:
    if not viewer.may("operator"):
        return None
    query = {"id": document["id"], "digest": document["digest"]}
    return h.p(".actions")[
        h.a(".button", href=ui.address("/approval/approve", **query))["Approve …"],
        h.a(".button", href=ui.address("/approval/reject", **query))["Reject …"],
    ]


def _services(caption: str, services: Sequence[Document]) -> Node:
    rows = [
        {
            "Service": ui.service_link(service["service"]),
            "Router": ui.router_link(service["router"]),
            "What": service["kind"],
            "Has now": clean(" ".join(service[part] for part in _WRITTEN if part in service)),
            "Becomes": clean(service.get("becomes")),
            "By event": clean(service.get("event")),
        }
        for service in services
    ]
    return ui.table(caption, rows)


def _changes(document: Document) -> Node:
    change = document["change"]
    if change is None:
        return None
    if not change["known"]:
        return ui.note(
            "warning",
            "The list has changed since it was shown. What is different is not known here any "
            "more; below is the list as it is now.",
        )
    parts = [
        ui.table(
            f"{what}: {counted(part['count'], 'service')}",
            [
                {"Service": ui.service_link(item["service"]), "Router": clean(item["router"])}
                for item in part["first"]
            ],
        )
        for part, what in (
            (change["added"], "Added since"),
            (change["gone"], "No longer held"),
            (change["changed"], "Another event since"),
        )
        if part["count"]
    ]
    return [ui.note("warning", "The list has changed since it was shown:"), parts]


def _announced(found: Sequence[Document], viewer: Viewer) -> Node:
    may, path = viewer.may("operator"), "/announce/withdraw"
    rows = [
        {
            "Source or router": f"{announced['scope']} {clean(announced['name'])}",
            "Used": f"{announced['used']:,} of {announced['services']:,}",
            "Until": ui.moment(announced["until"], viewer),
            "By": clean(announced["by"]),
            "Reason": clean(announced.get("reason")),
            "Decide": ui.link(path, "Withdraw …", scope=f"{announced['scope']}:{announced['name']}")
            if may
            else None,
        }
        for announced in found
    ]
    return ui.table("Announcements", rows)


def _left_out(number: int) -> Node:
    return h.p[f"{counted(number, 'announcement')} more are not shown."] if number > 0 else None
