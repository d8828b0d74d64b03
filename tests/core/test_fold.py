"""What each event writes, and which event wins."""

import itertools

import pytest

from contracts.parse import parse_event
from tests import builders
from tests.builders import activated, cancelled, mac, mac_changed, resumed, snapshot, suspended
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import DEFAULTS, DEVICE_REGISTERS, Placement
from worker.core.service.writes import differing, writes_of

NOTHING_KNOWN = ServiceRecord("SVC-1")


def fold_all(*events, record=NOTHING_KNOWN):
    for raw in events:
        record = fold(record, parse_event(raw), builders.version_of(raw)).record
    return record


FULL = {
    "status": "active",
    "access": {"router": "R1", "dhcp_server": "dhcp1"},
    "device": {"mac": mac(1), "serial": "HX1", "circuit_id": "c-1", "remote_id": "r-1"},
    "address": {"mode": "pool", "pool": "cust"},
    "plan": {"code": "HOME-50", "down_kbps": 50000},
    "dns_servers": ["198.51.100.53"],
    "options": [{"code": 42, "hex": "C6336435"}],
    "label": "Device A",
    "ppp": {"name": "ada", "password": "pw"},
}


def further(*numbers):
    """Further devices with these numbers, as a block lists them."""
    return [
        {"number": n, "mac": mac(n), "address": {"mode": "static", "ipv4": builders.ipv4(n)}}
        for n in numbers
    ]


def test_activated_writes_every_register():
    full = FULL | {"devices": further(*range(8, 1, -1))}
    record = fold_all(builders.event("activated", service=full, customer_id="C-1"))
    assert {name: record.value(name) for name in DEFAULTS} == {
        "lifecycle": "on",
        "suspension": None,
        "router": "R1",
        "dhcp_server": "dhcp1",
        "ppp": {"name": "ada", "password": "pw"},
        "mac": mac(1),
        "serial": "HX1",
        "circuit_id": "c-1",
        "remote_id": "r-1",
        "address": {"mode": "pool", "pool": "cust"},
        "plan": {"code": "HOME-50", "down_kbps": 50000},
        "dns_servers": ["198.51.100.53"],
        "options": [{"code": 42, "hex": "c6336435"}],
        "label": "Device A",
        "customer_id": "C-1",
        "ipv6": None,
        "duid": None,
        "iaid": None,
        **{f"device{one['number']}": one for one in further(*range(2, 9))},
    }
    assert set(record.registers) == set(DEFAULTS)
    assert record.value("devices") == further(*range(2, 9))


def test_a_device_is_added_replaced_and_removed_whatever_comes_first():
    history = [
        activated(devices=further(2)),
        builders.event("device_added", revision=2, device=further(3)[0]),
        builders.event("device_added", revision=3, device={**further(3)[0], "mac": mac(9)}),
        builders.event("device_removed", revision=4, number=2),
    ]
    for order in itertools.permutations(history):
        devices = fold_all(*order).devices
        assert devices == {"3": {**further(3)[0], "mac": mac(9)}}


def test_a_block_ends_the_devices_that_it_does_not_list():
    added = builders.event("device_added", revision=2, device=further(2)[0])
    for block in (snapshot(revision=3), resumed(revision=3, service=builders.service_block())):
        for order in itertools.permutations([activated(), added, block]):
            assert fold_all(*order).devices == {}, "a late event changes nothing"
    without = frozenset({"devices"})
    record = fold_all(activated(), added)
    raw = snapshot(revision=3)
    folded = fold(record, parse_event(raw), builders.version_of(raw), without)
    assert folded.record.devices == {"2": further(2)[0]}, "its source leaves them to others"


def test_a_service_without_further_devices_has_no_register_of_one():
    record = fold_all(activated(), snapshot(revision=2), suspended(revision=3))
    assert record.devices == {}
    assert not any(name.startswith("device") for name in record.registers)


@pytest.mark.parametrize("event", [activated(revision=2), snapshot(revision=2)])
def test_a_field_absent_from_the_block_becomes_its_default(event):
    record = fold_all(builders.event("activated", service=FULL, customer_id="C-1"), event)
    for name in ("serial", "circuit_id", "remote_id", "plan", "dns_servers", "options", "label"):
        assert record.value(name) == DEFAULTS[name]
        assert record.registers[name].event == event["id"]
    assert record.value("customer_id") == "C-1"  # no field of the block


