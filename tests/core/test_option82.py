"""Leases of devices that are known by the ids of DHCP option 82: words, entries, claims, plans."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractViolation
from contracts.parse import parse_event
from producers.fields import event_of
from tests import builders
from tests.builders import ipv4, mac
from worker.core.effect.means import addresses_to_cut, kinds_of, needs_reconfigure
from worker.core.entry.brake import loss_of
from worker.core.entry.entry import Claim, Entry, placeholder
from worker.core.entry.wanted import DEFAULT_KIND, placed, wanted_entries
from worker.core.full_read.adoption import KnownServices, sort_rows
from worker.core.plan.member import Wanted
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.menus import lacking
from worker.core.rows.normal import agent_id
from worker.core.rows.option82 import hex_of, joined, parted, spelled_ids
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import NO_MAC, OPTION_82, Lease, device_of
from worker.core.service.fold import fold
from worker.core.service.formats import STORE_FORMATS
from worker.core.service.record import ServiceRecord
from worker.core.service.record_format import record_from_json, record_to_json

POLICY = RouterPolicy("acme", identify_by="option-82")
IDS = {"circuit_id": "eth 0/3", "remote_id": "olt-7"}
JOINED = "eth 0/3+olt-7"
MENU = "/ip/dhcp-server/lease"


def activated(**device):
    return builders.activated(device=device)


def record_of(*raws):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), builders.version_of(raw)).record
    return placed(record, {})


def entry_of(*raws, policy=POLICY):
    return wanted_entries(record_of(*raws), {"R1": policy})["R1"]


def fields_of(ids, number=10, **more):
    place = {"address": ipv4(number), "server": "dhcp1", "block-access": "no"}
    return {"mac-address": NO_MAC, OPTION_82: ids, **place, **more}


def row(row_id, fields, service="", **more):
    return Lease(row_id, fields, f"leasewire:acme:{service}" if service else "", **more)


def planned(wanted, *rows):
    return plan(wanted, RowIndex(rows, "acme"), POLICY)


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_the_ids_of_a_row_are_those_of_its_value(circuit, remote):
    value = joined(circuit.hex(), remote.hex())
    assert parted(value) == (circuit.hex(), remote.hex())
    assert tuple(map(hex_of, spelled_ids(value))) == (circuit.hex(), remote.hex())
    assert value.count("+") == bool(value)
    assert "|" not in value  # of the names of waiters
    assert value.isprintable()


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1), st.booleans())
def test_an_id_is_text_or_bytes(text, as_bytes):
    given_id = f"0x{text.encode().hex()}" if as_bytes else text
    assert hex_of(given_id) == (hex_of(text) if as_bytes else hex_of(given_id))
    assert hex_of("0x00A1") == "00a1"
    assert hex_of("0x00a") == b"0x00a".hex()


@pytest.mark.parametrize("spelled", ["616263", "0x616263", "0X616263", "abcé"])
def test_however_a_router_shows_an_id_its_normal_form_is_hex(spelled):
    assert agent_id(spelled) in ("616263", "abcé".encode().hex())
    assert agent_id(agent_id(spelled)) == agent_id(spelled)


def test_a_device_needs_a_mac_or_an_id():
    for device in ({"mac": mac(1)}, {"circuit_id": "c"}, {"remote_id": "r"}, IDS):
        parse_event(activated(**device))
    for device in ({}, {"serial": "HX1"}, {"circuit_id": None}):
        with pytest.raises(ContractViolation) as raised:
            parse_event(activated(**device))
        (problem,) = raised.value.problems
        assert (problem.pointer, problem.code) == ("/data/service/device/mac", "missing")
        assert "circuit_id or remote_id" in problem.message
    with pytest.raises(ContractViolation) as raised:
        parse_event(activated(circuit_id="\x00"))
    assert [p.pointer for p in raised.value.problems] == ["/data/service/device/circuit_id"]


@pytest.mark.parametrize("more", [{}, {"mac": mac(1)}])
def test_a_service_with_ids_has_a_row_without_a_mac(more):
    entry = entry_of(activated(**IDS, **more))
    assert (entry.missing, entry.fields["mac-address"], entry.fields[OPTION_82]) == (
        None,
        NO_MAC,
        JOINED,
    )
    assert entry.claims == {
        Claim(f"option-82:{JOINED}", "dhcp1"),
        Claim(f"address:{ipv4(10)}", "all"),
    }
    own = DEFAULT_KIND.own_fields(entry.fields)
    assert (own["agent-circuit-id"], own["agent-remote-id"]) == (b"eth 0/3".hex(), b"olt-7".hex())
    assert DEFAULT_KIND.as_lease(own) == entry.fields
    assert OPTION_82 in entry.needs[MENU]
    assert lacking(DEFAULT_KIND.menu, "7.21") == {}
    too_new = lacking(DEFAULT_KIND.menu, "7.20.8")
    assert too_new == {OPTION_82: f"field option-82 of {MENU} (RouterOS 7.21 and later)"}


def test_one_without_ids_has_its_mac_also_where_routeros_knows_no_ids():
    entry = entry_of(activated(mac=mac(1)))
    assert (entry.fields["mac-address"], entry.fields[OPTION_82]) == (mac(1), "")
    assert OPTION_82 not in entry.needs[MENU]
    assert OPTION_82 in entry_of(activated(**IDS)).needs[MENU]
    (added,) = planned([Wanted(entry)]).operations
    assert added.fields.keys() == {*("mac-address", "address", "server", "block-access", "comment")}


def test_a_router_that_goes_by_macs_ignores_ids_and_waits_for_a_mac():
    by_mac = replace(POLICY, identify_by="mac")
    entry = entry_of(activated(mac=mac(1), **IDS), policy=by_mac)
    assert (entry.fields["mac-address"], OPTION_82 in entry.fields) == (mac(1), False)
    waits = entry_of(activated(**IDS), policy=by_mac).missing
    assert waits.reason == "no-device"
    assert 'where identify_by is "option-82"' in waits.detail


def test_ids_for_which_option_82_has_no_room_are_not_written():
    assert entry_of(activated(circuit_id="c" * 251)).missing is None
    missing = entry_of(activated(circuit_id="c" * 251, remote_id="r")).missing
    assert missing.reason == "not-expressible"


def test_going_back_to_macs_clears_the_ids():
    record = record_of(activated(mac=mac(1), **IDS))
    at = record.placements["R1"]._replace(written=fields_of(JOINED))
    record = record._replace(placements={"R1": at})
    by_mac = replace(POLICY, identify_by="mac")
    entry = wanted_entries(record, {"R1": by_mac})["R1"]
    found = row("*1", fields_of(JOINED), "SVC-1")
    (change,) = planned([Wanted(entry, written=at.written)], found).operations
    assert change.fields == {"mac-address": mac(1), OPTION_82: ""}
    assert DEFAULT_KIND.own_fields(change.fields) == {
        "mac-address": mac(1),
        "agent-circuit-id": "",
        "agent-remote-id": "",
    }


def test_a_row_by_mac_becomes_one_by_ids_in_place_and_nobody_loses_connections():
    record = record_of(activated(mac=mac(1), **IDS))
    before = {**fields_of("", **{"mac-address": mac(1)}), "client-id": "1:0"}
    at = record.placements["R1"]._replace(written=before, seen_ms=1)
    record = record._replace(placements={"R1": at})
    entry = wanted_entries(record, {"R1": POLICY})["R1"]
    (change,) = planned([Wanted(entry, written=before)], row("*1", before, "SVC-1")).operations
    assert change.fields == {"mac-address": NO_MAC, OPTION_82: JOINED, "client-id": ""}
    assert addresses_to_cut(record, "R1", entry) == frozenset()
    assert kinds_of(entry, record, before, ()) == ("mac",)
    assert not needs_reconfigure(record, "R1", entry, POLICY, None)


def test_the_brake_counts_a_device_that_events_take_away_and_no_change_of_the_policy():
    policies = {"R1": POLICY}

    def loss(before, *events):
        record = record_of(*events)
        at = record.placements["R1"]._replace(written=before, seen_ms=1)
        return loss_of(record._replace(placements={"R1": at}), policies)

    by_mac = fields_of("", **{"mac-address": mac(1)})
    both, ids = activated(mac=mac(1), **IDS), activated(**IDS)
    assert loss(by_mac, both) is None
    assert loss(fields_of(JOINED), both) is None
    assert loss(fields_of(JOINED), ids) is None
    assert loss(by_mac, ids).kind == "replaced"
    assert loss(fields_of("eth 0/4+olt-7"), ids).kind == "replaced"


def test_two_services_at_one_port_and_who_goes_first():
    made = planned([Wanted(Entry(name, fields_of(JOINED, n))) for n, name in enumerate("AB", 1)])
    assert (made.waiting["B"].reason, "option-82" in made.waiting["B"].detail) == (
        "claim-held",
        True,
    )


@pytest.mark.parametrize("mac_too", [NO_MAC, mac(9)])
def test_a_row_of_others_with_the_ids_is_waited_for_and_stays(mac_too):
    theirs = row("*1", fields_of(JOINED, 1, **{"mac-address": mac_too}))
    made = planned([Wanted(Entry("A", fields_of(JOINED, 2)))], theirs)
    assert (made.phases, made.waiting["A"].reason) == ((), "foreign-row")
    other = planned([Wanted(Entry("A", fields_of("eth 0/4+olt-7", 2)))], theirs)
    assert [type(op).__name__ for op in other.operations] == ["Add"]


def test_services_that_exchange_ports_in_a_ring_never_share_one():
    ids = ["eth 0/1+n", "eth 0/2+n", "eth 0/3+n"]
    names = "ABC"
    before = {name: fields_of(ids[n], n + 1) for n, name in enumerate(names)}
    after = {name: fields_of(ids[(n + 1) % 3], n + 1) for n, name in enumerate(names)}
    rows = {name: row(f"*{n}", before[name], name) for n, name in enumerate(names, 1)}
    wanted = [Wanted(Entry(name, after[name]), written=before[name]) for name in names]
    held = {row.id: row.device for row in rows.values()}
    made = planned(wanted, *rows.values())
    for phase in made.phases:
        for operation in phase:
            held[operation.row_id] = operation.fields[OPTION_82]
            assert len(set(held.values())) == 3
    assert list(held.values()) == [*ids[1:], ids[0]]
    assert len(made.operations) == 4
    free = placeholder({OPTION_82: ""}, "A")
    assert free.startswith("0x02")
    assert device_of({"mac-address": NO_MAC, OPTION_82: free}) == free
    # and after a crash in between
    half = [row("*1", {**before["A"], OPTION_82: free}, "A"), rows["B"], rows["C"]]
    assert [op.service_id for op in planned(wanted, *half).operations][-1] == "A"


def test_a_row_in_use_is_adopted_by_its_ids():
    known = KnownServices({"A": Entry("A", fields_of(JOINED, 1))}, {"x+": "of X"}, {"A"})
    rows = [row("*1", fields_of(JOINED, 9)), row("*2", fields_of("x+")), row("*3", fields_of("y+"))]
    found = sort_rows(rows, known, "acme")
    assert [each.sort for each in found] == ["adopt", "conflict", "foreign"]
    assert found[2].reason == "no service has its option-82 or its address"
    said = DEFAULT_KIND.said_by(rows[0], POLICY)
    assert said == {"dhcp_server": "dhcp1", "ipv4": ipv4(9), **IDS}
    only_circuit = DEFAULT_KIND.said_by(rows[2], POLICY)
    assert event_of({"service_id": "S", "router": "R1", **only_circuit})["data"]["service"][
        "device"
    ] == {"circuit_id": "y"}


@pytest.mark.parametrize("device", [IDS, {"mac": mac(1), **IDS}, {"mac": mac(1)}])
def test_an_older_version_does_not_take_such_a_record_for_one_of_a_mac(device):
    record = record_of(activated(**device))
    (formats,) = STORE_FORMATS.values()
    text = record_to_json(record, 1)
    assert (f'"format":{formats.login},' in text) == ("mac" not in device)
    assert record_from_json(text, "SVC-1") == record
    entry = wanted_entries(record, {"R1": POLICY})["R1"]
    at = record.placements["R1"]._replace(written=entry.fields)
    written = record._replace(placements={"R1": at})
    text = record_to_json(written, 1)
    assert f'"format":{formats.login},' in text
    assert record_from_json(text, "SVC-1") == written
