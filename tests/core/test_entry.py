"""Which rows a service is to have, and what it claims by that."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests.builders import (
    activated,
    cancelled,
    ipv4,
    mac,
    mac_changed,
    resumed,
    snapshot,
    suspended,
    version_of,
)
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.entry.entry import Claim, Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.prefixes import prefix_key
from worker.core.rows.rows import NO_ADDRESS, NO_MAC, is_host_address, scopes_meet
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord, place
from worker.core.service.record_parts import Assigned

POLICIES = {
    "R1": RouterPolicy("acme", default_server="dhcp-default"),
    "R2": RouterPolicy("acme", label=True),
}


def record_of(*raws, on=()):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw)).record
    for router in on:
        record = place(record, router)
    return record


def test_an_active_service_is_present_on_its_router():
    entries = wanted_entries(record_of(activated(), on=["R1"]), POLICIES)
    fields = {
        "mac-address": mac(1),
        "address": ipv4(10),
        "server": "dhcp1",
        "block-access": "no",
        "dhcp-option": "",
    }
    assert entries == {"R1": Entry("SVC-1", fields)}


def test_it_has_an_entry_before_it_is_placed():
    assert wanted_entries(record_of(activated()), POLICIES).keys() == {"R1"}


@pytest.mark.parametrize(
    ("router", "server", "expected"),
    [("R1", "dhcp2", "dhcp2"), ("R1", None, "dhcp-default"), ("R2", None, "all")],
)
def test_the_policy_names_the_server_where_the_events_do_not(router, server, expected):
    entries = wanted_entries(record_of(activated(router=router, server=server)), POLICIES)
    assert entries[router].fields["server"] == expected


def test_the_name_of_a_pool_stands_in_the_address():
    entries = wanted_entries(record_of(activated(pool="cust-pool")), POLICIES)
    assert entries["R1"].fields["address"] == "cust-pool"


def test_a_suspended_service_is_blocked_and_keeps_its_row():
    record = record_of(activated(), suspended(revision=2))
    assert wanted_entries(record, POLICIES)["R1"].fields["block-access"] == "yes"
    record = record_of(activated(), suspended(revision=2), resumed(revision=3))
    assert wanted_entries(record, POLICIES)["R1"].fields["block-access"] == "no"


def test_a_cancelled_service_is_absent_wherever_it_was():
    record = record_of(activated(), cancelled(), on=["R1", "R2"])
    assert wanted_entries(record, POLICIES) == {
        "R1": Entry("SVC-1", None),
        "R2": Entry("SVC-1", None),
    }


def test_a_moved_service_is_absent_on_the_router_it_left():
    record = record_of(activated(), snapshot(revision=2, router="R2"), on=["R1", "R2"])
    entries = wanted_entries(record, POLICIES)
    assert entries["R1"] == Entry("SVC-1", None)
    assert entries["R2"].fields["mac-address"] == mac(1)


def test_a_router_that_no_policy_names_has_no_entry_and_loses_nothing():
    record = record_of(activated(), snapshot(revision=2, router="R9"), on=["R1", "R9"])
    assert wanted_entries(record, POLICIES) == {"R1": Entry("SVC-1", None)}


def test_a_router_that_no_policy_names_is_still_to_be_cleaned():
    record = record_of(activated(), on=["R1", "R7"])
    assert wanted_entries(record, POLICIES)["R7"] == Entry("SVC-1", None)


def test_an_incomplete_service_has_no_entry():
    assert wanted_entries(record_of(mac_changed(), suspended()), POLICIES) == {}


def test_the_label_is_given_where_the_policy_asks_for_it_and_is_not_compared():
    labelled, plain = (
        wanted_entries(record_of(activated(router=router, label="Device A")), POLICIES)[router]
        for router in ("R2", "R1")
    )
    assert (labelled.label, plain.label) == ("Device A", "")
    assert (labelled.fields, labelled.listed) == (plain.fields, plain.listed)
    assert wanted_entries(record_of(activated(router="R2")), POLICIES)["R2"].label == ""


@pytest.mark.parametrize(
    ("fields", "claims"),
    [
        (None, set()),
        (
            {"mac-address": mac(1), "address": ipv4(10), "server": "dhcp1"},
            {Claim(f"mac:{mac(1)}", "dhcp1"), Claim(f"address:{ipv4(10)}", "all")},
        ),
        (
            {"mac-address": mac(1), "address": "10-pool", "server": "all"},
            {Claim(f"mac:{mac(1)}", "all")},
        ),
        ({"mac-address": NO_MAC, "address": NO_ADDRESS, "server": "all"}, set()),
        ({"mac-address": NO_MAC, "address": "a:b", "server": "all"}, set()),
    ],
)
def test_claims_are_what_one_row_only_may_hold(fields, claims):
    assert Entry("SVC-1", fields).claims == claims


def test_the_bindings_of_a_service_are_claimed():
    fields = {"mac-address": mac(1), "address": ipv4(1), "server": "dhcp1"}
    bindings = (OwnBinding("pd", "2001:db8:1::/56"), OwnBinding("na", "2001:db8::7/128"))
    entry = Entry("SVC-1", fields, bindings=bindings)
    assert entry.claims - Entry("SVC-1", fields).claims == {
        (prefix_key("2001:db8:1::/56"), "all"),
        (prefix_key("2001:db8::7"), "all"),
    }
    assert Entry("SVC-1", None, bindings=bindings).claims == frozenset()


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ("dhcp1", "dhcp1", True),
        ("dhcp1", "dhcp2", False),
        ("dhcp1", "all", True),
        ("all", "all", True),
    ],
)
def test_all_meets_every_server(a, b, meet):
    assert scopes_meet(a, b) is scopes_meet(b, a) is meet


@pytest.mark.parametrize(
    "name", ["300.1.1.1", "01.02.03.04", "\u0661.\u0662.\u0663.\u0664", "dynamic"]
)
def test_what_is_no_address_is_not_taken_for_one(name):
    assert not is_host_address(name)
    setup = DhcpSetup(networks=(IPv4Network("198.51.100.0/24"),))
    assert setup.misfit("SVC-1", name) is None


@given(st.text(alphabet="0123456789.\u0661", max_size=15))
@example(NO_ADDRESS)
@example("255.255.255.255")
def test_an_address_is_what_can_be_read_as_one(text):
    try:
        IPv4Address(text)
    except ValueError:
        is_one = False
    else:
        is_one = text != NO_ADDRESS
    assert is_host_address(text) == is_one


def in_pool(name):
    """A record of before pools were not to be called so."""
    record = record_of(activated(pool="p"))
    address = record.registers["address"]._replace(value={"mode": "pool", "pool": name})
    return record._replace(registers={**record.registers, "address": address})


@pytest.mark.parametrize("entries", ["lease", "mac-server"])
def test_a_pool_that_is_called_as_an_address_claims_none_and_waits(entries):
    policy = RouterPolicy("acme", default_server="dhcp1", entries=entries)
    entry = wanted_entries(in_pool("198.51.100.10"), {"R1": policy})["R1"]
    assert [claim.key for claim in entry.claims] == [f"mac:{mac(1)}"]
    assert entry.missing.reason == "not-expressible"


ASSIGNED = {"mode": "assigned", "pool": "home"}


@pytest.mark.parametrize(
    ("address", "given", "expected"),
    [
        ({"mode": "static", "ipv4": ipv4(10)}, {"address": Assigned("home", ipv4(20))}, ipv4(10)),
        ({"mode": "pool", "pool": "cust"}, {"address": Assigned("home", ipv4(20))}, "cust"),
        (ASSIGNED, {"address": Assigned("home", ipv4(20))}, ipv4(20)),
        (ASSIGNED, {"prefix": Assigned("home6", "2001:db8::/56")}, None),
    ],
)
def test_an_assigned_address_counts_while_the_service_wants_one(address, given, expected):
    raw = activated()
    raw["data"]["service"]["address"] = address
    record = fold(ServiceRecord("SVC-1"), parse_event(raw), version_of(raw)).record
    record = record._replace(assigned=given)
    assert record.address == expected
    assert record.wanted_router == ("R1" if expected else None)
    assert record.prefix is None


@pytest.mark.parametrize(
    ("prefix", "given", "expected"),
    [
        ({"mode": "static", "ipv6": "2001:db8:1::/56"}, {}, "2001:db8:1::/56"),
        ({"mode": "assigned", "pool": "home6"}, {}, None),
        (
            {"mode": "assigned", "pool": "home6"},
            {"prefix": Assigned("home6", "2001:db8:2::/56")},
            "2001:db8:2::/56",
        ),
    ],
)
def test_a_prefix_is_fixed_or_assigned(prefix, given, expected):
    raw = activated(ipv6={"prefix": prefix})
    record = fold(ServiceRecord("SVC-1"), parse_event(raw), version_of(raw)).record
    assert record._replace(assigned=given).prefix == expected