@pytest.mark.parametrize(
    ("fields", "suspension"),
    [
        ({"status": "active"}, None),
        ({"status": "suspended"}, {"mode": None, "reason_code": None}),
        (
            {"status": "suspended", "suspension": {"mode": "block", "reason_code": "nonpayment"}},
            {"mode": "block", "reason_code": "nonpayment"},
        ),
    ],
)
def test_a_snapshot_says_whether_the_service_is_suspended(fields, suspension):
    before = fold_all(activated(), suspended(revision=2, mode="throttle"))
    record = fold_all(snapshot(revision=3, **fields), record=before)
    assert record.value("suspension") == suspension
    assert record.status == ("active" if suspension is None else "suspended")


def test_suspended_and_resumed_write_the_suspension_alone():
    circuit_open = suspended(revision=2, mode="walled_garden")
    folded = fold(
        fold_all(activated()), parse_event(circuit_open), builders.version_of(circuit_open)
    )
    assert folded.wrote == folded.changed == {"suspension"}
    assert folded.record.status == "suspended"
    assert folded.record.value("suspension") == {"mode": "walled_garden", "reason_code": None}
    back = resumed(revision=3)
    folded = fold(folded.record, parse_event(back), builders.version_of(back))
    assert folded.wrote == folded.changed == {"suspension"}
    assert folded.record.status == "active"


DEVICE = {"mac": mac(9), "serial": "HX9", "circuit_id": None, "remote_id": None}
ASSIGNED = {"mode": "assigned", "pool": "home"}
PREFIX = {"prefix": {"mode": "static", "ipv6": "2001:db8:1:100::/56"}}
IPV6 = {"prefix": {"mode": "assigned", "pool": "home6"}, "address": "2001:db8::10"}
UNKNOWN = {"duid": None, "iaid": None}
STATIC, POOL = {"mode": "static", "ipv4": "198.51.100.20"}, {"mode": "pool", "pool": "cust"}


@pytest.mark.parametrize(
    ("name", "said", "written"),
    [
        ("mac_changed", {"mac": "0000.5e00.5309"}, {"mac": mac(9), **UNKNOWN}),
        ("device_swapped", {"device": {"mac": mac(9), "serial": "HX9"}}, DEVICE | UNKNOWN),
        ("address_changed", {"address": STATIC}, {"address": STATIC}),
        ("address_changed", {"address": POOL}, {"address": POOL}),
        ("dns_changed", {"dns_servers": ["198.51.100.54"]}, {"dns_servers": ["198.51.100.54"]}),
        ("dns_changed", {"dns_servers": []}, {"dns_servers": []}),
        (
            "options_changed",
            {"options": [{"code": 42, "hex": "C6"}]},
            {"options": [{"code": 42, "hex": "c6"}]},
        ),
        ("options_changed", {"options": []}, {"options": []}),
        (
            "plan_changed",
            {"plan": {"code": "P", "up_kbps": 1}},
            {"plan": {"code": "P", "up_kbps": 1}},
        ),
        ("moved", {"access": {"router": "R2"}}, {"router": "R2", "dhcp_server": None}),
        (
            "moved",
            {"access": {"router": "R2", "dhcp_server": "d"}, "address": STATIC},
            {"router": "R2", "dhcp_server": "d", "address": STATIC},
        ),
        ("address_changed", {"address": ASSIGNED}, {"address": ASSIGNED}),
        ("address_changed", {"ipv6": PREFIX}, {"ipv6": PREFIX | {"address": None}}),
        (
            "address_changed",
            {"address": STATIC, "ipv6": PREFIX | {"iaid": 0}},
            {"address": STATIC, "ipv6": PREFIX | {"address": None}, "iaid": 0},
        ),
        (
            "moved",
            {"access": {"router": "R2"}, "ipv6": PREFIX | {"duid": "0X00:03"}},
            {"router": "R2", "dhcp_server": None}
            | {"ipv6": PREFIX | {"address": None}, "duid": "0003"},
        ),
        (
            "device_swapped",
            {"device": {"mac": mac(9), "serial": "HX9"}, "ipv6": IPV6 | {"iaid": 7}},
            DEVICE | {"ipv6": IPV6, "duid": None, "iaid": 7},
        ),
        ("suspended", {}, {"suspension": {"mode": None, "reason_code": None}}),
        ("resumed", {}, {"suspension": None}),
        ("cancelled", {}, {"lifecycle": "cancelled"}),
        ("schedule_withdrawn", {"withdraws": ["e-9"]}, {}),
    ],
)
def test_an_event_writes_what_it_is_about_and_nothing_else(name, said, written):
    before = fold_all(builders.event("activated", service=FULL))
    event = builders.event(name, revision=2, **said)
    folded = fold(before, parse_event(event), builders.version_of(event))
    assert folded.wrote == written.keys()
    assert {register: folded.record.value(register) for register in written} == written


