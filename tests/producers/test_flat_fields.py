"""Flat fields become the event that they mean, or say what is missing."""

import pytest

from contracts.errors import Problem
from contracts.parse import parse_event
from producers.fields import NotAnEvent, event_of, field_at
from tests.builders import SOURCE

WHOLE = {"service_id": "S-1", "router": "R1", "mac": "00:00:5E:00:53:01", "ipv4": "198.51.100.10"}


def parsed(fields):
    event = event_of(fields)
    envelope = {"specversion": "1.0", "id": "e", "source": SOURCE, "time": "2026-11-24T09:00:00Z"}
    more = {"subject": "service/S-1", "datacontenttype": "application/json"}
    return parse_event(envelope | more | event)


@pytest.mark.parametrize(
    "more",
    [
        {"event": "activated", "plan": "HOME", "down_kbps": "50000", "up_kbps": 10_000},
        {"event": "snapshot", "suspension_mode": "block", "reason_code": "nonpayment"},
        {"suspension_mode": "default", "revision": "7", "customer_id": "C-1"},
        {"dns_servers": "198.51.100.53 198.51.100.54", "options": "42=c6336435", "label": "roof"},
        {"ipv4": "", "assigned_pool": "home", "assigned_ipv6_pool": "home6", "iaid": "0"},
        {"assigned_pool": "home", "ipv6_prefix": "2001:db8::/56", "ipv6_address": "2001:db8::1"},
        {"ipv4": "", "pool": "customers", "serial": "HX1", "effective_at": "2026-12-01T00:00:00Z"},
    ],
)
def test_whole_services_follow_the_contract(more):
    event = parsed(WHOLE | more)
    assert event.data.service.access.router == "R1"
    assert event.data.service.status == ("suspended" if "suspension_mode" in more else "active")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"event": "mac_changed", "mac": "00:00:5E:00:53:01"}, "mac_changed"),
        ({"event": "device_swapped", "mac": "00:00:5E:00:53:01", "serial": "X"}, "device_swapped"),
        ({"event": "address_changed", "pool": "customers"}, "address_changed"),
        ({"event": "address_changed", "assigned_pool": "home"}, "address_changed"),
        ({"event": "address_changed", "ipv6_prefix": "2001:db8::/56"}, "address_changed"),
        ({"event": "plan_changed", "plan": "HOME", "up_kbps": "1"}, "plan_changed"),
        ({"event": "moved", "router": "R2", "ipv4": "198.51.100.20"}, "moved"),
        (
            {"event": "moved", "router": "R2", "assigned_ipv6_pool": "a", "duid": "0003"},
            "moved",
        ),
        (
            {"event": "device_swapped", "mac": "00:00:5E:00:53:01", "duid": "0003", "iaid": 1}
            | {"assigned_ipv6_pool": "home6"},
            "device_swapped",
        ),
        ({"event": "suspended", "suspension_mode": "throttle"}, "suspended"),
        ({"event": "suspended"}, "suspended"),
        ({"event": "resumed", "reason_code": "paid"}, "resumed"),
        ({"event": "cancelled"}, "cancelled"),
    ],
)
def test_each_event_has_the_fields_it_is_about(fields, name):
    assert parsed({"service_id": "S-1"} | fields).type == f"leasewire.service.{name}.v1"


def test_all_problems_are_reported_at_once():
    with pytest.raises(NotAnEvent) as said:
        event_of({"event": "snapshot", "router": "R1", "reason_code": ""})
    assert said.value.problems == dict.fromkeys(("service_id", "mac", "ipv4"), "is missing")
    with pytest.raises(NotAnEvent) as said:
        event_of(WHOLE | {"event": "cancelled"})
    assert set(said.value.problems) == {"router", "mac", "ipv4"}
    with pytest.raises(NotAnEvent, match="event must be one of"):
        event_of({"event": "exploded"})
    with pytest.raises(NotAnEvent, match="pool is given together with ipv4"):
        event_of(WHOLE | {"pool": "p"})


def test_an_assigned_address_may_be_wished_for():
    service = parsed(WHOLE | {"assigned_pool": "home", "assigned_ipv6_pool": "home6"}).data.service
    assert (service.address.mode, service.address.ipv4) == ("assigned", WHOLE["ipv4"])
    assert (service.ipv6.prefix.pool, service.ipv6.prefix.ipv6) == ("home6", None)


def test_what_is_missing_or_too_much_of_addresses_is_named():
    with pytest.raises(NotAnEvent) as said:
        event_of(WHOLE | {"pool": "p", "ipv4": "", "assigned_pool": "home", "iaid": "1"})
    assert said.value.problems == {
        "pool": "is given together with assigned_pool; give one of them",
        "ipv6_prefix": "is missing; or give assigned_ipv6_pool",
    }
    with pytest.raises(NotAnEvent) as said:
        event_of({"event": "address_changed", "service_id": "S-1"})
    assert said.value.problems == {"ipv4": "is missing"}


def test_a_pointer_into_an_event_is_reported_as_its_field():
    places = {
        "/data/service/device/mac": "mac",
        "/data/service/address/ipv4": "ipv4",
        "/data/service/dns_servers/0": "dns_servers",
        "/data/plan/code": "plan",
        "/data/suspension/mode": "suspension_mode",
        "/data/service/options/1/hex": "options",
        "/subject": "service_id",
        "/source": "",
        "/data/service/ipv6/prefix/ipv6": "ipv6_prefix",
        "/data/service/ipv6/prefix/pool": "assigned_ipv6_pool",
        "/data/service/ipv6/address": "ipv6_address",
        "/data/ipv6/iaid": "iaid",
        "/data/ipv6": "ipv6_prefix",
    }
    for pointer, field in places.items():
        assert field_at(Problem(pointer, "c", "m").pointer) == field
