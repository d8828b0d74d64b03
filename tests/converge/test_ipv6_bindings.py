"""A service with IPv6 gets its binding, and keeps it or loses it as its events say."""

import pytest

from tests import builders
from tests.converge.ipv6 import (
    BINDING,
    DUID,
    NEW,
    OLD,
    OTHER,
    PREFIX,
    SECOND,
    active,
    bindings,
    installation,
    listed6,
    own,
    say,
    unclear,
    watching,
)
from tests.converge.queues import ipv4
from tests.small_installation import LEASES, SERVER

pytestmark = [pytest.mark.redis, pytest.mark.router]

TAG = "leasewire:acme:SVC-1"
UNKNOWN = "applied: ipv6-client-unknown"
WAYS = [(OLD, "api-ssl"), (NEW, "api-ssl"), (NEW, "rest"), (OLD, "rest")]
each_way = pytest.mark.parametrize(("version", "transport"), WAYS)


@each_way
def test_a_stated_client_has_its_binding_at_once_until_the_service_ends(version, transport):
    lines = {"R1": 'suspend_list = "suspended"\n'}
    with installation(version, transport, router_lines=lines) as here:
        assert say(here, active(duid=DUID, iaid=7)) == "applied"
        assert bindings(here) == {TAG: (PREFIX, DUID, "7", "false")}
        assert ("ia-type" in own(here)) == (version == NEW)
        changed = {"prefix": {"mode": "static", "ipv6": SECOND}}
        event = builders.event("address_changed", revision=2, ipv6=changed)
        assert say(here, event) == "applied"
        assert bindings(here) == {TAG: (SECOND, DUID, "7", "false")}
        assert say(here, builders.suspended()).startswith("applied")
        assert listed6(here) == {("suspended", SECOND)}
        assert bindings(here) == {TAG: (SECOND, DUID, "7", "false")}
        assert say(here, builders.resumed()) == "applied"
        assert listed6(here) == set()
        assert say(here, builders.cancelled()) == "applied"
        assert bindings(here) == {}
        assert here.record().placements == {}


@each_way
def test_a_client_is_learned_when_its_device_asks(version, transport):
    with installation(version, transport) as here, watching(here) as look:
        assert say(here, active()).startswith(UNKNOWN)
        assert bindings(here) == {}
        here.r["R1"].device6(builders.mac(1), iaid=3)
        look()
        assert bindings(here) == {TAG: (PREFIX, DUID, "3", "false")}
        answer = here.r["R1"].device6_renews(builders.mac(1), iaid=3)
        assert answer["address"] == PREFIX
        (at,) = here.record().placements["R1"].bindings
        assert (at.duid, at.iaid) == (DUID, "3")
        assert say(here, builders.cancelled()) == "applied"
        assert bindings(here) == {}


def test_a_client_that_is_no_news_costs_no_pass():
    with installation() as here, watching(here) as look:
        say(here, active(duid=DUID, iaid=1))
        say(here, builders.activated("SVC-4", mac=builders.mac(4), ipv4=ipv4(40), server=SERVER))
        here.r["R1"].device6(builders.mac(4))  # of a service without IPv6
        here.r["R1"].device6(builders.mac(9))  # of none
        here.r["R1"].reset_counters()
        for _ in range(2):
            look()
        counted = here.r["R1"].counters()
        assert counted[f"{BINDING}/print"] == 2
        assert counted[f"{LEASES}/print"] == 2  # of the watch


@each_way
def test_a_client_that_asks_already_is_learned_with_the_activation(version, transport):
    with installation(version, transport) as here:
        row_id = here.r["R1"].device6(builders.mac(1))["row_id"]
        assert say(here, active()) == "applied"
        assert own(here)[".id"] == row_id
        assert bindings(here) == {TAG: (PREFIX, DUID, "1", "false")}


def test_a_client_that_hides_its_mac_is_known_by_the_neighbours_of_the_router():
    hidden = {"duid": "0x0004" + "ab" * 16, "link_local": "fe80::1234"}
    with installation() as here:
        here.r["R1"].device6(builders.mac(1), **hidden)
        here.r["R1"].device6(builders.mac(2), duid="0x0004" + "cd" * 16, link_local="fe80::5678")
        assert say(here, active()) == "applied"
        assert bindings(here)[TAG] == (PREFIX, hidden["duid"], "1", "false")


@each_way
def test_a_moved_service_takes_its_client_along(version, transport):
    with installation(version, transport, routers=2) as here:
        here.r["R1"].device6(builders.mac(1))
        assert say(here, active()) == "applied"
        moved = builders.event("moved", revision=2, access={"router": "R2", "dhcp_server": None})
        here.say(moved)
        here.drain("R2", "R1")
        assert here.outcome(moved).startswith("applied")
        assert bindings(here, "R1") == {}
        assert bindings(here, "R2") == {TAG: (PREFIX, DUID, "1", "false")}


def test_another_device_is_learned_anew():
    with installation() as here, watching(here) as look:
        here.r["R1"].device6(builders.mac(1))
        say(here, active())
        swapped = builders.event("device_swapped", revision=2, device={"mac": builders.mac(2)})
        assert say(here, swapped).startswith(UNKNOWN)
        assert [
            row for row in bindings(here).values() if row[1] == DUID and row[3] == "false"
        ] == []
        here.r["R1"].device6(builders.mac(2))
        look()
        assert bindings(here)[TAG] == (PREFIX, OTHER, "1", "false")


def test_a_device_that_asks_as_another_client_is_learned_anew():
    """As after an upgrade of OpenWrt that numbers its interfaces in another way."""
    with installation() as here, watching(here) as look:
        here.r["R1"].device6(builders.mac(1), iaid=1)
        say(here, active())
        here.r["R1"].device6_renews(builders.mac(1), iaid=1)
        here.r["R1"].device6_release(builders.mac(1), iaid=1)
        here.r["R1"].device6(builders.mac(1), iaid=2)
        look()
        assert bindings(here) == {TAG: (PREFIX, DUID, "2", "false")}


def test_of_two_clients_none_is_taken_and_an_alert_says_so():
    with installation() as here, watching(here) as look:
        here.r["R1"].device6(builders.mac(1), iaid=1)
        here.r["R1"].device6(builders.mac(1), iaid=2)
        assert say(here, active()).startswith("applied: ipv6-client-ambiguous")
        assert TAG not in bindings(here)
        look()
        assert unclear(here) == ["R1 SVC-1"]
        here.r["R1"].device6_release(builders.mac(1), iaid=2)
        (waiting,) = (row for row in here.r["R1"].rows(BINDING) if row["iaid"] == "2")
        here.r["R1"].remove_row(BINDING, waiting[".id"])
        look()
        assert bindings(here) == {TAG: (PREFIX, DUID, "1", "false")}
        look()
        assert unclear(here) == []
