"""A suspension acts over IPv6: its prefix is listed, rules drop it, old connections are removed."""

from contextlib import contextmanager

import pytest

from tests import builders
from tests.bindings import duid
from tests.full_read.ipv6 import prefix, stated, with_server6
from tests.small_installation import SmallInstallation
from worker.core.effect.facts import EffectFacts, Ipv6Filter
from worker.routeros import tracked_connections
from worker.watching.effects import EffectReader

pytestmark = [pytest.mark.redis, pytest.mark.router]

FILTER6, CONNECTION6 = "/ipv6/firewall/filter", "/ipv6/firewall/connection"
HOST, OTHER = "2001:db8:1:101::5", "2001:db8:1:201::5"
"""In the prefixes of SVC-1 and SVC-2."""


@contextmanager
def two_customers(defaults=""):
    """Two services with IPv6, each with an established FastTracked flow."""
    defaults = f'suspend = "walled_garden"\nsuspend_list = "suspended"\n{defaults}'
    with SmallInstallation(1, defaults=defaults) as small:
        router = small.r["R1"]
        with_server6(router)
        known = {"chain": "forward", "connection-state": "established,related"}
        router.add_row(FILTER6, {**known, "action": "fasttrack-connection"})
        router.add_row(FILTER6, {**known, "action": "accept"})
        for end in ("src", "dst"):
            drop = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
            router.add_row(FILTER6, drop)
        small.say(stated(1), stated(2))
        small.drain()
        small.flows = [router.flow(address).establish() for address in (HOST, OTHER)]
        for flow in small.flows:
            assert flow.send().fasttrack
        yield small


@pytest.fixture
def here():
    with two_customers() as small:
        yield small


def say(here, event):
    here.say(event)
    here.drain()
    return here.outcome(event)


def passes(here):
    return [flow.exchange().passed for flow in here.flows]


def test_no_packet_passes_over_ipv6_while_suspended_and_all_do_after_that(here):
    assert say(here, builders.suspended()).startswith("applied")
    assert passes(here) == [False, True]
    assert not here.r["R1"].flow(HOST).send().passed
    assert not here.r["R1"].flow("2001:db8:ffff::80", HOST).send().passed
    say(here, builders.resumed())
    assert here.r["R1"].flow(HOST).exchange().passed


@pytest.mark.parametrize("event", [builders.cancelled(), builders.mac_changed(mac=builders.mac(7))])
def test_a_prefix_that_changes_hands_has_no_old_connections(here, event):
    say(here, event)
    assert {row["src-address"] for row in here.r["R1"].rows(CONNECTION6)} == {OTHER}


def test_where_the_policy_forbids_it_connections_go_on():
    with two_customers('cut_connections = "never"') as here:
        say(here, builders.suspended())
        assert passes(here) == [True, True]
        assert f"{CONNECTION6}/print" not in here.r["R1"].counters()


def test_without_ipv6_nothing_of_ipv6_is_asked_for(here):
    here.r["R1"].reset_counters()
    here.say(builders.activated("SVC-9", mac=builders.mac(9), ipv4=builders.ipv4(9)))
    here.drain()
    say(here, builders.suspended("SVC-9", revision=2))
    assert not [name for name in here.r["R1"].counters() if name.startswith("/ipv6/")]


def test_a_table_of_ipv6_that_is_too_large_keeps_no_connection_of_ipv4(here, monkeypatch):
    router = here.r["R1"]
    router.set_switches(connection_ports="apart")
    facts = EffectFacts(read_at_ms=1, fasttrack=True, ipv6_filter=Ipv6Filter(fasttrack=True))
    here.store.memory.note_effect("R1", facts)
    router.open_connections([builders.ipv4(101)], each=3, fasttrack=True)
    monkeypatch.setattr(tracked_connections, "MOST_READ", 1)
    said = say(here, builders.suspended())
    assert f"connections of {prefix(1)} may go on: the router tracks 2 IPv6 connections" in said
    assert router.rows("/ip/firewall/connection") == []
    assert here.store.memory.known("R1").left == {prefix(1): "SVC-1"}
    monkeypatch.undo()
    for member in here.client.zrange(here.store.keys.watches_due, 0, -1):
        here.client.zadd(here.store.keys.watches_due, {member: 1})
    EffectReader(here.store, here.sessions, here.policies).once()
    assert {row["src-address"] for row in router.rows(CONNECTION6)} == {OTHER}
    assert here.store.memory.known("R1").left == {}


@pytest.mark.parametrize("ipv6", [{}, {"duid": duid(7), "iaid": 1}])
def test_a_device_that_is_swapped_leaves_no_connections_of_either_family(here, ipv6):
    """A client that is noted before it is written must not make it forgotten what it replaces."""
    router = here.r["R1"]
    facts = EffectFacts(read_at_ms=1, fasttrack=True, ipv6_filter=Ipv6Filter(fasttrack=True))
    here.store.memory.note_effect("R1", facts)
    router.set_switches(connection_ports="apart")
    router.open_connections([builders.ipv4(101)], fasttrack=True)
    block = {"prefix": {"mode": "static", "ipv6": prefix(1)}, **ipv6}
    device = {"mac": builders.mac(7)}
    say(here, builders.event("device_swapped", revision=2, device=device, ipv6=block))
    assert router.rows("/ip/firewall/connection") == []
    assert {row["src-address"] for row in router.rows(CONNECTION6)} == {OTHER}
