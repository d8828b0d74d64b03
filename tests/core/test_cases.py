"""Situations as data: what is wanted and held, and the operations (or the reason) that follow.

One file a situation in `cases/`. Rows and entries have RouterOS's field names; unless given,
`block-access` is `no`, `server` is `dhcp1` and the rest is empty. `written` is the entry as last
written (`"entry"`: the same as wanted), `listed` what list rows were noted. `events` instead of
`entry` are folded first. `bindings` are those as last written. Rows and operations of another menu
than the leases name it.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.parse import parse_event
from tests import builders
from tests.core.simulate import Tables
from worker.core.entry.entry import Entry, placeholder_mac
from worker.core.entry.wanted import wanted_entries
from worker.core.plan.member import Wanted
from worker.core.plan.planner import in_the_way, plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.menus import BINDING, QUEUE
from worker.core.rows.operations import Add, MakeStatic, Move, Waiting
from worker.core.rows.queues import QueueRow
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    BINDINGS,
    LEASES,
    OPTIONS,
    QUEUES,
    BindingRow,
    Lease,
    ListedAddress,
    ListPlace,
    OptionRow,
)
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord

CASES = sorted(Path(__file__).with_name("cases").glob("*.json"))
DEFAULTS = {"server": "dhcp1", "block-access": "no"}
OF_BINDINGS = {"dynamic", "disabled", "radius", "status", "client_address", "client_mac"}
OF_BINDINGS |= {"last_seen_s", "expires_in_s"}
EMPTY = ("client-id", "rate-limit", "lease-time", "address-lists", "dhcp-option")


def row_of(raw):
    if raw.get("menu") == QUEUES:
        fields = {name: raw.get(name, default) for name, default in QUEUE.defaults.items()}
        flags = {name: raw.get(name, False) for name in ("dynamic", "disabled")}
        return QueueRow(raw["id"], fields, raw.get("comment", ""), place=raw["place"], **flags)
    if raw.get("menu") == BINDINGS:
        fields = {name: raw.get(name, default) for name, default in BINDING.defaults.items()}
        others = {name: raw[name] for name in raw.keys() & OF_BINDINGS}
        return BindingRow(raw["id"], fields, raw.get("comment", ""), **others)
    if "menu" in raw:
        kind = OptionRow if raw["menu"] == OPTIONS else ListedAddress
        fields = {name: raw[name] for name in raw.keys() - {"id", "menu", "comment", "dynamic"}}
        return kind(raw["id"], fields, raw.get("comment", ""), dynamic=raw.get("dynamic", False))
    fields = {**DEFAULTS, **dict.fromkeys(EMPTY, ""), **raw}
    flags = {name: fields.pop(name, False) for name in ("dynamic", "disabled", "radius")}
    return Lease(fields.pop("id"), fields, fields.pop("comment", ""), **flags)


def record_of(service_id, events):
    record = ServiceRecord(service_id)
    for revision, event in enumerate(events, 1):
        kind, given = next(iter(event.items()))
        raw = getattr(builders, kind)(service_id, revision=revision, **given)
        record = fold(record, parse_event(raw), builders.version_of(raw)).record
    return record


def wanted_of(service_id, raw, policy):
    if "events" in raw:
        entry = wanted_entries(record_of(service_id, raw["events"]), {"R1": policy})["R1"]
    else:
        fields = raw["entry"]
        fields = None if fields is None else {**DEFAULTS, **fields}
        entry = Entry(service_id, fields, raw.get("label", ""))
    written = raw.get("written")
    if written is not None:
        written = entry.fields if written == "entry" else {**DEFAULTS, **written}
    granted = "refused_because" not in raw
    return Wanted(
        entry,
        written,
        granted,
        None if granted else Waiting(*raw["refused_because"]),
        frozenset(ListPlace(*place) for place in raw.get("listed", ())),
        bindings=tuple(OwnBinding(**fields) for fields in raw.get("bindings", ())),
    )


def notified(operation):
    """An operation as the files write it."""
    kind = {"MakeStatic": "make-static"}.get(type(operation).__name__, type(operation).__name__)
    notified = {"do": kind.lower(), "service": operation.service_id}
    if not isinstance(operation, Add):
        notified["row"] = operation.row_id
    if isinstance(operation, Move):
        notified["before"] = operation.before
    if hasattr(operation, "fields"):
        notified["fields"] = dict(operation.fields)
    if operation.menu != LEASES:
        notified["menu"] = operation.menu
    if operation.needs:
        notified["needs"] = sorted(operation.needs)
    return notified


def place(operation):
    """Where an operation puts an address."""
    if isinstance(operation, Add) and operation.menu in (ADDRESS_LISTS, ADDRESS_LISTS6):
        return ListPlace(operation.fields["list"], operation.fields["address"])
    return None


def expected_phases(phases):
    """The files write `placeholder` for the MAC that stands for none."""
    for phase in phases:
        for operation in phase:
            fields = operation.get("fields", {})
            if fields.get("mac-address") == "placeholder":
                fields["mac-address"] = placeholder_mac(operation["service"])
    return phases


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path):
    case = json.loads(path.read_text())
    policy = RouterPolicy(**{"installation": "acme", **case.get("policy", {})})
    wanted = [wanted_of(service_id, raw, policy) for service_id, raw in case["wanted"].items()]
    rows = [row_of(raw) for raw in case["rows"]]
    expected = case["expected"]

    made = plan(wanted, RowIndex(rows, policy.installation), policy)
    phases = [[notified(operation) for operation in phase] for phase in made.phases]
    assert phases == expected_phases(expected.get("phases", []))
    assert made.reason == expected.get("reason", "writes")
    waiting = {service: [why.reason, why.detail] for service, why in made.waiting.items()}
    assert waiting == expected.get("waiting", {})
    notes = [[note.service_id, note.kind, note.detail] for note in made.notes]
    assert notes == expected.get("notes", [])
    assert in_the_way(wanted, RowIndex(rows, policy.installation)) == set(
        expected.get("in_the_way", [])
    )

    # What an operation says the row held is what was read.
    read = {(row.menu, row.id): {**row.fields, "comment": row.comment} for row in rows}
    table = Tables(rows)
    for operation in made.operations:
        if not isinstance(operation, Add):
            assert operation.was.items() <= read[operation.menu, operation.row_id].items()
            assert isinstance(operation, MakeStatic) or operation.was
        table.apply(operation)
    if any(operation.menu == QUEUES for operation in made.operations):
        return  # the next step needs a read of the router (tests/converge/test_own_queues.py)
    noted = {o.service_id: {place(o)} for o in made.operations if place(o) is not None}
    wanted = [
        replace(
            w,
            listed=w.listed | noted.get(w.entry.service_id, set()),
            bindings=made.bindings.get(w.entry.service_id, ()),
        )
        for w in wanted
    ]
    assert not plan(
        wanted, RowIndex(table.rows(), policy.installation, made.duplicates), policy
    ).phases


def test_there_are_cases():
    assert len(CASES) >= 25
