"""A real DHCP client in a network namespace of its own, served by a simulated router.

See `tests/namespaces.py`: the router's end in one namespace, the device in another.
"""

import contextlib
import json
import signal
import subprocess
import time

import pytest

from simulator.control import ControlClient
from tests.namespaces import Lab, fork_inside, need_namespaces

LEASE = "/ip/dhcp-server/lease"
OPTION = "/ip/dhcp-server/option"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"

pytestmark = pytest.mark.router


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    need_namespaces()


@pytest.fixture
def lab(tmp_path):
    with contextlib.ExitStack() as stack:
        lab = Lab(stack, tmp_path)
        control = tmp_path / "control"
        how = ["--demo-password", "--seed-guide", "--json", "--dhcp", "vr0=vlan-32"]
        how += ["--control", control]
        router = fork_inside(lab.router, "simulator", *how, stdout=subprocess.PIPE)
        stack.callback(router.communicate)
        stack.callback(router.terminate)
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        yield lab


def test_an_activated_device_gets_its_address_and_its_dns(lab):
    lab.control.add_row(OPTION, {"name": "dns-a", "code": "6", "value": "0xC6336401C6336402"})
    row = {"mac-address": A, "address": "223.203.225.10", "dhcp-option": "dns-a"}
    lab.control.add_row(LEASE, row)
    (said,) = lab.ask(A)
    assert said == [
        "bound",
        "223.203.225.10",
        "198.51.100.1",
        "198.51.100.2",
        "223.203.225.1",
        "255.255.255.0",
    ]
    (bound,) = lab.control.rows(LEASE)
    assert (bound["status"], bound["active-mac-address"]) == ("bound", A)
    assert bound["active-client-id"] == "1:0:0:5e:0:53:a"


def test_after_a_mac_change_the_new_device_gets_the_address_and_the_old_one_does_not(lab):
    row_id = lab.control.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    lab.wear(A)
    client = ["udhcpc", "-i", "vd0", "-f", "-t", "2", "-T", "1", "-s", str(lab.script)]
    old = subprocess.Popen([*lab.inside(lab.device), *client], stderr=subprocess.DEVNULL)
    try:
        until(lambda: ["bound", "223.203.225.10"] in [line[:2] for line in lab.heard()])
        lab.control.set_row(LEASE, row_id, {"mac-address": B})
        old.send_signal(signal.SIGUSR1)  # renew now
        until(lambda: "nak" in [line[0] for line in lab.heard()])
        until(lambda: [line[:2] for line in lab.heard()][-1] == ["bound", "223.203.225.100"])
    finally:
        old.terminate()
        old.wait()
    assert lab.ask(B)[0][:2] == ["bound", "223.203.225.10"]


def test_a_suspended_device_gets_no_answer(lab):
    row = {"mac-address": A, "address": "223.203.225.10", "block-access": "yes"}
    row_id = lab.control.add_row(LEASE, row)
    assert all(line[0] == "leasefail" for line in lab.ask(A))
    lab.control.set_row(LEASE, row_id, {"block-access": "no"})
    assert lab.ask(A)[0][:2] == ["bound", "223.203.225.10"]


def test_a_cancelled_device_gets_an_address_of_the_pool_or_none(lab):
    row_id = lab.control.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    assert lab.ask(A)[0][:2] == ["bound", "223.203.225.10"]
    lab.control.remove_row(LEASE, row_id)
    assert lab.ask(A)[0][:2] == ["bound", "223.203.225.100"]
    (dynamic,) = lab.control.rows(LEASE)
    lab.control.remove_row(LEASE, dynamic[".id"])
    lab.control.set_row("/ip/dhcp-server", "dhcp-vlan-32", {"address-pool": "static-only"})
    assert all(line[0] == "leasefail" for line in lab.ask(A))


def until(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
