"""Leasewire writes, and a real customer behind the router is off, on, moved: seen in packets.

The whole installation runs in the namespace of the simulated router; udhcpc and dhclient are the
customer's device. See `tests/traffic.py`.
"""

import contextlib
import time

import pytest

from tests import builders
from tests.forking import NAMESPACES
from tests.installation import LEASES, SERVER, Installation, in_leases
from tests.traffic import PLUGS, Talk, TrafficLab, need_client
from tests.waiting import eventually

FILTER, CONNECTION = "/ip/firewall/filter", "/ip/firewall/connection"
POOL = "/ip/dhcp-server"
MAC, ADDRESS, OTHER = "00:00:5E:00:53:0A", "223.203.225.10", "223.203.225.11"

pytestmark = [
    *(pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, in_leases),
]
# Each client in each case: tests/simulator/test_traffic_for_real.py, without Leasewire.


@pytest.fixture(autouse=True)
def programs(kind):
    need_client(kind)


@pytest.fixture
def lab(tmp_path):
    with contextlib.ExitStack() as stack:
        yield TrafficLab(stack, tmp_path)


@pytest.fixture
def here(lab, short_directory):
    with Installation(
        short_directory,
        inventory={"R1": {"suspend_list": '"suspended"', "cut_connections": '"always"'}},
        simulator=PLUGS,
        environ_more={NAMESPACES: str(lab.router)},
    ) as here:
        router = here.control["R1"]
        router.set_row(POOL, SERVER, {"lease-time": "8s", "address-pool": "static-only"})
        fasttrack(router)
        both = {"chain": "forward", "action": "drop"}
        router.add_row(FILTER, {**both, "src-address-list": "suspended"})
        router.add_row(FILTER, {**both, "dst-address-list": "suspended"})
        here.start_workers("events", "routers")
        yield here


def fasttrack(router):
    known = {"chain": "forward", "connection-state": "established,related"}
    router.add_row(FILTER, {**known, "action": "fasttrack-connection"})
    router.add_row(FILTER, {**known, "action": "accept"})


def online(lab, here, kind, protocol):
    """Activate a service, start its device, and have it talk."""
    device = {"server": SERVER, "mac": MAC, "ipv4": ADDRESS}
    publish(here, builders.activated(**device))
    lab.client(kind, MAC)
    talk = Talk(lab, protocol)
    eventually(talk.answered, "the customer is online", within_s=30)
    return talk


def publish(here, event):
    """Publish, wait until it is applied, and give the moment at which that was seen."""
    here.publisher.publish([event])

    def applied():
        outcome = here.outcome(event)
        return outcome is not None and outcome.state in ("applied", "acting", "not-acting-yet")

    eventually(applied, f"applied: {here.outcome(event)}", within_s=20)
    return time.monotonic()


@pytest.mark.parametrize("kind", ["dhclient"])
def test_suspension_is_felt_within_a_second_and_resume_too(lab, here, kind):
    talk = online(lab, here, kind, "tcp")
    tracked = [r for r in here.control["R1"].rows(CONNECTION) if r["protocol"] == "tcp"]
    assert [row["fasttrack"] for row in tracked] == ["true"]
    applied_at = publish(here, builders.suspended(revision=2))
    assert not talk.answered()
    assert talk.last < applied_at + 1
    publish(here, builders.resumed(revision=3))
    eventually(talk.answered, "the same connection goes on", within_s=20)


@pytest.mark.parametrize("kind", ["udhcpc", "dhclient"])
def test_a_new_address_is_used_when_the_device_asks(lab, here, kind):
    talk = online(lab, here, kind, "udp")
    address = {"mode": "static", "ipv4": OTHER}
    publish(here, builders.event("address_changed", "SVC-1", revision=2, address=address))
    router = here.control["R1"]

    def moved():
        (row,) = router.rows(LEASES)
        return row.get("active-address") == OTHER

    eventually(moved, "the device has its new address", within_s=30)
    eventually(talk.answered, "the customer is online from there", within_s=30)
    sources = {row["src-address"].partition(":")[0] for row in router.rows(CONNECTION)}
    assert OTHER in sources


@pytest.mark.parametrize("kind", ["udhcpc"])
def test_cancellation_on_a_reply_only_interface_is_felt_at_once(lab, here, kind):
    router = here.control["R1"]
    router.set_row(POOL, SERVER, {"lease-time": "10m", "add-arp": "yes"})
    router.set_row("/interface/vlan", "vlan-32", {"arp": "reply-only"})
    talk = online(lab, here, kind, "udp")
    applied_at = publish(here, builders.cancelled(revision=2))
    assert not talk.answered()
    assert talk.last < applied_at + 1
