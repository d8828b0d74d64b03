"""Page `calendar`: who is cut off, resumed or moved in the next days; and how to withdraw it."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

import htpy as h
from fastapi import Query
from htpy import Node

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import (
    PAGE_SIZE,
    Done,
    Form,
    NotDone,
    PageNumber,
    Pages,
    Reader,
    reason_of,
)
from gateway.console.people import Role
from worker.admin.calendar import (
    DOES,
    Days,
    calendar_document,
    scheduled_event,
    withdrawal,
)
from worker.core.service.schedule import CalendarList
from worker.core.storage_format import short_type
from worker.errors import NotPossible

_MOST_DAYS: Final = 62
_LISTS: Final[Mapping[str, str]] = {
    "all": "All",
    "cut_off": "Cut off",
    "resumed": "Resumed",
    "moved": "Moved",
    "other": "Other changes",
    "ended": "Superseded or withdrawn",
}
_LONGEST: Final = 200

Id = Annotated[str, Query(max_length=_LONGEST)]


class CalendarPages(Pages):
    """Reads the calendar, and withdraws a scheduled event."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.page("/calendar", self.read, show_calendar, title="Calendar")
        path = "/calendar/withdraw"
        self.confirmation(path, self.event, show_withdrawal, self.withdraw, title="Withdraw")

    def read(
        self,
        viewer: Reader,
        days: Annotated[int, Query(ge=1, le=_MOST_DAYS)] = 14,
        name: Annotated[CalendarList, Query(alias="list")] = "all",
        day: Annotated[date | None, Query()] = None,
        page: PageNumber = 1,
    ) -> Document:
        """How much takes effect on which day, and one page of it."""
        now_ms = self.console.store.records.now_ms()
        shown = Days.from_now(now_ms, days, viewer.zone)
        if day is not None and day not in shown.days:
            first, last = shown.days[0], shown.days[-1]
            raise Refused("malformed", f"day: one of {first} to {last}")
        return calendar_document(self.console.store, shown, name, day, page, PAGE_SIZE)

    def event(self, id: Id, key: Id) -> Document:  # noqa: A002 - as the query has it
        """One event that waits for its time."""
        try:
            return scheduled_event(self.console.store, id, key)
        except NotPossible as error:
            raise Refused("not-found", str(error)) from None

    def withdraw(self, viewer: Viewer, form: Form) -> Done:
        """Publish that a scheduled event is withdrawn."""
        service, key = form.get("id", ""), form.get("key", "")
        reason = reason_of(form, ui.address("/calendar/withdraw", id=service, key=key))
        try:
            event = scheduled_event(self.console.store, service, key)
            withdrawn = withdrawal(self.console.store, service, key, viewer.actor, reason)
        except NotPossible as error:
            raise NotDone(f"Nothing was changed. {error}", ui.address("/calendar")) from None
        self.console.publisher.publish([withdrawn])
        detail = f"{event['type']} of {event['effective_at']}, id {event['event']}: {reason}"
        self.console.store.audit.record(viewer.actor, "service.schedule_withdrawn", service, detail)
        message = f"Withdrawn for service {service}: a worker takes it out within moments."
        return Done(message, ui.address("/calendar"))


def show_calendar(document: Document, viewer: Viewer) -> Node:
    """The days with their counts, and the events of one list."""
    days, name, day = document["days"], document["list"], document["day"]
    chosen = {"days": len(days), "list": name, "day": day}
    counts = [
        {"Day": ui.link("/calendar", _weekday(at["day"]), days=len(days), day=at["day"])}
        | {
            _LISTS[does]: _count(at[does], days=len(days), day=at["day"], list=does)
            for does in DOES
        }
        for at in days
    ]
    rows = [_row(event, viewer) for event in document["events"]]
    when = f"on {day}" if day else f"within {len(days)} days"
    return [
        h.p["What is overdue counts as today's. Days are those of your time zone."],
        ui.table("By day", counts),
        h.h2[f"{_LISTS[name]} {when}"],
        _filter_form(chosen),
        ui.table("Scheduled events", rows),
        ui.pager("/calendar", document, **chosen),
    ]


def _weekday(day: str) -> str:
    return f"{date.fromisoformat(day):%a} {day}"


def _count(number: int, **query: object) -> Node:
    return ui.link("/calendar", str(number), **query) if number else "0"


def _row(event: Document, viewer: Viewer) -> dict[str, Node]:
    waits = event["state"] == "scheduled" and viewer.may(Role.OPERATOR)
    return {
        "Service": ui.service_link(event["service"]),
        "Takes effect": ui.moment(event["effective_at"], viewer),
        "Event": ui.badge(*_of_event(event)),
        "Router": ui.router_link(event.get("router")),
        "Customer": event.get("customer"),
        "Source": event.get("source"),
        "State": f"{event['state']} by {event['by']}" if "by" in event else event["state"],
        "Action": ui.link("/calendar/withdraw", "Withdraw", id=event["service"], key=event["key"])
        if waits
        else None,
    }


def _of_event(event: Document) -> tuple[str, str]:
    """A colour, and the short type of an event."""
    short = short_type(event["type"])
    return ("suspended" if event.get("cuts_off") else short), short


def _filter_form(chosen: Mapping[str, Any]) -> Node:
    days = h.input(name="days", type="number", min="1", max=_MOST_DAYS, value=chosen["days"])
    return h.form(".filter", action=f"{ui.ROOT}/calendar", role="search", aria_label="Filter")[
        h.label["Days", days], ui.choice("What", "list", _LISTS, chosen["list"]), h.button["Show"]
    ]


def show_withdrawal(document: Document, viewer: Viewer) -> Node:
    """What would not happen, and the form that withdraws it."""
    service = document["service"]
    hidden = {"id": service, "key": document["key"]}
    cut_off = document["does"] == "cut_off"
    return [
        h.p[
            f"Service {service} stays as it is at that time. Correct the BSS too: it may send the "
            "event again with another id."
        ],
        ui.note("warning", "The customer is not cut off then.") if cut_off else None,
        ui.fields(
            ("Service", ui.service_link(service)),
            ("Status now", document["status"]),
            ("Customer", document.get("customer")),
            ("Router", document.get("router")),
            ("Event", document["type"]),
            ("Id", document["event"]),
            ("Source", document.get("source")),
            ("Takes effect", ui.moment(document["effective_at"], viewer)),
            ("Accepted", ui.moment(document.get("accepted_at"), viewer)),
            ("Lease", document.get("lease")),
        ),
        ui.confirm_form(viewer, "/calendar/withdraw", hidden, "Withdraw it", danger=True),
    ]