def test_what_a_source_does_not_know_its_blocks_do_not_write():
    unknown = frozenset({"dns_servers", "suspension", "label"})
    event = parse_event(builders.event("activated", service=FULL))
    assert not writes_of(event, unknown).together.keys() & unknown
    change = builders.event("mac_changed", mac=mac(9), service=FULL)
    assert not writes_of(parse_event(change), unknown).together.keys() & unknown
    dns = builders.event("dns_changed", dns_servers=["198.51.100.54"])
    assert writes_of(parse_event(dns), unknown).own == {"dns_servers": ["198.51.100.54"]}


@pytest.mark.parametrize(
    ("name", "said", "differ"),
    [
        ("mac_changed", {"mac": mac(9), "previous_mac": mac(1)}, set()),
        ("mac_changed", {"mac": mac(9), "previous_mac": mac(2)}, {"mac"}),
        ("mac_changed", {"mac": mac(9)}, set()),
        ("device_swapped", {"device": {"mac": mac(9)}, "previous_device": {"mac": mac(1)}}, set()),
        (
            "device_swapped",
            {"device": {"mac": mac(9)}, "previous_device": {"mac": mac(1), "serial": "other"}},
            {"serial"},
        ),
        ("address_changed", {"address": STATIC, "previous_address": POOL}, set()),
        ("address_changed", {"address": POOL, "previous_address": STATIC}, {"address"}),
        ("plan_changed", {"plan": {"code": "P"}, "previous_plan_code": "HOME-50"}, set()),
        ("plan_changed", {"plan": {"code": "P"}, "previous_plan_code": "HOME-20"}, {"plan"}),
        ("moved", {"access": {"router": "R2"}, "previous_access": {"router": "R1"}}, set()),
        ("moved", {"access": {"router": "R2"}, "previous_access": {"router": "R3"}}, {"router"}),
        ("resumed", {}, set()),
    ],
)
def test_what_was_there_before_is_compared_as_far_as_it_is_said(name, said, differ):
    event = parse_event(builders.event(name, revision=2, **said))
    assert differing(fold_all(builders.event("activated", service=FULL)), event) == differ
    assert differing(NOTHING_KNOWN, event) == frozenset()


def test_without_a_mode_the_policy_decides():
    record = fold_all(activated(), suspended(revision=2))
    assert record.value("suspension") == {"mode": None, "reason_code": None}


def test_a_block_on_another_event_writes_all_but_lifecycle_and_suspension():
    block = builders.service_block(mac=mac(8), server="dhcp2")
    event = mac_changed(revision=3, mac=mac(9), service=block)
    before = fold_all(activated(), suspended(revision=2))
    folded = fold(before, parse_event(event), builders.version_of(event))
    others = {"lifecycle", "suspension", "customer_id", *DEVICE_REGISTERS.values()}
    assert folded.wrote == set(DEFAULTS) - others
    assert folded.changed == {"mac", "dhcp_server"}
    assert folded.record.value("mac") == mac(9)  # the event's own field wins over the block
    assert folded.record.status == "suspended"


def test_the_block_of_suspended_says_how_when_the_event_does_not():
    block = builders.service_block(status="suspended", suspension={"mode": "block"})
    record = fold_all(activated(), suspended(revision=2, service=block))
    assert record.value("suspension") == {"mode": "block", "reason_code": None}


