"""After *applied*: what was read on the router says whether a change acts over IPv6 too."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests import builders
from tests.bindings import duid
from tests.full_read.ipv6 import with_server6
from tests.outcomes.test_effects import (
    ADDRESS,
    FACTS,
    MAC,
    POLICY,
    SERVER,
    Watched,
    change,
    plan,
)
from worker.core.effect.facts import Ipv6Filter

pytestmark = [pytest.mark.redis, pytest.mark.router]

BINDINGS, LIST6 = "/ipv6/dhcp-server/binding", "/ipv6/firewall/address-list"
PREFIX, SECOND = "2001:db8:1:100::/56", "2001:db8:1:200::/56"
FIRST = replace(FACTS, ipv6_filter=Ipv6Filter(suspension="first"))


def ipv6(prefix=PREFIX):
    return {"prefix": {"mode": "static", "ipv6": prefix}, "duid": duid(1), "iaid": 1}


@contextmanager
def with_prefix(policy=POLICY):
    """A service with IPv6, whose device has its address and its prefix."""
    with Watched(1, defaults=policy) as here:
        with_server6(here.r["R1"])
        rates = plan(10_000, 50_000)
        here.apply(
            builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER, plan=rates, ipv6=ipv6())
        )
        here.know(FIRST)
        here.device()
        assert PREFIX in str(here.r["R1"].device6(MAC, iaid=1))
        assert here.read() == ["acting"]
        yield here


@pytest.fixture
def here():
    with with_prefix() as here:
        yield here


def test_a_suspension_acts_when_both_families_are_dropped(here):
    here.apply(builders.suspended(revision=2))
    (row,) = here.r["R1"].rows(LIST6)
    here.r["R1"].remove_row(LIST6, row[".id"])
    assert here.read() == ["not-acting-yet: not-listed"]
    assert here.said[0].detail.startswith(f"{PREFIX} is not in list suspended")
    here.r["R1"].add_row(LIST6, {"list": "suspended", "address": PREFIX})
    assert here.read() == ["acting"]
    here.apply(builders.resumed(revision=3))
    assert here.read() == ["acting"]


def test_a_suspension_waits_for_the_rule_of_ipv6_and_reads_it(here):
    here.know(FACTS)  # of a full read before any service had IPv6
    here.apply(builders.suspended(revision=2))
    assert here.read() == ["not-acting-yet: no-rule"]
    assert "no IPv6 firewall rule drops suspended customers" in here.said[0].detail
    for end in ("src", "dst"):
        drop = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
        here.r["R1"].add_row("/ipv6/firewall/filter", drop)
    assert here.read() == []
    here.know(FACTS)
    assert here.read() == ["acting"]


def test_a_suspension_is_not_acting_while_a_fasttracked_flow_of_the_prefix_is_left():
    with with_prefix(f'{POLICY}\ncut_connections = "never"') as here:
        here.know(replace(FIRST, ipv6_filter=Ipv6Filter(fasttrack=True, suspension="first")))
        here.r["R1"].open_connections(["2001:db8:1:101::5"], fasttrack=True)
        here.apply(builders.suspended(revision=2))
        assert here.read() == ["not-acting-yet: flows-left"]
        assert f"1 tracked connections of {PREFIX} pass by FastTrack" in here.said[0].detail
        (row,) = here.r["R1"].rows("/ipv6/firewall/connection")
        here.r["R1"].remove_row("/ipv6/firewall/connection", row[".id"])
        assert here.read() == ["acting"]


@pytest.mark.parametrize("moment", ["at-once", "at-renewal", "kept-until-expiry"])
def test_another_prefix_acts_when_the_device_has_it(here, moment):
    here.r["R1"].set_switches(address_change=moment)
    here.apply(change("address_changed", 2, ipv6=ipv6(SECOND)))
    (said,) = here.read()
    assert said in {"not-acting-yet: not-renewed", "not-acting-yet: not-bound"}
    here.pass_time(5)
    got = str(here.r["R1"].device6_renews(MAC, iaid=1))
    assert here.read() == (["acting"] if SECOND in got else []), got


def test_a_server_that_tells_devices_makes_another_prefix_act_without_a_message_of_ours():
    with with_prefix() as here:
        router = here.r["R1"]
        (server,) = router.rows("/ipv6/dhcp-server")
        router.set_row("/ipv6/dhcp-server", server[".id"], {"use-reconfigure": "yes"})
        router.device6_release(MAC, iaid=1)
        router.device6(MAC, iaid=1, reconfigure="obey")
        here.know(replace(FIRST, reconfigure6=frozenset({"home6"})))
        here.apply(change("address_changed", 2, ipv6=ipv6(SECOND)))
        here.read()
        (row,) = router.rows(BINDINGS)
        assert (row["address"], row["status"]) == (SECOND, "bound")
        assert here.said[-1].effective_by == "reconfigure"
        assert f"{BINDINGS}/send-reconfigure" not in router.counters()


@pytest.mark.parametrize("policy", [POLICY, f'{POLICY}\nrates = "queue"'])
def test_a_rate_acts_when_the_queue_of_both_families_has_it(policy):
    with with_prefix(policy) as here:
        here.apply(change("plan_changed", 2, plan=plan(5_000, 20_000)))
        assert here.read() == ["acting"]
        assert here.said[0].detail.startswith(f"{ADDRESS} is limited to 5M/20M")


def test_a_service_without_ipv6_is_suspended_over_ipv4_alone(here):
    here.know(replace(FIRST, ipv6=frozenset({"vlan-32"})))
    rates = plan(10_000, 50_000)
    here.apply(builders.activated(mac=MAC, ipv4=ADDRESS, server=SERVER, plan=rates, revision=2))
    here.apply(builders.suspended(revision=3))
    assert here.read()[-1] == "acting: ipv4-only"
