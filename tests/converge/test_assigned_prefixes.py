"""Assigned prefixes on simulated routers: what is in the way there gives another one."""

import pytest

from tests import builders
from tests.converge.ipv6 import BINDING, DUID, OTHER, active, bindings, installation, say

pytestmark = [pytest.mark.redis, pytest.mark.router]

POOLS = """
[pools.home6]
ranges = ["2001:db8:100::/54"]
prefix_length = 56
"""
FIRST, SECOND = "2001:db8:100::/56", "2001:db8:100:100::/56"
TAG = "leasewire:acme:SVC-1"


@pytest.fixture
def here():
    with installation(tables=POOLS) as here:
        yield here


def assigned(**given):
    event = active(duid=DUID, iaid=1, **given)
    event["data"]["service"]["ipv6"]["prefix"] = {"mode": "assigned", "pool": "home6"}
    return event


def prefix(here):
    return here.record().assigned["prefix"].value


@pytest.mark.parametrize("foreign", [FIRST, "2001:db8:100:f0::/60"])
def test_a_binding_of_others_in_the_way_gives_another_prefix(here, foreign):
    here.r["R1"].add_row(BINDING, {"address": foreign, "duid": OTHER, "iaid": "9"})
    event = assigned()
    assert say(here, event).startswith("waiting: foreign-row")
    here.accept.assign_waiting()
    assert f"{SECOND} of pool home6 instead" in here.outcome(event)
    here.drain()
    assert here.outcome(event).startswith("applied")
    assert bindings(here)[TAG] == (SECOND, DUID, "1", "false")


def test_an_address_of_the_router_in_a_prefix_gives_another_prefix(here):
    address = {"address": "2001:db8:100:1::1/64", "interface": "vlan-32"}
    here.r["R1"].add_row("/ipv6/address", address)
    event = assigned()
    assert say(here, event).startswith("waiting: address-of-router")
    here.accept.assign_waiting()
    here.drain()
    assert here.outcome(event).startswith("applied")
    assert bindings(here) == {TAG: (SECOND, DUID, "1", "false")}


def test_a_prefix_that_a_customer_has_is_not_taken_from_them(here):
    """Somebody put another binding in its place: a person decides."""
    say(here, assigned())
    (row,) = here.r["R1"].rows(BINDING)
    here.r["R1"].remove_row(BINDING, row[".id"])
    here.r["R1"].add_row(BINDING, {"address": FIRST, "duid": OTHER, "iaid": "9"})
    event = builders.event("plan_changed", revision=2, plan={"code": "X"})
    assert say(here, event).startswith("waiting: foreign-row")
    here.accept.assign_waiting()
    assert prefix(here) == FIRST