@pytest.mark.parametrize(
    "event", [mac_changed(customer_id="C-9"), resumed(customer_id="C-9", revision=2)]
)
def test_any_event_that_states_the_customer_writes_it(event):
    assert fold_all(activated(customer_id="C-1"), event).value("customer_id") == "C-9"


def test_registers_are_versioned_apart():
    record = fold_all(activated(), suspended(revision=6), mac_changed(revision=5))
    assert record.status == "suspended"
    assert record.value("mac") == mac(2)
    assert record.highest.revision == 6


def test_an_older_event_is_overtaken_and_told_by_whom():
    newer = resumed(revision=7)
    late = suspended(revision=6)
    before = fold_all(activated(), newer)
    folded = fold(before, parse_event(late), builders.version_of(late))
    assert folded.record == before
    assert folded.wrote == folded.changed == frozenset()
    assert folded.overtaken == {"suspension": newer["id"]}


def test_late_events_never_bring_a_cancelled_service_back():
    record = fold_all(activated(), cancelled(revision=9), resumed(revision=8), mac_changed())
    assert record.status == "cancelled"
    assert record.value("mac") == mac(2)
    assert fold_all(resumed(revision=10), record=record).status == "cancelled"


def test_a_newer_activation_brings_a_cancelled_service_back_and_an_older_does_not():
    ended = fold_all(cancelled(revision=9))
    assert fold_all(activated(revision=8), record=ended).status == "cancelled"
    assert fold_all(activated(revision=10), record=ended).status == "active"


def test_a_service_that_was_never_activated_is_incomplete():
    assert fold_all(mac_changed(), suspended()).status == "incomplete"
    assert NOTHING_KNOWN.status == "incomplete"


def test_folding_again_changes_nothing():
    event = activated()
    once = fold_all(event)
    folded = fold(once, parse_event(event), builders.version_of(event))
    assert folded.record == once
    assert folded.wrote == folded.changed == folded.conflicts == frozenset()
    assert folded.overtaken == {}


def test_equal_revisions_on_different_registers_both_apply():
    record = fold_all(activated(), mac_changed(revision=2), suspended(revision=2))
    assert record.value("mac") == mac(2)
    assert record.status == "suspended"


def test_equal_revisions_with_different_values_conflict_and_the_greater_version_holds():
    events = [mac_changed(revision=2, mac=mac(3)), mac_changed(revision=2, mac=mac(4))]
    low, high = sorted(events, key=builders.version_of)
    for first, second in ((low, high), (high, low)):
        before = fold_all(activated(), first)
        folded = fold(before, parse_event(second), builders.version_of(second))
        assert folded.conflicts == {"mac"}
        assert folded.record.registers["mac"].event == high["id"]


def test_equal_revisions_with_equal_values_are_no_conflict():
    first, second = (mac_changed(customer_id=customer) for customer in ("C-1", "C-2"))
    before = fold_all(activated(), first)
    folded = fold(before, parse_event(second), builders.version_of(second))
    assert folded.conflicts == {"customer_id"}


def test_of_two_ids_with_one_content_the_smaller_is_kept():
    a, b = mac_changed(id_="a"), mac_changed(id_="b")
    for events in ((a, b), (b, a)):
        assert fold_all(activated(), *events).registers["mac"].event == "a"


def test_folding_leaves_placements_owner_and_outstanding_alone():
    record = ServiceRecord("SVC-1", owner=builders.SOURCE, placements={"R9": Placement(None)})
    after = fold_all(activated(), record=record)
    assert after.owner == builders.SOURCE
    assert after.placements == {"R9": Placement(None)}


def test_a_block_without_ipv6_takes_it_away_and_a_source_may_leave_it_to_others():
    first = builders.activated(ipv6=IPV6 | {"duid": "0003", "iaid": 7})
    record = fold_all(first, builders.snapshot(revision=2))
    assert [record.value(name) for name in ("ipv6", "duid", "iaid")] == [None, None, None]
    left = fold_all(first)
    said = parse_event(again := builders.snapshot(revision=2))
    unmanaged = frozenset({"ipv6", "duid", "iaid"})
    left = fold(left, said, builders.version_of(again), unmanaged).record
    assert [left.value(name) for name in ("ipv6", "duid", "iaid")] == [IPV6, "0003", 7]
