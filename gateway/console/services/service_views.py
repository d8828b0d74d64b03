"""Pages `services` and `service` as HTML."""

import re
from collections.abc import Mapping
from typing import Final

import htpy as h
from htpy import Node

from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Viewer
from worker.admin.json_fields import clean
from worker.core.entry.brake import HELD
from worker.core.storage_format import short_type

_is_time: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)")


def services(document: Document, viewer: Viewer) -> Node:
    """The search and a page of what it found."""
    del viewer
    text, router, index = document["q"], document["router"], document["index"]
    found = [_found(row) for row in document["services"]]
    if router:
        empty, caption = "none is known.", f"Services of router {clean(router)}"
    else:
        empty = "none has it. `leasewire why` also searches rows of routers, and the journal."
        caption = f"Services with {clean(text)}"
    return [
        h.form(".filter", action=f"{ui.ROOT}/services", role="search", aria_label="Services")[
            h.label[
                "Id, MAC, IP, prefix, customer, or part of a label",
                h.input(name="q", value=clean(text), maxlength="100", type="search"),
            ],
            h.button["Find"],
        ],
        None if index["complete"] else _filling(index["services"]),
        ui.table(caption, found, ui.with_code(empty))
        if text.strip() or router
        else h.p(".dim")[
            f"{index['services']:,} services are known. A part has 3 characters or more."
        ],
        ui.pager("/services", document, q=text, router=router),
    ]


def _filling(services_so_far: int) -> h.Element:
    return ui.note(
        "warning",
        f"The search reads all services since the gateway started: {services_so_far:,} so far. "
        "A whole id is found already; anything else may be missing.",
    )


def _found(row: Document) -> dict[str, Node]:
    return {
        "Service": ui.service_link(row["service"]),
        "Status": ui.badge(row["status"]),
        "Sync": ui.badge(row["sync"]) if "sync" in row else None,
        "Router": ui.router_link(row.get("router")),
        "MAC": row.get("mac"),
        "Address": _addresses(row),
        "Customer": row.get("customer"),
        "Label": clean(row.get("label")),
        "Why": clean(row.get("detail") or row.get("reason")),
    }


def _addresses(row: Document) -> Node:
    """The address of a service, and under it its IPv6 prefix."""
    prefix = row.get("prefix")
    return [row.get("address"), h.br, prefix] if prefix else row.get("address")


def service(document: Document, viewer: Viewer) -> Node:
    """One service. The page asks again by itself while a read runs or an event is on its way."""
    is_moving = document["reading"].get("running") or document["changing"]
    again = ui.reload_soon(ui.address("/service", id=document["service"]), "#service")
    return h.div(again if is_moving else {}, id="service")[
        _why(document, viewer),
        ui.fields(
            ("Status", ui.badge(document["status"])),
            ("Router", ui.router_link(document["router"])),
            *((f"Assigned {kind}", at) for kind, at in document.get("assigned", {}).items()),
            ("Customer", _customer(document["customer"])),
            ("Label", clean(document["label"])),
            ("Source", document["owner"]),
        ),
        _actions(document, viewer),
        _on_routers(document, viewer),
        _waits_for(document["waits_for"]),
        _timeline(document, viewer),
        _events(document, viewer),
        _values(document),
    ]


def _why(document: Document, viewer: Viewer) -> Node:
    further = [device["why"] for device in document["further_devices"]]
    return [
        h.div(".note.ok" if why["code"] == "all-well" else ".note.warning")[
            h.p[h.strong[with_times(clean(why["sentence"]), viewer)]],
            h.p["What to do: ", ui.with_code(clean(why["advice"])), "."] if why["advice"] else None,
        ]
        for why in (document["why"], document.get("why_ipv6"), *further)
        if why and why["sentence"]
    ]


def with_times(text: str, viewer: Viewer) -> Node:
    """A sentence whose times are shown in the reader's zone."""
    parts = _is_time.split(text)
    return [ui.moment(part, viewer) if number % 2 else part for number, part in enumerate(parts)]


def _actions(document: Document, viewer: Viewer) -> Node:
    if not viewer.may("operator") or not document["actions"]:
        return None
    return h.div(".actions")[
        [
            h.a(".button", href=ui.address(f"/service/{action}", id=document["service"]))[
                f"{action.capitalize()} …"
            ]
            for action in document["actions"]
        ]
    ]


def _on_routers(document: Document, viewer: Viewer) -> Node:
    states = [
        {
            "Router": ui.router_link(row["router"]),
            "Sync": ui.badge(row["sync"]),
            "Its row there": "wanted" if row["wanted"] else "to be cleaned",
            "Since": ui.moment(row.get("since"), viewer),
            "Why": _why_there(row, document["service"]),
            "Lease": clean(row.get("lease")),
        }
        for row in document["routers"]
    ]
    devices = [
        {
            "Row": row["row"],
            "Router": ui.router_link(row["router"]),
            "Status": row.get("status"),
            "Device": " ".join(filter(None, (row.get("active_mac"), row.get("active_address")))),
            "Ends in": f"{row['expires_in_s']:,} s" if "expires_in_s" in row else None,
            "Whose": clean(row["whose"]),
        }
        for row in _of_all_devices("rows", document)
    ]
    return [
        h.h2["On its routers"],
        ui.table("Routers", states, "it is on no router."),
        _compared(document),
        _read(document, viewer),
        ui.table("Rows and devices, as read", devices) if devices else None,
    ]


