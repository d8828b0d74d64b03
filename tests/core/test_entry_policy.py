"""What a router's policy makes of suspensions, plans, DNS servers and options in an entry."""

import pytest

from contracts.parse import parse_event
from tests import builders
from tests.builders import activated, event, ipv4, suspended, version_of
from worker.core.entry.dhcp_options import collectable, is_ours
from worker.core.entry.wanted import in_sync, wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import ListPlace
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement

LIST = {"suspend_list": "suspended"}
RATE = {"throttle": "64k/64k"}
PLANS = {"plans": {"HOME-50": "10M/50M"}}


def folded(*raws):
    record = ServiceRecord("SVC-1")
    for raw in raws or [activated()]:
        record = fold(record, parse_event(raw), version_of(raw)).record
    return record


def entry(*raws, **policy):
    return wanted_entries(folded(*raws), {"R1": RouterPolicy("acme", **policy)})["R1"]


@pytest.mark.parametrize(
    ("policy", "asked", "done"),
    [
        ({}, None, "block"),
        ({}, "walled_garden", "block"),
        ({}, "throttle", "block"),
        (LIST, None, "walled_garden"),
        (LIST, "block", "block"),
        (LIST, "throttle", "walled_garden"),
        (LIST | RATE, "throttle", "throttle"),
        (LIST | RATE | {"suspend": "throttle"}, None, "throttle"),
        (LIST | {"suspend": "block"}, None, "block"),
        (LIST | {"suspend": "block"}, "walled_garden", "walled_garden"),
        (RATE | {"manage": frozenset()}, "throttle", "block"),
    ],
)
def test_the_events_way_to_suspend_wins_where_the_router_can_do_it(policy, asked, done):
    wanted = entry(activated(), suspended(mode=asked), **policy)
    assert (wanted.fields["block-access"] == "yes") == (done == "block")
    assert (wanted.fields.get("rate-limit") == "64k/64k") == (done == "throttle")
    assert wanted.listed == (
        {ListPlace("suspended", ipv4(10))} if done == "walled_garden" else set()
    )
    kinds = [kind for kind, _ in wanted.notes]
    assert kinds == (["suspend-mode"] if asked not in {None, done} else [])


def test_an_address_of_a_pool_cannot_be_in_a_list():
    wanted = entry(activated(pool="cust"), suspended(), **LIST)
    assert wanted.listed == set()
    assert wanted.fields["block-access"] == "yes"
    assert "pool" in wanted.notes[0][1]


@pytest.mark.parametrize(
    ("plan", "policy", "rate"),
    [
        (None, PLANS, ""),
        ({"code": "HOME-50"}, PLANS, "10M/50M"),
        ({"code": "HOME-50", "down_kbps": 9000, "up_kbps": 1500}, PLANS, "10M/50M"),
        (
            {"code": "HOME-50", "down_kbps": 9000, "up_kbps": 1500},
            PLANS | {"plan_rates": "events"},
            "1500k/9M",
        ),
        ({"code": "HOME-50", "down_kbps": 9000}, PLANS | {"plan_rates": "events"}, "10M/50M"),
        ({"code": "HOME-50"}, RATE, ""),
        ({"code": "HOME-50"}, {}, None),
        ({"code": "HOME-50"}, PLANS | {"manage": frozenset({"dhcp-option"})}, None),
    ],
)
def test_a_plan_is_a_rate_limit_where_there_is_a_catalogue(plan, policy, rate):
    wanted = entry(activated(plan=plan), **policy)
    assert wanted.fields.get("rate-limit") == rate
    assert wanted.missing is None


@pytest.mark.parametrize("policy", [PLANS, {"plan_rates": "events"}])
def test_an_unknown_plan_hinders_and_is_never_in_sync(policy):
    unknown = activated(plan={"code": "HOME-99"})
    wanted = entry(unknown, **policy)
    assert wanted.missing.reason == "unknown-plan"
    assert "HOME-99" in wanted.missing.detail
    placed = folded(unknown)._replace(placements={"R1": Placement(wanted.fields)})
    assert not in_sync(placed, {"R1": RouterPolicy("acme", **policy)})
    assert in_sync(placed, {"R1": RouterPolicy("acme")})


def test_only_what_the_policy_manages_is_in_the_entry():
    assert entry().fields.keys() == {
        *("mac-address", "address", "server", "block-access", "dhcp-option"),
    }
    wanted = entry(lease_time="30m", address_lists="customers,vip")
    assert wanted.fields["lease-time"] == "30m"
    assert wanted.fields["address-lists"] == "customers,vip"
    assert "lease-time" not in entry(lease_time="30m", manage=frozenset()).fields


def test_options_are_named_after_what_they_say():
    dns = activated(dns_servers=["198.51.100.53", "198.51.100.54"])
    wanted = entry(dns)
    ((name, fields),) = wanted.options.items()
    assert wanted.fields["dhcp-option"] == name == fields["name"]
    assert name.startswith("lw-acme-dns-")
    assert (fields["code"], fields["value"]) == ("6", "0xc6336435c6336436")
    assert "force" not in fields
    other_order = activated(dns_servers=["198.51.100.54", "198.51.100.53"])
    assert entry(other_order).options.keys() != wanted.options.keys()
    assert entry(dns, force_options=True).options.keys() != wanted.options.keys()
    assert entry(dns, event("mac_changed", mac=builders.mac(2))).options == wanted.options


def test_dns_servers_win_over_an_option_6_and_without_any_the_option_stands():
    option = [{"code": 6, "hex": "01020304"}, {"code": 42, "hex": "C6336435"}]
    both = entry(activated(dns_servers=["198.51.100.53"], options=option)).options
    assert sorted((o["code"], o["value"]) for o in both.values()) == [
        ("42", "0xc6336435"),
        ("6", "0xc6336435"),
    ]
    alone = entry(activated(options=option)).options
    assert any(name.startswith("lw-acme-opt6-") for name in alone)


def test_options_that_others_manage_are_not_written_and_that_is_said():
    wanted = entry(activated(dns_servers=["198.51.100.53"]), manage=frozenset())
    assert "dhcp-option" not in wanted.fields
    assert wanted.options == {}
    assert [kind for kind, _ in wanted.notes] == ["options-not-managed"]


def test_options_are_collected_when_nobody_named_them_twice_in_a_row():
    def row(number, name):
        return builders.option(f"*{number}", name=name)

    used, unused = "lw-acme-dns-0123456789", "lw-acme-opt42-0123456789"
    foreign = ["lw-acme-dns", "lw-acme-2-dns-0123456789", "lw-other-dns-0123456789", "mine"]
    options = [row(n, name) for n, name in enumerate([used, unused, *foreign], 1)]
    first = collectable(options, {used}, set(), "acme")
    assert first == ([], {unused})
    second = collectable(options, {used}, first.unnamed, "acme")
    assert [each.option for each in second.collect] == [unused]
    named_meanwhile = collectable(options, {used, unused}, first.unnamed, "acme")
    assert named_meanwhile == ([], set())
    assert not is_ours("lw-acme-2-dns-0123456789", "acme")
