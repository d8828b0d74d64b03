"""The record as text, and what becomes of the events that wait for a router."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests import builders
from tests.builders import activated, mac_changed, suspended, version_of
from tests.strategies import events
from worker.core.rows.bindings import IAS, OwnBinding
from worker.core.rows.queues import MAY_BE_THERE, OwnQueue
from worker.core.rows.rows import ListPlace
from worker.core.service.event_ref import NEVER, EventRef, Version
from worker.core.service.fold import fold
from worker.core.service.own_version import own_version
from worker.core.service.record import ServiceRecord, Settled, place, settle
from worker.core.service.record_format import REGISTER_CODES, record_from_json, record_to_json
from worker.core.service.record_parts import (
    DEFAULTS,
    Assigned,
    LeftValue,
    PendingEvent,
    Placement,
    RowsAt,
    ShortLease,
    Unassigned,
)
from worker.core.storage_format import FIRST_STORE_FORMAT, UnknownFormatError

texts = st.text(max_size=8)


short_leases = st.builds(ShortLease, texts, st.integers(0, 2**41), st.none() | texts)
queues = st.builds(OwnQueue, texts, texts, texts, texts, texts, texts) | st.just(MAY_BE_THERE)
rest = st.none() | texts
PLAIN = Placement(None)[2:]
bindings = st.builds(
    OwnBinding, st.sampled_from(IAS), texts, texts, texts, texts, texts, rest, rest, rest, rest
)
leases = st.sampled_from(["mac-address", "address", "server", "block-access", "dhcp-option"])


def usual(record):
    """Values that fields of a lease mostly have."""
    address = record.value("address") or {}
    said = [record.value("mac"), record.value("dhcp_server"), address.get("ipv4"), "no", ""]
    said += [given.value for given in record.assigned.values()]
    return st.sampled_from([each for each in said if isinstance(each, str)])


@st.composite
def records(draw):
    record = ServiceRecord("SVC-1", owner=draw(st.none() | texts))
    pending = []
    for raw in draw(st.lists(events(), max_size=4)):
        version = version_of(raw, local=draw(st.integers(0, 2)))
        folded = fold(record, parse_event(raw), version)
        record = folded.record
        said = raw["id"], raw["source"], raw["type"]
        ref = EventRef(draw(texts), *said, draw(st.integers(0, 2**53)), draw(st.booleans()))
        waiting = PendingEvent(ref, tuple(sorted(folded.wrote)), version)
        pending.append(waiting)
    written = st.none() | st.dictionaries(texts | leases, texts | usual(record), max_size=5)
    listed = st.frozensets(st.builds(ListPlace, texts, texts), max_size=2)
    further = st.builds(Placement, written, listed, *map(st.just, PLAIN))
    placements = draw(
        st.dictionaries(
            texts,
            st.builds(
                Placement,
                written,
                listed,
                st.integers(0, 2**41),
                st.none() | short_leases,
                st.none() | queues,
                st.lists(bindings, max_size=2).map(tuple),
                st.dictionaries(st.sampled_from("258"), further, max_size=2),
            ),
            max_size=3,
        )
    )
    return record._replace(
        placements=placements,
        pending=tuple(pending),
        last_event_ms=draw(st.integers(0, 2**53)),
        epoch=draw(st.integers(0, 2)),
        assigned=draw(
            st.dictionaries(
                st.sampled_from(["address", "prefix"]), st.builds(Assigned, texts, texts)
            )
        ),
        unassigned=draw(
            st.dictionaries(
                st.sampled_from(["address", "prefix"]), st.builds(Unassigned, texts, texts, texts)
            )
        ),
        left=draw(
            st.lists(
                st.builds(LeftValue, texts, texts, st.integers(0, 2**53), st.tuples(texts, texts)),
                max_size=2,
            ).map(tuple)
        ),
        rows_at=draw(st.none() | st.builds(RowsAt, texts, texts)),
        highest=draw(st.just(record.highest) | st.just(record.highest._replace(local=9))),
    )


@given(records())
def test_a_record_comes_back_from_text_as_it_was(record):
    text = record_to_json(record, FIRST_STORE_FORMAT)
    read = record_from_json(text, record.service_id)
    assert read == record
    assert record_to_json(read, FIRST_STORE_FORMAT) == text


def test_bytes_that_a_router_gave_survive():
    record = place(ServiceRecord("SVC-1"), "R1")._replace(
        placements={"R1": Placement({"x": "\udce9"})}
    )
    assert (
        record_from_json(record_to_json(record, FIRST_STORE_FORMAT).encode().decode(), "SVC-1")
        == record
    )


def test_a_record_is_small():
    raw = activated(customer_id="C-501", revision=1_700_000_000_000_000)
    record = fold(ServiceRecord("SVC-1001", owner=raw["source"]), parse_event(raw), version_of(raw))
    assert len(record_to_json(place(record.record, "R1"), FIRST_STORE_FORMAT)) < 325


def test_a_lease_as_its_registers_say_takes_a_few_letters():
    raw = activated(mac=builders.mac(1), ipv4=builders.ipv4(1), router="R1", server="dhcp1")
    record = fold(ServiceRecord("SVC-1"), parse_event(raw), version_of(raw)).record
    lease = {"mac-address": builders.mac(1), "address": builders.ipv4(1), "server": "dhcp1"}
    lease |= {"block-access": "no", "dhcp-option": ""}
    written = record._replace(placements={"R1": Placement(lease)})
    assert json.loads(record_to_json(written, FIRST_STORE_FORMAT))["at"] == {"R1": "madbo"}
    assert record_from_json(record_to_json(written, FIRST_STORE_FORMAT), "SVC-1") == written
    # What stands there stays so when another MAC is wanted.
    later = fold(written, parse_event(event := mac_changed(mac=builders.mac(2))), version_of(event))
    text = record_to_json(later.record, FIRST_STORE_FORMAT)
    assert json.loads(text)["at"] == {"R1": ["adbo", {"mac-address": builders.mac(1)}]}
    assert record_from_json(text, "SVC-1").placements == written.placements


def test_an_assigned_address_on_its_row_takes_a_letter_too():
    raw = builders.event("activated", service=builders.service_block())
    raw["data"]["service"]["address"] = {"mode": "assigned", "pool": "home"}
    record = fold(ServiceRecord("SVC-1"), parse_event(raw), version_of(raw)).record
    given = {"address": Assigned("home", "100.64.0.10")}
    lease = {"address": "100.64.0.10", "block-access": "no"}
    record = record._replace(assigned=given, placements={"R1": Placement(lease)})
    text = record_to_json(record, FIRST_STORE_FORMAT)
    assert json.loads(text)["at"] == {"R1": "ab"}
    assert json.loads(text)["assigned"] == {"address": ["home", "100.64.0.10"]}
    assert json.loads(text)["format"] == 4
    assert record_from_json(text, "SVC-1") == record


def test_a_record_without_ipv6_and_assigned_addresses_keeps_its_format():
    raw = builders.event("suspended", revision=1)
    record = fold(ServiceRecord("SVC-1"), parse_event(raw), version_of(raw)).record
    assert json.loads(record_to_json(record, FIRST_STORE_FORMAT))["format"] == 2


def test_every_register_has_a_letter_of_its_own():
    assert REGISTER_CODES.keys() == DEFAULTS.keys()
    assert len(set(REGISTER_CODES.values())) == len(REGISTER_CODES)
    assert all(len(code) == 1 and code.isalnum() for code in REGISTER_CODES.values())


def test_an_unknown_format_is_refused():
    raw = json.loads(record_to_json(ServiceRecord("SVC-1"), FIRST_STORE_FORMAT))
    with pytest.raises(UnknownFormatError, match="the record has format 9"):
        record_from_json(json.dumps({**raw, "format": 9}), "SVC-1")


def test_place_keeps_what_was_written_there():
    record = place(ServiceRecord("SVC-1"), "R1")
    assert record.placements == {"R1": Placement(None)}
    written = record._replace(placements={"R1": Placement({"address": builders.ipv4(10)})})
    assert place(written, "R1") == written
    assert place(written, "R2").placements.keys() == {"R1", "R2"}


def test_an_own_version_beats_all_that_was_said_and_loses_to_the_next_word():
    record = fold_outstanding(activated(revision=4))
    own = own_version(record, "0000", 17, ["mac"])
    assert record.highest < own < version_of(mac_changed(revision=5))
    assert own_version(record._replace(highest=own), "0000", 17, ["mac"]) > own
    assert NEVER < own_version(ServiceRecord("SVC-1"), "", 17, ["mac"]) < Version(0, 1, 0, "")
    assert own_version(ServiceRecord("SVC-1"), "", -5, ["mac"]) > NEVER


def pending(raw, wrote):
    ref = EventRef(f"k-{raw['id']}", raw["id"], raw["source"], raw["type"], 1)
    return PendingEvent(ref, tuple(sorted(wrote)), version_of(raw))


def fold_outstanding(*raws):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        folded = fold(record, parse_event(raw), version_of(raw))
        waiting = (*record.pending, pending(raw, folded.wrote))
        record = folded.record._replace(pending=waiting)
    return record


def test_an_event_of_which_a_register_still_stands_is_applied():
    first, second = activated(), mac_changed()
    record = fold_outstanding(first, second)
    after, settled = settle(record)
    assert after == record._replace(pending=())
    assert [(one.pending.event.id, one.outcome, one.by) for one in settled] == [
        (first["id"], "applied", None),
        (second["id"], "applied", None),
    ]


def test_an_event_of_which_nothing_stands_is_superseded_by_the_holder():
    overtaken, newest = mac_changed(revision=2), mac_changed(revision=3, mac=builders.mac(9))
    record = fold_outstanding(activated(), overtaken, newest, suspended(revision=4))
    _, settled = settle(record)
    assert settled[1] == Settled(record.pending[1], "superseded", newest["id"])
    assert [one.outcome for one in settled] == ["applied", "superseded", "applied", "applied"]


def test_an_event_overtaken_on_all_its_registers_names_the_newest_holder():
    first = activated(customer_id="C-1")
    again = activated(customer_id="C-1", revision=7, mac=builders.mac(3))
    newest = mac_changed(revision=8, customer_id="C-2")
    _, settled = settle(fold_outstanding(first, again, newest))
    assert (settled[0].outcome, settled[0].by) == ("superseded", newest["id"])


def test_an_event_that_had_nothing_to_write_is_applied():
    record = fold_outstanding(activated())._replace(pending=(pending(activated(), ()),))
    assert settle(record)[1][0].outcome == "applied"
