"""Real DHCP clients and real packets through a simulated router, in three network namespaces.

A customer's program sends a message every 20 ms and says what is answered; the router is the only
way to the one who answers. See `tests/traffic.py`.
"""

import contextlib
import json
import subprocess

import pytest

from simulator.control import ControlClient
from tests.namespaces import fork_inside
from tests.traffic import PLUGS, Talk, TrafficLab, need_client
from tests.waiting import eventually

LEASE, SERVER, FILTER = "/ip/dhcp-server/lease", "/ip/dhcp-server", "/ip/firewall/filter"
LIST, CONNECTION = "/ip/firewall/address-list", "/ip/firewall/connection"
A, ADDRESS, OTHER = "00:00:5E:00:53:0A", "223.203.225.10", "223.203.225.11"

pytestmark = [pytest.mark.router, pytest.mark.parametrize("kind", ["udhcpc", "dhclient"])]


@pytest.fixture(autouse=True)
def programs(kind):
    need_client(kind)


@pytest.fixture
def lab(tmp_path):
    with contextlib.ExitStack() as stack:
        lab = TrafficLab(stack, tmp_path)
        control = tmp_path / "control"
        how = ["--demo-password", "--seed-guide", "--json", "--control", control]
        pipe = subprocess.PIPE
        router = lab.keep(fork_inside(lab.router, "simulator", *how, *PLUGS, stdout=pipe))
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        lab.control.set_row(SERVER, "dhcp-vlan-32", {"lease-time": "6s", "add-arp": "yes"})
        yield lab


def drop_suspended(router):
    both = {"chain": "forward", "action": "drop"}
    router.add_row(FILTER, {**both, "src-address-list": "suspended"})
    router.add_row(FILTER, {**both, "dst-address-list": "suspended"})


def fasttrack(router):
    known = {"chain": "forward", "connection-state": "established,related"}
    router.add_row(FILTER, {**known, "action": "fasttrack-connection"})
    router.add_row(FILTER, {**known, "action": "accept"})


def bound(lab, kind, row=None):
    """Have a device with an address; give the id of its row."""
    row_id = lab.control.add_row(LEASE, row or {"mac-address": A, "address": ADDRESS})
    lab.client(kind, A)
    eventually(lambda: lab.control.rows(LEASE)[0]["status"] == "bound", "the device is bound")
    return row_id


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_suspension_and_resume(lab, kind, protocol):
    drop_suspended(lab.control)
    bound(lab, kind)
    talk = Talk(lab, protocol)
    eventually(talk.answered, "the customer is online")
    row_id = lab.control.add_row(LIST, {"list": "suspended", "address": ADDRESS})
    assert not talk.answered()
    lab.control.remove_row(LIST, row_id)
    eventually(talk.answered, "the customer is online again")


def test_a_fasttracked_customer_is_silent_when_the_connection_is_cut(lab, kind):
    fasttrack(lab.control)
    drop_suspended(lab.control)
    bound(lab, kind)
    talk = Talk(lab, "tcp")
    eventually(talk.answered, "the customer is online")
    lab.control.add_row(LIST, {"list": "suspended", "address": ADDRESS})
    assert talk.answered()
    (row,) = [row for row in lab.control.rows(CONNECTION) if row["protocol"] == "tcp"]
    assert row["fasttrack"] == "true"
    lab.control.remove_row(CONNECTION, row[".id"])
    assert not talk.answered()


def test_a_new_address_is_used_when_the_device_asks(lab, kind):
    row_id = bound(lab, kind)
    talk = Talk(lab, "udp")
    eventually(talk.answered, "the customer is online")
    lab.control.set_row(LEASE, row_id, {"address": OTHER})
    assert lab.control.rows(LEASE)[0]["active-address"] == ADDRESS
    assert talk.answered()

    def moved():
        row = lab.control.rows(LEASE)[0]
        return (row["status"], row.get("active-address")) == ("bound", OTHER)

    eventually(moved, "the device has its new address", within_s=20)
    eventually(talk.answered, "the customer is online from there", within_s=20)
    sources = {row["src-address"].partition(":")[0] for row in lab.control.rows(CONNECTION)}
    assert OTHER in sources


def test_a_cancelled_device_on_a_reply_only_interface_is_silent_at_once(lab, kind):
    fasttrack(lab.control)
    lab.control.set_row("/interface/vlan", "vlan-32", {"arp": "reply-only"})
    lab.control.set_row(
        SERVER, "dhcp-vlan-32", {"lease-time": "10m", "address-pool": "static-only"}
    )
    row_id = bound(lab, kind)
    talk = Talk(lab, "udp")
    eventually(talk.answered, "the customer is online")
    lab.control.remove_row(LEASE, row_id)
    assert not talk.answered()


def test_a_cancelled_device_elsewhere_goes_on_while_its_lease_lasts(lab, kind):
    lab.control.set_row(SERVER, "dhcp-vlan-32", {"address-pool": "static-only"})
    row_id = bound(lab, kind)
    talk = Talk(lab, "udp")
    eventually(talk.answered, "the customer is online")
    lab.control.remove_row(LEASE, row_id)
    assert talk.answered()
    eventually(lambda: not talk.answered(), "its lease has ended", within_s=20)
