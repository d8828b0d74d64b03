"""Situations as data: what is wanted and held, and the operations (or the reason) that follow.

One file a situation in `cases/`. Rows and entries have RouterOS's field names; unless given,
`block-access` is `no`, `server` is `dhcp1` and `client-id` is empty. `written` is the entry as last
written (`"entry"`: the same as wanted). `events` instead of `entry` are folded first.
"""

import json
from pathlib import Path

import pytest

from contracts import parse_event
from tests import builders
from worker.core.entry import Entry, placeholder_mac, wanted_entries
from worker.core.fold import fold
from worker.core.operations import Add, MakeStatic, Waiting
from worker.core.planner import Wanted, in_the_way, plan
from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord
from worker.core.rows import Lease
from worker.core.simulate import LeaseTable

CASES = sorted(Path(__file__).with_name("cases").glob("*.json"))
DEFAULTS = {"server": "dhcp1", "block-access": "no"}


def row_of(raw):
    fields = {**DEFAULTS, "client-id": "", **raw}
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
    return Wanted(entry, written, granted, None if granted else Waiting(*raw["refused_because"]))


def told(operation):
    """An operation as the files write it."""
    kind = {"MakeStatic": "make-static"}.get(type(operation).__name__, type(operation).__name__)
    told = {"do": kind.lower(), "service": operation.service_id}
    if not isinstance(operation, Add):
        told["row"] = operation.row_id
    if hasattr(operation, "fields"):
        told["fields"] = dict(operation.fields)
    if operation.needs:
        told["needs"] = sorted(operation.needs)
    return told


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

    made = plan(wanted, rows, policy)
    phases = [[told(operation) for operation in phase] for phase in made.phases]
    assert phases == expected_phases(expected.get("phases", []))
    assert made.reason == expected.get("reason", "writes")
    waiting = {service: [why.reason, why.detail] for service, why in made.waiting.items()}
    assert waiting == expected.get("waiting", {})
    notes = [[note.service_id, note.kind, note.detail] for note in made.notes]
    assert notes == expected.get("notes", [])
    assert in_the_way(wanted, rows, policy) == set(expected.get("in_the_way", []))

    # What an operation says the row held is what was read.
    read = {row.id: {**row.fields, "comment": row.comment} for row in rows}
    table = LeaseTable(rows)
    for operation in made.operations():
        if not isinstance(operation, Add):
            assert operation.was.items() <= read[operation.row_id].items()
            assert isinstance(operation, MakeStatic) or operation.was
        table.apply(operation)
    assert not plan(wanted, table.rows(), policy, made.surplus).phases


def test_there_are_cases():
    assert len(CASES) >= 25
