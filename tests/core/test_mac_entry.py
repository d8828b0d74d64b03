"""What an entry of `/ip/mac-server` has of a service, and what that menu cannot hold."""

import pytest

from contracts.parse import parse_event
from tests.builders import activated, ipv4, mac, suspended, version_of
from worker.core.entry.entry import Claim
from worker.core.entry.wanted import placed, wanted_entries, work_items_of
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import ANY_SERVER
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement

PLACE = {"mac-address": mac(1), "address": ipv4(10), "server": ANY_SERVER}
CLAIMS = {Claim(f"mac:{mac(1)}", ANY_SERVER), Claim(f"address:{ipv4(10)}", ANY_SERVER)}


def record_of(*raws):
    record = ServiceRecord("SVC-1")
    for raw in raws:
        record = fold(record, parse_event(raw), version_of(raw)).record
    return record


def entry(*raws, **policy):
    held = RouterPolicy("acme", **policy).held_in("mac-server")
    return wanted_entries(record_of(*raws), {"R1": held})["R1"]


def test_an_entry_is_mac_address_and_dns_servers():
    wanted = entry(activated(dns_servers=["198.51.100.54", "198.51.100.53"]))
    assert wanted.fields == {**PLACE, "dns-server": "198.51.100.54,198.51.100.53"}
    assert (wanted.options, wanted.notes, wanted.missing) == ({}, (), None)
    assert wanted.claims == CLAIMS
    assert entry(activated()).fields == {**PLACE, "dns-server": ""}
    assert entry(activated(), manage=frozenset()).fields == PLACE


@pytest.mark.parametrize("mode", [None, "block", "walled_garden", "throttle"])
def test_suspended_is_absent_and_keeps_what_it_claims(mode):
    policy = {"suspend_list": "suspended", "throttle": "64k/64k"}
    wanted = entry(activated(), suspended(mode=mode), **policy)
    assert (wanted.fields, wanted.reserved, wanted.listed) == (None, PLACE, frozenset())
    assert not wanted.is_over
    assert wanted.claims == CLAIMS
    assert [kind for kind, _ in wanted.notes] == ["suspend-mode"]


def test_suspended_and_gone_needs_no_look_and_gone_without_a_word_does():
    record = placed(record_of(activated(), suspended()), {})
    policies = {"R1": RouterPolicy("acme", entries="mac-server")}
    assert record.placements == {"R1": Placement(None)}
    assert work_items_of(record, wanted_entries(record, policies), bulk=False) == {}
    entries = wanted_entries(record, {"R1": RouterPolicy("acme")})
    assert work_items_of(record, entries, bulk=False)


def test_a_pool_cannot_be_held():
    wanted = entry(activated(pool="customers"))
    assert wanted.missing.reason == "not-expressible"
    assert "customers" in wanted.missing.detail


@pytest.mark.parametrize(
    ("given", "policy", "kinds"),
    [
        ({"options": [{"code": 42, "hex": "C6336435"}]}, {}, ["options-not-managed"]),
        ({"dns_servers": ["198.51.100.53"]}, {"manage": frozenset()}, ["options-not-managed"]),
        ({"plan": {"code": "HOME"}}, {"plans": {"HOME": "1M/2M"}}, ["rate-not-managed"]),
        ({"plan": {"code": "HOME"}}, {}, []),
    ],
)
def test_what_the_menu_has_no_field_for_is_said(given, policy, kinds):
    assert [kind for kind, _ in entry(activated(**given), **policy).notes] == kinds
