"""The list of routers and the page of one router as HTML, made from their documents alone."""

from typing import Final

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from gateway.console.pictures import Bar, Point, Series, bar_picture, line_picture
from gateway.console.routers.reading_views import reading
from worker.admin.router_documents import STATES
from worker.core.texts import counted

_ACTIONS: Final = (
    ("/router/check", "Check", "viewer"),
    ("/router/reconcile", "Reconcile", "operator"),
    ("/router/rebuild", "Rebuild", "operator"),
)
_GAP_MS: Final = 900_000
"""A router without changes answers little: the line goes on over a quarter of an hour."""


def routers(document: Document, viewer: Viewer) -> Node:
    """A page of the list, with a form that searches it."""
    find, state = document["find"], document["state"]
    states = [
        h.li[ui.link("/routers", f"{name} {number}", find=find, state=name)]
        for name, number in document["states"].items()
    ]
    return [
        h.form(".filter", action=f"{ui.ROOT}/routers")[
            h.label["Part of the name", h.input(name="find", value=find, maxlength="64")],
            ui.choice("State", "state", {"": "all"} | {name: name for name in STATES}, state),
            h.button["Find"],
        ],
        h.ul(".counts", aria_label="Routers by state")[states] if states else None,
        ui.table(
            f"{document['found']:,} of {counted(document['total'], 'router')}, the worst first",
            [_row(router, viewer) for router in document["routers"]],
            "no router is found so.",
        ),
        ui.pager("/routers", document, find=find, state=state),
    ]


def _row(router: Document, viewer: Viewer) -> dict[str, Node]:
    return {
        "Router": ui.router_link(router["router"]),
        "State": ui.badge(router["shown"]),
        "Since": ui.moment(router.get("since"), viewer),
        "Services": str(router["services"]),
        "Backlog": str(router["backlog"]),
        "Oldest due": ui.moment(router.get("oldest_due"), viewer),
        "Waiting": str(router["waiting"]),
        "Next try": ui.moment(router.get("next_try_at"), viewer),
        "Message": ui.with_code(router.get("message")),
    }


def router(document: Document, viewer: Viewer) -> Node:
    """One router."""
    return [
        ui.fields(*state_fields(document, viewer)),
        _actions(document, viewer),
        [_alert(alert) for alert in document.get("alerts", [])],
        reading(document["reading"], viewer, _pools(document, viewer)),
        _findings(document, viewer),
        _report(document.get("report"), viewer),
        _latency(document, viewer),
    ]


def state_fields(document: Document, viewer: Viewer) -> list[tuple[str, Node]]:
    """State, circuit and backlog of a router."""
    work = document["work"]
    reasons = work.get("reasons", {})
    return [
        ("State", [ui.badge(document["shown"]), _cause(document)]),
        ("Circuit", document["circuit"]),
        ("Why", ui.with_code(document.get("message"))),
        ("Since", ui.moment(document.get("since"), viewer)),
        ("Next try", ui.moment(document.get("next_try_at"), viewer)),
        ("Failed tries", _number(document.get("attempts"))),
        ("Away since", ui.moment(document.get("away_since"), viewer)),
        ("Written since it is back", _number(document.get("drained"))),
        ("Address", f"{document['host']}, {document['transport']}"),
        ("Mode", "observed: nothing is written to it" if document.get("mode") else None),
        ("Policy", document.get("policy")),
        ("Services", ui.link("/services", str(document["services"]), router=document["router"])),
        ("Backlog", counted(document["backlog"], "service")),
        ("Due, live", _due(work["live_due"], work.get("live_oldest"), viewer)),
        ("Due, bulk", _due(work["bulk_due"], work.get("bulk_oldest"), viewer)),
        ("Held for approval", _number(work.get("held"))),
        ("Waiting", ", ".join(f"{reason} {number}" for reason, number in reasons.items())),
        ("Failed", _number(work.get("failed"))),
        ("No device can use the address of", ", ".join(document.get("misfits", []))),
    ]


def _cause(document: Document) -> str | None:
    return f" ({document['cause']})" if document.get("cause") else None


def _number(value: int | None) -> str | None:
    return str(value) if value else None


def _due(number: int, oldest: str | None, viewer: Viewer) -> Node:
    return [f"{counted(number, 'service')}, since ", ui.moment(oldest, viewer)] if number else None


def _actions(document: Document, viewer: Viewer) -> Node:
    pauses = document["state"] == "paused"
    first = ("/router/resume", "Resume") if pauses else ("/router/pause", "Pause")
    shown = [(*first, "operator"), *_ACTIONS]
    return h.nav(".actions", aria_label="Actions on this router")[
        [
            h.a(".button", href=ui.address(path, id=document["router"]))[text]
            for path, text, role in shown
            if viewer.may(role)
        ]
    ]


def _alert(alert: Document) -> Node:
    kind = "error" if alert["severity"] == "critical" else "warning"
    return ui.note(
        kind,
        f"{alert['kind']}: ",
        ui.with_code(alert["text"]),
        ". ",
        ui.runbook_link(alert["runbook"]),
    )


def _findings(document: Document, viewer: Viewer) -> Node:
    read_at = document.get("findings_read_at")
    found = [
        {
            "Finding": finding["kind"],
            "What was found": finding["detail"],
            "Runbook": ui.runbook_link(finding["kind"]),
        }
        for finding in document.get("findings", [])
    ]
    empty = "none." if read_at else "not known: the router was not read fully yet."
    return [
        h.h2["What keeps changes from acting"],
        ui.table("Effect findings", found, empty),
        _read_at(read_at, viewer),
    ]


def _report(report: Document | None, viewer: Viewer) -> Node:
    heading = h.h2["Last hourly report"]
    if report is None:
        return [heading, h.p(".empty")["The router was not read fully yet."]]
    return [
        heading,
        ui.fields(
            ("Read at", ui.moment(report["at"], viewer)),
            ("Services", str(report["services"])),
            ("Leases", str(report["rows"])),
            ("Pending", str(report["pending"])),
            ("Changed by hand", str(report["differences"])),
        ),
    ]


def _pools(document: Document, viewer: Viewer) -> Node:
    live = document["reading"].get("pools")
    pools = document.get("pools", []) if live is None else live
    read_at = document.get("pools_read_at") if live is None else document["reading"]["read_at"]
    bars = [Bar(pool["pool"], pool["used"], pool["size"]) for pool in pools]
    return [h.h2["Pools"], bar_picture("Addresses in use", bars), _read_at(read_at, viewer)]


def _latency(document: Document, viewer: Viewer) -> Node:
    samples = document.get("latency", [])
    lines = [
        Series(name, [Point(sample["at_ms"], sample[field]) for sample in samples])
        for name, field in (("mean", "mean_ms"), ("longest", "most_ms"))
    ]
    picture = line_picture("Time to answer", lines, viewer.zone, unit="ms", gap_ms=_GAP_MS)
    return [h.h2["Latency"], picture]


def _read_at(text: str | None, viewer: Viewer) -> Node:
    return h.p(".dim")["Read at ", ui.moment(text, viewer)] if text else None
