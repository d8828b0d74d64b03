"""Services with IPv6 with real workers, over each transport, before RouterOS 7.17 and after."""

import pytest

from tests import builders
from tests.installation import LEASES, NEWEST, SERVER, TRANSPORT, Installation
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

BINDING, LIST6 = "/ipv6/dhcp-server/binding", "/ipv6/firewall/address-list"
BEFORE = "7.15.3"
FIRST, SECOND = "2001:db8:1:100::/56", "2001:db8:1:200::/56"
DUID, OTHER = "0x0003000100005e00530a", "0x0003000100005e00530b"
"""DUID-LL of the devices with numbers 10 and 11."""
STATED, LEARNED = "leasewire:tests:SVC-10", "leasewire:tests:SVC-11"


@pytest.fixture(params=[BEFORE, NEWEST])
def here(request, short_directory):
    version = request.param
    with Installation(
        short_directory,
        routers=2,
        transport=TRANSPORT,  # `make e2e-all` runs each
        menu=LEASES,
        simulator=("--version", version),
        inventory={name: {"suspend_list": '"suspended"'} for name in ("R1", "R2")},
        environ_more={"LEASEWIRE_WATCH_EVERY_S": "1"},
    ) as installation:
        for router in installation.control.values():
            router.add_row(
                "/ipv6/pool", {"name": "p6", "prefix": "2001:db8:ff00::/48", "prefix-length": "56"}
            )
            pool = "address-pool" if version == BEFORE else "prefix-pool"
            router.add_row("/ipv6/dhcp-server", {"name": "six", "interface": "vlan-32", pool: "p6"})
        installation.start_workers("events", "routers")
        yield installation


def static(prefix):
    return {"mode": "static", "ipv6": prefix}


def activated(number, prefix, **client):
    place = {"mac": builders.mac(number), "ipv4": f"223.203.225.{number}", "server": SERVER}
    ipv6 = {"prefix": static(prefix), **client}
    return builders.activated(f"SVC-{number}", ipv6=ipv6, **place)


def published(here, *events):
    here.publisher.publish(events)
    eventually(
        lambda: all((o := here.outcome(e)) and o.state in ("applied", "acting") for e in events),
        f"applied: {[event['type'] for event in events]}",
        within_s=30,
    )


def bindings(here, router="R1"):
    return {
        row.get("comment", ""): (row["address"], row["duid"], row["iaid"])
        for row in here.control[router].rows(BINDING)
        if row["dynamic"] == "false"
    }


def test_stated_and_learned_clients_live_move_and_end(here):
    published(here, activated(10, FIRST, duid=DUID, iaid=1), activated(11, SECOND))
    assert bindings(here) == {STATED: (FIRST, DUID, "1")}
    here.control["R1"].device6(builders.mac(11), iaid=5)
    both = {STATED: (FIRST, DUID, "1"), LEARNED: (SECOND, OTHER, "5")}
    eventually(lambda: bindings(here) == both, "the client is learned", within_s=30)
    assert here.control["R1"].device6_renews(builders.mac(11), iaid=5)["address"] == SECOND

    published(here, *(builders.suspended(f"SVC-{n}", revision=2) for n in (10, 11)))
    listed = {row["address"] for row in here.control["R1"].rows(LIST6)}
    assert listed == {FIRST, SECOND}
    published(here, *(builders.resumed(f"SVC-{n}", revision=3) for n in (10, 11)))
    assert here.control["R1"].rows(LIST6) == []

    changed = {"prefix": static("2001:db8:1:300::/56")}
    published(here, builders.event("address_changed", "SVC-10", revision=4, ipv6=changed))
    assert bindings(here)[STATED] == ("2001:db8:1:300::/56", DUID, "1")

    access = {"router": "R2", "dhcp_server": SERVER}
    published(
        here,
        *(builders.event("moved", f"SVC-{n}", revision=5, access=access) for n in (10, 11)),
    )
    here.wait_until_settled()
    assert bindings(here) == {}
    assert bindings(here, "R2") == {
        STATED: ("2001:db8:1:300::/56", DUID, "1"),
        LEARNED: (SECOND, OTHER, "5"),
    }
    published(here, *(builders.cancelled(f"SVC-{n}", revision=6) for n in (10, 11)))
    here.wait_until_settled()
    assert bindings(here, "R2") == {}
