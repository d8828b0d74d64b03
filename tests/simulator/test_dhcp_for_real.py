"""A real DHCP client in a network namespace of its own, served by a simulated router.

Two namespaces and a pair of virtual interfaces: the router's end in one, the device in the
other. No rights on the machine are needed where user namespaces are allowed.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from simulator.control import ControlClient
from tests.needs import missing

LEASE = "/ip/dhcp-server/lease"
OPTION = "/ip/dhcp-server/option"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
SCRIPT = """#!/bin/sh
echo "$1 $ip $dns $router $subnet" >> "$0.log"
case "$1" in
deconfig) ip addr flush dev "$interface" ;;
bound|renew) ip addr replace "$ip/24" dev "$interface" ;;
esac
"""


pytestmark = pytest.mark.router


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    for program in ("udhcpc", "unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    tried = subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False)  # noqa: S607 - found on the path above
    if tried.returncode != 0:
        pytest.skip("namespaces are refused here")


class Lab:
    """The two namespaces, each kept open by a process that waits for its input to end."""

    def __init__(self, stack):
        self.stack = stack
        self.router = self.hold("unshare", "-Urn")
        self.device = self.hold(*self.inside(self.router), "unshare", "-n")
        self.run(self.router, "ip", "link", "add", "vr0", "type", "veth", "peer", "name", "vd0")
        self.run(self.router, "ip", "link", "set", "vd0", "netns", str(self.device))
        self.run(self.router, "ip", "addr", "add", "223.203.225.1/24", "dev", "vr0")
        self.run(self.router, "ip", "link", "set", "vr0", "up")
        self.run(self.router, "ip", "link", "set", "lo", "up")

    def hold(self, *how):
        process = subprocess.Popen(
            [*how, "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.stack.callback(process.communicate)
        assert process.stdout.readline() == b"ready\n"
        return process.pid

    @staticmethod
    def inside(pid):
        return ["nsenter", "-t", str(pid), "-U", "-n", "--preserve-credentials"]

    def run(self, pid, *command):
        subprocess.run([*self.inside(pid), *command], check=True, capture_output=True)

    def wear(self, mac):
        """Be another device."""
        self.run(self.device, "ip", "link", "set", "vd0", "down")
        self.run(self.device, "ip", "addr", "flush", "dev", "vd0")
        self.run(self.device, "ip", "link", "set", "vd0", "address", mac)
        self.run(self.device, "ip", "link", "set", "vd0", "up")


@pytest.fixture
def lab(tmp_path):
    with contextlib.ExitStack() as stack:
        lab = Lab(stack)
        script = tmp_path / "script"
        script.write_text(SCRIPT)
        script.chmod(0o755)
        lab.script, lab.log = script, tmp_path / "script.log"
        control = tmp_path / "control"
        router = subprocess.Popen(
            [
                *lab.inside(lab.router),
                *(sys.executable, "-m", "simulator", "--demo-password", "--seed-guide", "--json"),
                *("--dhcp", "vr0=vlan-32", "--control", control),
            ],
            stdout=subprocess.PIPE,
        )
        stack.callback(router.communicate)
        stack.callback(router.terminate)
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        yield lab


def ask(lab, mac, *more):
    """Ask for a lease once, as a device that was plugged in; give the script's words."""
    lab.wear(mac)
    lab.log.unlink(missing_ok=True)
    client = ["udhcpc", "-i", "vd0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", str(lab.script)]
    subprocess.run([*lab.inside(lab.device), *client, *more], capture_output=True, check=False)
    return heard(lab)


def heard(lab):
    lines = lab.log.read_text().splitlines() if lab.log.exists() else []
    return [line.split() for line in lines if not line.startswith("deconfig")]


def test_an_activated_device_gets_its_address_and_its_dns(lab):
    lab.control.add_row(OPTION, {"name": "dns-a", "code": "6", "value": "0xC6336401C6336402"})
    row = {"mac-address": A, "address": "223.203.225.10", "dhcp-option": "dns-a"}
    lab.control.add_row(LEASE, row)
    (said,) = ask(lab, A)
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
        until(lambda: ["bound", "223.203.225.10"] in [line[:2] for line in heard(lab)])
        lab.control.set_row(LEASE, row_id, {"mac-address": B})
        old.send_signal(signal.SIGUSR1)  # renew now
        until(lambda: "nak" in [line[0] for line in heard(lab)])
        until(lambda: [line[:2] for line in heard(lab)][-1] == ["bound", "223.203.225.100"])
    finally:
        old.terminate()
        old.wait()
    assert ask(lab, B)[0][:2] == ["bound", "223.203.225.10"]


def test_a_suspended_device_gets_no_answer(lab):
    row = {"mac-address": A, "address": "223.203.225.10", "block-access": "yes"}
    row_id = lab.control.add_row(LEASE, row)
    assert all(line[0] == "leasefail" for line in ask(lab, A))
    lab.control.set_row(LEASE, row_id, {"block-access": "no"})
    assert ask(lab, A)[0][:2] == ["bound", "223.203.225.10"]


def test_a_cancelled_device_gets_an_address_of_the_pool_or_none(lab):
    row_id = lab.control.add_row(LEASE, {"mac-address": A, "address": "223.203.225.10"})
    assert ask(lab, A)[0][:2] == ["bound", "223.203.225.10"]
    lab.control.remove_row(LEASE, row_id)
    assert ask(lab, A)[0][:2] == ["bound", "223.203.225.100"]
    (dynamic,) = lab.control.rows(LEASE)
    lab.control.remove_row(LEASE, dynamic[".id"])
    lab.control.set_row("/ip/dhcp-server", "dhcp-vlan-32", {"address-pool": "static-only"})
    assert all(line[0] == "leasefail" for line in ask(lab, A))


def until(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
