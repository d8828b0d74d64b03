"""From a router with nothing on it to a customer with an address, by commands only.

The simulated router, the workers and the commands are in one network namespace, a real DHCP
client in the other.
"""

import contextlib
import json
import os
import subprocess

import pytest

from simulator.control import ControlClient
from tests import builders
from tests.namespaces import Lab, fork_inside, need_namespaces
from tests.setup.conftest import ADMIN, WISH
from tests.waiting import eventually

pytestmark = [pytest.mark.redis, pytest.mark.router, pytest.mark.e2e]

DEVICE = "00:00:5E:00:53:0A"
INVENTORY = """\
[installation]
id = "acme"
[routers.R1]
host = "127.0.0.1"
port = {port}
password_file = "ours"
dhcp_server = "dhcp-customers"
{pin}
"""
ACTIVATED = (
    *("activated", "--source", builders.SOURCE, "--service", "SVC-1", "--revision", "1"),
    *("--router", "R1", "--mac", DEVICE, "--address", "223.203.225.10"),
    *("--dns", "198.51.100.1", "--dns", "198.51.100.2"),
)


class Box:
    """The host of the commands, in the router's namespace."""

    def __init__(self, lab, directory):
        self.lab = lab
        self.directory = directory
        self.environ = {**os.environ, "LEASEWIRE_LOG_LEVEL": "WARNING"}

    def start(self, *command, **more):
        where = {"cwd": self.directory, "env": self.environ}
        process = fork_inside(self.lab.router, *command, text=True, **where, **more)
        self.lab.stack.callback(process.communicate)
        self.lab.stack.callback(process.terminate)
        return process

    def leasewire(self, *arguments, said=""):
        pipe = subprocess.PIPE
        process = self.start("leasewire", *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
        out, err = process.communicate(said)
        return process.returncode, out, err

    def write_inventory(self, port, pin=""):
        source = f'[sources."{builders.SOURCE}"]\norder = "revisions"\n'
        text = INVENTORY.format(port=port, pin=pin) + WISH + source
        (self.directory / "routers.toml").write_text(text)


@pytest.fixture
def box(short_directory):
    need_namespaces()
    with contextlib.ExitStack() as stack:
        (short_directory / "admin").write_text("at first")
        (short_directory / "ours").write_text("from now on")
        yield Box(Lab(stack, short_directory), short_directory)


def test_from_an_empty_router_to_a_customer_with_an_address(box):
    options = ["--user", ADMIN, "--password-file", "admin", "--dhcp", "vr0=ether2", "--json"]
    options += ["--certificate", "none", "--control", "router.sock"]
    simulator = box.start("simulator", *options, stdout=subprocess.PIPE)
    (router,) = json.loads(simulator.stdout.readline())["routers"]
    # the router's own address is a person's
    with ControlClient(str(box.directory / "router.sock")) as by_hand:
        by_hand.add_row("/ip/address", {"address": "223.203.225.1/24", "interface": "ether2"})
    box.write_inventory(router["api_ssl_port"])
    first = ("--bootstrap-user", ADMIN, "--bootstrap-plain")
    first += ("--bootstrap-port", str(router["api_port"]))
    code, out, err = box.leasewire("routers", "setup", "R1", *first, "--apply", said="at first\n")
    assert code == 0, (out, err)
    (pin,) = [line for line in out.splitlines() if line.startswith("fingerprint = ")]
    box.write_inventory(router["api_ssl_port"], pin)
    up = box.start("leasewire", "up", stdout=subprocess.PIPE)
    assert up.stdout.readline()
    code, out, err = box.leasewire("publish", *ACTIVATED)
    assert code == 0, (out, err)
    eventually(
        lambda: ["bound", "223.203.225.10"] in [line[:2] for line in box.lab.ask(DEVICE)],
        "the device has its address",
        within_s=40,
    )
    assert box.lab.heard()[-1][2:] == [
        *("198.51.100.1", "198.51.100.2", "223.203.225.1", "255.255.255.0")
    ]
    code, shown, _ = box.leasewire("services", "show", "SVC-1", "--live")
    assert code == 0, shown
    assert f"device {DEVICE} has 223.203.225.10" in shown, shown
    code, out, err = box.leasewire("services", "verify", "SVC-1")
    assert code == 0, (out, err)
