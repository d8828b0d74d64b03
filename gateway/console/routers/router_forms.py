"""The pages that show what an action on a router does, each with the form that does it."""

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from gateway.console.routers.reading_views import back, drift_table, lines, live_page, signs
from gateway.console.routers.router_views import state_fields
from worker.core.texts import counted


def pause(document: Document, viewer: Viewer) -> Node:
    """What a pause does."""
    name = document["router"]
    if document["state"] == "paused":
        return [back(name), ui.note("warning", f"It is paused already {document['message']}.")]
    return [
        back(name),
        h.p[
            f"No worker writes to {name} until it is resumed: events for its "
            f"{counted(document['services'], 'service')} are accepted and wait. "
            "What is being written now ends first."
        ],
        ui.fields(*state_fields(document, viewer)),
        ui.confirm_form(viewer, "/router/pause", {"id": name}, f"Pause {name}", danger=True),
    ]


def resume(document: Document, viewer: Viewer) -> Node:
    """What the end of a pause does."""
    name = document["router"]
    if document["state"] != "paused":
        return [back(name), ui.note("warning", "It is not paused.")]
    return [
        back(name),
        h.p[
            f"Workers write to {name} again: {counted(document['backlog'], 'service')} of its "
            "backlog at once."
        ],
        ui.fields(*state_fields(document, viewer)),
        ui.confirm_form(viewer, "/router/resume", {"id": name}, f"Resume {name}", reason=False),
    ]


def reconcile(document: Document, viewer: Viewer) -> Node:
    """What is put right."""
    return live_page("/router/reconcile", document, viewer, _to_reconcile(document, viewer))


def _to_reconcile(document: Document, viewer: Viewer) -> Node:
    if document.get("error") or not document.get("digest"):
        return None
    name, left = document["router"], document["left"]
    hidden = {"id": name, "digest": document["digest"]}
    services = counted(document["services"], "service")
    return [
        h.p[f"Workers put right what was changed by hand for {services}."],
        h.p[f"{counted(left, 'difference')} are left to a person."] if left else None,
        _obstacle(document),
        drift_table(document["drift"]),
        ui.pager("/router/reconcile", document, id=name),
        ui.confirm_form(viewer, "/router/reconcile", hidden, f"Reconcile {services}")
        if document["services"]
        else None,
    ]


def rebuild(document: Document, viewer: Viewer) -> Node:
    """What an approval lets workers write."""
    return live_page("/router/rebuild", document, viewer, _to_rebuild(document, viewer))


def _to_rebuild(document: Document, viewer: Viewer) -> Node:
    if document.get("error") or not document.get("digest"):
        return None
    name, services = document["router"], counted(document["services"], "service")
    missing, of_others = document["missing"], document["of_others"]
    hidden = {"id": name, "digest": document["digest"]}
    about = f"{missing} of {document['expected']} rows that were written to {name} are missing."
    if of_others:
        about += (
            f" {counted(of_others, 'service')} for which nothing was written yet have other rows "
            "there, with our tag."
        )
    if not missing and not of_others:
        return h.p[f"{about} No approval is needed: pending work is written in any case."]
    return [
        h.p[
            f"{about} An approval lets workers write what stands below, for six hours or until it "
            "is there. Make sure first that this is the right router."
        ],
        _obstacle(document),
        signs(document),
        lines(document["lines"]),
        ui.pager("/router/rebuild", document, id=name),
        ui.confirm_form(viewer, "/router/rebuild", hidden, f"Approve, for {services}", danger=True),
    ]


def _obstacle(document: Document) -> Node:
    why = document["obstacle"]
    return ui.note("warning", "Nothing is written yet: ", ui.with_code(f"{why}.")) if why else None
