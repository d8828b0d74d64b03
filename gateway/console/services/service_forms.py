"""The pages that show what an action on a service would write, each with the form that does it."""

from typing import Final

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from gateway.console.routers.reading_views import lines
from gateway.console.services.service_views import value_text
from worker.admin.service_previews import MODES

_MEANING: Final = {
    "suspend": "An event of yours suspends the service. The next event of its source about the "
    "suspension overrides it.",
    "resume": "An event of yours ends the suspension. The next event of its source about the "
    "suspension overrides it.",
    "restore": "An event of yours makes the service as it was before its cancellation. The next "
    "event of its source overrides it.",
    "retry": "The service is checked again now; nothing of it changes.",
}


def form(document: Document, viewer: Viewer) -> Node:
    """What an action would write, and its form."""
    action, service = document["action"], document["service"]
    back = h.p[ui.link("/service", f"Service {service}", id=service)]
    if "digest" not in document:
        return [back, ui.note("warning", document["refusal"])]
    hidden = {"id": service, "digest": document["digest"], "mode": document["mode"]}
    return [
        back,
        h.p[_MEANING[action]],
        _modes(document) if action == "suspend" else None,
        ui.fields(("Status", document["status"]), ("Becomes", document["becomes"])),
        ui.note("warning", f"It would be {document['effect']}: {document['detail']}")
        if document["detail"]
        else None,
        [ui.note("warning", warning) for warning in document["warnings"]],
        _changes(document) if action != "retry" else None,
        h.h2["What would be written"],
        h.p(".dim")["Planned on what was last written to the router, which is not read for this."],
        [_router(router) for router in document["routers"]] or h.p["Nothing: it is on no router."],
        ui.confirm_form(
            viewer,
            f"/service/{action}",
            hidden,
            f"{action.capitalize()} {service}",
            danger=action == "suspend",
        ),
    ]


def _modes(document: Document) -> h.Element:
    modes = {"": "as the policy of its router says"}
    modes |= {mode: mode.replace("_", " ") for mode in MODES}
    return h.form(".filter", action=f"{ui.ROOT}/service/suspend")[
        h.input(type="hidden", name="id", value=document["service"]),
        ui.choice("How", "mode", modes, document["mode"]),
        h.button["Show what this would write"],
    ]


def _changes(document: Document) -> Node:
    rows = [
        {
            "Value of": change["register"],
            "Now": _value(change["before"]),
            "Afterwards": _value(change["after"]),
        }
        for change in document["changes"]
    ]
    return ui.table("Values", rows, "none changes.")


def _value(value: object) -> str:
    """A value of a register; a suspension may leave all to the policy."""
    return "none" if value in (None, [], "") else value_text(value) or "by policy"


def _router(router: Document) -> Node:
    name = router["name"]
    return h.section(aria_label=f"Router {name}")[
        h.h3["Router ", ui.router_link(name)],
        ui.note("warning", f"Nothing is written yet: {router['obstacle']}.")
        if router["obstacle"]
        else None,
        lines(router["lines"]),
    ]
