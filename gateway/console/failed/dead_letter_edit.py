"""Corrects the event of a dead letter: edit, preview of the difference, publish."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import htpy as h
from htpy import Node
from markupsafe import Markup

from contracts.parse import MAX_EVENT_BYTES
from gateway import dead_letters
from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.failed.dead_letter_pages import (
    DeadLetterId,
    DeadLetterPages,
    is_too_large,
    problem_documents,
)
from gateway.console.failed.dead_letter_views import back, lines_of, problems_of
from gateway.console.failed.redaction import without_secrets
from gateway.console.pages import Done, Form, NotDone, Pages, Shown, reason_of
from gateway.console.people import Role
from producers.errors import EventsRefused, PublishFailed
from worker.admin.json_fields import clean
from worker.core.service.outcome import DeadLetter

FORM_BYTES: Final = 3 * MAX_EVENT_BYTES + 4096
"""Each byte of an event may take three in a form."""
_INDENTED: Final = 24_000
"""Characters up to which an event is shown with indentation; it must not get too large by it."""
_DIFF_LINES: Final = 120
_LONGEST: Final = 160


class DeadLetterEdit(Pages):
    """The pages and the write."""

    def __init__(self, console: Console, pages: DeadLetterPages) -> None:
        super().__init__(console)
        self._pages = pages
        path = "/dead-letter/edit"
        self.page(path, self.edit, _edit_page, title="Edit: {title}", role=Role.OPERATOR)
        self.action("/dead-letter/preview", self.preview, most_bytes=FORM_BYTES)
        self.action("/dead-letter/publish", self.publish, most_bytes=FORM_BYTES)

    def edit(self, dead_letter_id: DeadLetterId) -> Document:
        """The event as received, with its problems, to be edited."""
        dead_letter = self._event(dead_letter_id)
        return self._document(dead_letter, _indented(without_secrets(dead_letter).body))

    def preview(self, viewer: Viewer, form: Form) -> Shown:
        """The problems of an edited event, or the difference that it makes."""
        document = self._document(self._event(form.get("id", "")), _text_of(form))
        again = form.get("step") == "edit" or document["problems_count"]
        body = (_edit_page if again else _preview_page)(document, viewer)
        return Shown(f"Edit: {document['title']}", body, written=False)

    def publish(self, viewer: Viewer, form: Form) -> Done:
        """Publish a corrected event as it was previewed."""
        dead_letter = self._event(form.get("id", ""))
        again, text = ui.address("/dead-letter/edit", id=dead_letter.id), _text_of(form)
        reason = reason_of(form, again)
        if form.get("at_ms") != str(dead_letter.at_ms):
            message = "Nothing was published: it failed again since you saw it. Look again."
            raise NotDone(message, ui.address("/dead-letter", id=dead_letter.id))
        if form.get("digest") != _digest(text):
            message = "Nothing was published: the text is not the one that was previewed."
            raise NotDone(message, again)
        publisher = self.console.publisher
        event, problems = dead_letters.correct(publisher, dead_letter, text)
        if event is None:
            why = dead_letters.joined(problems)[:500]
            raise NotDone(f"Nothing was published: {why}", again)
        try:
            dead_letters.publish_correction(
                *(self.console.store, publisher, dead_letter, event, viewer.actor, reason)
            )
        except (PublishFailed, EventsRefused) as failure:
            raise NotDone(f"The event was not published: {failure}. Try again.", again) from failure
        self._pages.causes.list_again()
        return Done(f"Published as {event.id}; the dead letter is gone.", ui.address("/failed"))

    def _event(self, dead_letter_id: str) -> DeadLetter:
        found = self._pages.read(dead_letter_id)
        if found.kind != "event":
            message = (
                "only events can be edited: publish an event that corrects the service, or correct "
                "hooks.toml and retry it"
            )
            raise Refused("conflict", message)
        if is_too_large(found):
            message = (
                "the event is larger than any that is accepted: correct it with "
                "`leasewire dead-letters edit --file`"
            )
            raise Refused("conflict", message)
        return found

    def _document(self, dead_letter: DeadLetter, text: str) -> dict[str, Any]:
        event, problems = dead_letters.correct(self.console.publisher, dead_letter, text)
        shown = without_secrets(dead_letter)
        return {
            "id": dead_letter.id,
            "title": clean(dead_letter.service_id) or dead_letter.reason,
            "at_ms": dead_letter.at_ms,
            "kind": dead_letter.kind,
            "text": text[:MAX_EVENT_BYTES],
            "digest": _digest(text),
            "difference": [] if event is None else dead_letters.difference(shown, event),
            "event": None if event is None else event.event,
            **problem_documents(problems),
        }


def _edit_page(document: Document, viewer: Viewer) -> Node:
    editor = ui.confirm_form(
        *(viewer, "/dead-letter/preview", {"id": document["id"]}, "Check and preview"),
        asked=_text_area(document),
        reason=False,
    )
    return [back(document), _problems(document), editor]


def _preview_page(document: Document, viewer: Viewer) -> Node:
    hidden = {name: document[name] for name in ("id", "at_ms", "digest")}
    text = [
        h.p[
            "It is published under a new id, with the old id as its causationid. Then the dead "
            "letter is removed."
        ],
        _text_area(document, readonly=True),
    ]
    again = h.button(
        name="step", value="edit", formaction=f"{ui.ROOT}/dead-letter/preview", formnovalidate=True
    )["Edit again"]
    return [
        back(document),
        h.h2["What is different"],
        _difference(document["difference"]),
        h.h2["The event to publish"],
        ui.confirm_form(
            *(viewer, "/dead-letter/publish", hidden, "Publish"), asked=[text, again], danger=True
        ),
    ]


def _problems(document: Document) -> Node:
    if not document["problems_count"]:
        return h.p["The event has no problem as it is."]
    return [problems_of(document), lines_of(_event_of(document["text"]), document["problems"])]


def _text_area(document: Document, *, readonly: bool = False) -> Node:
    # Only what could end the text area is escaped, so that a large event stays below 100 kB.
    text = document["text"].replace("&", "&amp;").replace("<", "&lt;")
    return h.label[
        "The event as JSON",
        h.textarea(
            name="event",
            rows="24",
            spellcheck="false",
            required=True,
            readonly=readonly,
            maxlength=str(MAX_EVENT_BYTES),
        )[Markup("\n" + text)],  # noqa: S704 - escaped above
    ]


def _difference(lines: Sequence[str]) -> Node:
    if not lines:
        return h.p["Nothing but the id."]
    colours = {"+": ".add", "-": ".remove"}
    return [
        h.pre(tabindex="0")[
            [
                h.span(colours.get(line[:1], ".dim"))[clean(line[:_LONGEST]), "\n"]
                for line in lines[:_DIFF_LINES]
            ]
        ],
        h.p[f"{len(lines) - _DIFF_LINES:,} more lines are not shown."]
        if len(lines) > _DIFF_LINES
        else None,
    ]


def _event_of(text: str) -> object:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) else text


def _indented(body: str) -> str:
    """The JSON with indentation, unless it is none or large."""
    found = _event_of(body)
    text = body if isinstance(found, str) else json.dumps(found, indent=2)
    return text if len(text) <= _INDENTED else body


def _text_of(form: Form) -> str:
    """The edited text; browsers send each end of a line as two characters."""
    return form.get("event", "").replace("\r\n", "\n")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
