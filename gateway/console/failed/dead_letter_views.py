"""What the pages of dead letters look like, from their documents alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from gateway.console.failed.event_lines import event_lines
from worker.admin.json_fields import clean
from worker.core.texts import counted

_LONGEST_BODY = 8_000
_EFFECTS: Final[Mapping[str, str]] = {
    "retry": "Events are published again as received, with their ids; services are checked again "
    "at their routers. One that fails again becomes a new dead letter.",
    "discard": "They are deleted for good. The history of each service keeps who did it and why.",
}


def failed(document: Document, viewer: Viewer) -> Node:
    """Dead letters by cause."""
    rows = [
        {
            "Reason": ui.link("/cause", cause["reason"], id=cause["id"]),
            "Message": clean(cause["detail"]),
            "Number": f"{cause['count']:,}",
            "Oldest": ui.moment(cause["oldest"], viewer),
            "Newest": ui.moment(cause["newest"], viewer),
            "Example": ui.link("/dead-letter", "One of them", id=cause["example"]),
        }
        for cause in document["causes"]
    ]
    return [
        h.p[
            f"{counted(document['total'], 'dead letter')}: events and services that failed "
            "permanently. Each waits until a person settles it; that of a service goes by itself "
            "when the service is in sync again."
        ],
        _progress(document, path="/failed", reason=document["reason"], page=document["page"]),
        _reasons(document),
        ui.table(f"{counted(document['causes_count'], 'cause')}", rows),
        ui.pager("/failed", document, reason=document["reason"]),
        [
            h.p[
                f"{counted(gone['count'], 'dead letter')} ({gone['reason']}) of "
                f"{clean(gone['source']) or 'unknown sources'} were dropped: only the newest of a "
                "source and reason are kept."
            ]
            for gone in document["gone"]
        ],
    ]


def _reasons(document: Document) -> Node:
    if len(document["reasons"]) <= 1 and not document["reason"]:
        return None
    return h.p(".actions")[
        ui.link("/failed", "All reasons"),
        [
            ui.link("/failed", f"{reason} ({number:,})", reason=reason)
            for reason, number in document["reasons"].items()
        ],
    ]


def _progress(document: Document, path: str = "", **query: object) -> Node:
    if document["read"] == document["total"]:
        return None
    text = f"{document['read']:,} of {document['total']:,} were read so far."
    return ui.read_on(text, path=path, **query) if path else ui.note("warning", text)


def cause(document: Document, viewer: Viewer) -> Node:
    """One cause with a page of its dead letters."""
    rows = [
        {
            "Dead letter": ui.link("/dead-letter", clean(dead_letter["id"]), id=dead_letter["id"]),
            "Kind": dead_letter["kind"],
            "Service": ui.service_link(dead_letter["service"]),
            "Router": clean(dead_letter["router"]),
            "Source": clean(dead_letter["source"]),
            "Failed": ui.moment(dead_letter["at"], viewer),
        }
        for dead_letter in document["dead_letters"]
    ]
    query = {"id": document["id"], "until": document["until"]}
    return [
        h.p[ui.link("/failed", "All causes")],
        _cause_fields(document, viewer),
        _progress(document, path="/cause", id=document["id"], page=document["page"]),
        h.p(".actions")[
            h.a(".button", href=ui.address("/cause/retry", **query))["Retry all …"],
            h.a(".button", href=ui.address("/cause/discard", **query))["Discard all …"],
        ]
        if viewer.may("operator")
        else None,
        ui.table(counted(document["count"], "dead letter"), rows),
        ui.pager("/cause", document, id=document["id"]),
    ]


def _cause_fields(document: Document, viewer: Viewer) -> Node:
    return ui.fields(
        ("Reason", document["reason"]),
        ("Message", clean(document["detail"])),
        ("Number", f"{document['count']:,}"),
        ("Oldest", ui.moment(document["oldest"], viewer)),
        ("Newest", ui.moment(document["newest"], viewer)),
    )


def settle_all(what: str, document: Document, viewer: Viewer) -> Node:
    """What a retry or a discard of all of a cause does."""
    left, done = document["left"], document["done"]
    hidden = {name: document[name] for name in ("id", "until", "after", "done")}
    named = f"{'Go on: ' if done else ''}{what} {counted(left, 'dead letter')}"
    return [
        h.p[ui.link("/cause", "Back to the cause", id=document["id"])],
        h.p[_EFFECTS[what], " Those that fail after you opened this page are left alone."],
        ui.note("ok", f"{done:,} done, {left:,} left. Go on below, or leave it at that.")
        if done
        else None,
        _cause_fields(document, viewer),
        _progress(document),
        ui.confirm_form(
            viewer, f"/cause/{what}", hidden, named.capitalize(), danger=what == "discard"
        )
        if left
        else ui.note("ok", "None is left."),
    ]


def dead_letter(document: Document, viewer: Viewer) -> Node:
    """One dead letter: every problem, and the event as it was received."""
    is_event = document["kind"] == "event"
    query = {"id": document["id"]}
    return [
        h.p[ui.link("/cause", "All of this cause", id=document["cause"])],
        _fields(document, viewer),
        h.p(".actions")[
            h.a(".button", href=ui.address("/dead-letter/edit", **query))["Edit …"]
            if is_event and not document["too_large"]
            else None,
            h.a(".button", href=ui.address("/dead-letter/retry", **query))["Retry …"],
            h.a(".button", href=ui.address("/dead-letter/discard", **query))["Discard …"],
        ]
        if viewer.may("operator")
        else None,
        problems_of(document) if is_event or document["too_large"] else None,
        _body(document),
    ]


def _fields(document: Document, viewer: Viewer) -> Node:
    return ui.fields(
        ("Dead letter", clean(document["id"])),
        ("Kind", document["kind"]),
        ("Reason", document["reason"]),
        ("Message", clean(document["detail"])),
        ("Service", ui.service_link(document.get("service"))),
        ("Router", clean(document.get("router"))),
        ("Source", clean(document.get("source"))),
        ("Failed", ui.moment(document.get("at"), viewer)),
        ("Attempts", str(document["attempts"])),
    )


def problems_of(document: Document) -> Node:
    """All problems that an event has when it is checked now."""
    problems, number = document["problems"], document["problems_count"]
    if document.get("too_large"):
        return ui.note(
            "warning",
            "It is larger than any event that is accepted, so it is not shown here. See: ",
            h.code[f"leasewire dead-letters show {clean(document['id'])}"],
        )
    if not number:
        return h.p["Checked now, the event has no problem."]
    rows = [
        {
            "Field": h.code[clean(problem["pointer"]) or "event"],
            "What is wrong": clean(problem["message"]),
            "Code": problem["code"],
        }
        for problem in problems
    ]
    return [
        ui.table(counted(number, "problem"), rows),
        h.p[f"{number - len(problems):,} more are not shown."] if number > len(problems) else None,
    ]


def _body(document: Document) -> Node:
    body = document.get("body")
    if body is None:
        return None
    if document["kind"] == "event":
        return [h.h2["The event as received"], lines_of(body, document["problems"])]
    text = json.dumps(body, indent=2, ensure_ascii=False)[:_LONGEST_BODY]
    return [h.h2["The webhook"], h.pre(tabindex="0")["\n".join(map(clean, text.split("\n")))]]


def lines_of(body: object, problems: Sequence[Document]) -> Node:
    """The event, each problem beside its field."""
    return h.div(".scroll", tabindex="0", role="region", aria_label="The event")[
        h.table(".event")[
            h.tbody[
                [
                    h.tr(class_="wrong" if line.problems else None)[
                        h.th(".dim", scope="row")[str(line.number or "…")],
                        h.td[h.code[line.text]],
                        h.td[[h.strong(".remove")[problem, " "] for problem in line.problems]],
                    ]
                    for line in event_lines(body, problems)
                ]
            ]
        ]
    ]


def retry(document: Document, viewer: Viewer) -> Node:
    """What a retry does."""
    effect = {
        "event": "The event is published again as received, with its id. If newer events have "
        "overtaken it, it ends as superseded.",
        "service": "The service is checked again at its router, and written.",
        "hook": "The webhook is processed again.",
    }[document["kind"]]
    invalid = document["problems_count"] > 0
    return [
        back(document),
        _fields(document, viewer),
        [ui.note("warning", "It cannot be retried: it is still invalid."), problems_of(document)]
        if invalid
        else [
            h.p[effect],
            ui.confirm_form(viewer, "/dead-letter/retry", _shown(document), "Retry"),
        ],
        h.p[ui.link("/dead-letter/edit", "Edit it instead", id=document["id"])]
        if document["kind"] == "event" and not document["too_large"]
        else None,
    ]


def discard(document: Document, viewer: Viewer) -> Node:
    """What a discard does."""
    return [
        back(document),
        h.p["It is deleted for good. The history of its service keeps who did it and why."],
        _fields(document, viewer),
        ui.confirm_form(
            viewer, "/dead-letter/discard", _shown(document), "Discard for good", danger=True
        ),
    ]


def _shown(document: Document) -> dict[str, Any]:
    return {"id": document["id"], "at_ms": document["at_ms"]}


def back(document: Document) -> Node:
    """A link to the page of the dead letter."""
    return h.p[ui.link("/dead-letter", "Back to the dead letter", id=document["id"])]