def _why_there(row: Document, service_id: str) -> Node:
    """Why a service is not in sync on a router, and where a person decides."""
    why = clean(row.get("detail") or row.get("reason"))
    if row["sync"] == "failed":
        return [
            why,
            " ",
            ui.link("/dead-letter", "Dead letter", id=f"{service_id}@{row['router']}"),
        ]
    return [why, " ", ui.link("/approvals", "Approvals")] if row.get("reason") == HELD else why


def _compared(document: Document) -> Node:
    return ui.table(
        "Wanted, last written, and as read just now",
        [
            {
                "Field": f"{row['device']} {row['field']}" if "device" in row else row["field"],
                "Router": ui.router_link(row["router"]),
                "Wanted": row.get("wanted"),
                "Last written": row.get("written"),
                "On the router": row.get("read") if row.get("was_read") else "not read",
                "Same": _agreement(row),
            }
            for row in _of_all_devices("compared", document)
        ],
        "nothing is wanted, and nothing was written.",
    )


def _of_all_devices(name: str, document: Document) -> list[Document]:
    """The rows of a table about a service, and about each further device of it."""
    further = document["further_devices"]
    named = [{**row, "device": device["device"]} for device in further for row in device[name]]
    return [*document[name], *named]


def _agreement(row: Document) -> Node:
    """Whether the columns agree, as far as they are known; reads show rows of leases alone."""
    known = {row.get("wanted", ""), row.get("written", "")}
    if row.get("was_read") and "read" in row:
        known.add(row["read"])
    return ui.badge("ok", "yes") if len(known) == 1 else ui.badge("warning", "no")


def _read(document: Document, viewer: Viewer) -> Node:
    reading, service_id = document["reading"], document["service"]
    if reading.get("running"):
        return ui.being_read(ui.address("/service", id=service_id))
    read_at = reading.get("read_at")
    return [
        ui.note("warning", "It could not be read: ", clean(reading["error"]))
        if "error" in reading
        else None,
        h.form(".actions", action=f"{ui.ROOT}/service")[
            h.input(type="hidden", name="id", value=service_id),
            h.input(type="hidden", name="read", value="again"),
            h.span(".dim")["Read at ", ui.moment(read_at, viewer)]
            if read_at
            else h.span(".dim")["Not read from the router."],
            h.button["Read again" if read_at else "Read the router"],
        ],
    ]


def _waits_for(holders: list[Document]) -> Node:
    rows = [
        {
            "Held": holder["claim"],
            "By service": ui.service_link(holder["service_id"]),
            "Status": ui.badge(holder["status"]),
            "Sync": ui.badge(holder["sync"]),
            "Why": clean(holder.get("why")),
        }
        for holder in holders
    ]
    return [h.h2["What it waits for"], ui.table("Holders", rows)] if rows else None


def _timeline(document: Document, viewer: Viewer) -> Node:
    rows = [
        {
            "At": ui.moment(entry.get("at"), viewer),
            "What": clean(entry["what"]),
            "Details": details(entry),
        }
        for entry in document["timeline"]
    ]
    return [
        h.h2["Timeline"],
        ui.table("What happened, the oldest first", rows, "nothing yet."),
    ]


def details(entry: Document) -> str:
    """The further fields of an entry of a timeline, in one line."""
    shown = {name: value for name, value in entry.items() if name not in ("at", "what") and value}
    return "; ".join(
        f"{name} {short_type(value) if name == 'type' else value_text(value)}"
        for name, value in shown.items()
    )


def value_text(value: object) -> str:
    """A value of JSON in one line."""
    match value:
        case Mapping():
            parts = [f"{name} {value_text(part)}" for name, part in value.items() if part]
            return ", ".join(parts) or "yes"
        case list():
            return ", ".join(map(value_text, value))
        case bool():
            return "yes" if value else "no"
        case _:
            return clean(value)


def _events(document: Document, viewer: Viewer) -> Node:
    coming = [
        {
            "Takes effect": ui.moment(event["effective_at"], viewer),
            "Event": event["event"],
            "Type": short_type(event["type"]),
            "State": ui.badge(event["state"]),
            "Lease until then": clean(event.get("lease")),
        }
        for event in document["scheduled"]
    ]
    rows = [
        {
            "Event": event["event"],
            "Type": short_type(event["type"]),
            "State": ui.badge(event["state"]),
            "Acts": ui.badge(event["effect"]["state"], event["effect"]["state"].replace("-", " "))
            if "effect" in event
            else None,
            "At": ui.moment(event["at"], viewer),
            "Details": clean(event.get("detail") or event.get("reason")),
        }
        for event in document["events"]
    ]
    return [
        [h.h2["Scheduled"], ui.table("Scheduled events", coming)] if coming else None,
        h.h2["Events"],
        ui.table("Last events", rows),
    ]


def _values(document: Document) -> Node:
    rows = [
        {
            "Value of": name,
            "Value": value_text(register["value"]),
            "Set by event": register["event"],
        }
        for name, register in document["registers"].items()
        if register["value"] not in (None, [])
    ]
    return [h.h2["Values"], ui.table("As events set them", rows)]


def _customer(customer: str | None) -> Node:
    return ui.link("/services", customer, q=customer) if customer else None
