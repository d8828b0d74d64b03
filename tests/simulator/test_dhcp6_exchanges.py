"""A real DHCPv6 client in a network namespace of its own, served by a simulated router.

See `tests/namespaces.py`: the router's end in one namespace, the device in another.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.control import ControlClient
from tests import reconfigured
from tests.namespaces import Lab, fork_inside, need_namespaces
from tests.needs import missing
from tests.waiting import eventually

BINDING, SERVER = "/ipv6/dhcp-server/binding", "/ipv6/dhcp-server"
A, FIRST, OWN = "00:00:5E:00:53:0A", "2001:db8:100::/56", "2001:db8:1:100::/56"
NO_WAIT = "for name in all default vd0 vr0; do\n at=/proc/sys/net/ipv6/conf/$name/accept_dad\n"
NO_WAIT += " [ ! -e $at ] || echo 0 > $at\ndone"
SCRIPT = """#!/bin/sh
[ "$reason" != PREINIT6 ] || exec ip link set "$interface" up
echo "$reason $new_ip6_prefix $old_ip6_prefix $new_dhcp6_name_servers" >> "$0.log"
"""

pytestmark = pytest.mark.router


@pytest.fixture(autouse=True)
def programs():
    need_namespaces()
    if shutil.which("dhclient") is None:
        missing("dhclient is not installed")


class PrefixClient:
    """`dhclient -6 -P` on the device's interface; `said()` is what it told its script."""

    def __init__(self, lab, directory):
        self.lab, self.directory = lab, directory
        self.script = directory / "script6"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.log = directory / "script6.log"
        self.process = None

    def command(self, *more):
        files = ["-lf", self.directory / "leases6", "-pf", self.directory / "pid6"]
        how = ["dhclient", "-6", "-P", "-D", "LL", "-sf", self.script, *files, *more, "vd0"]
        return [*self.lab.inside(self.lab.device), *map(str, how)]

    def start(self):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(self.command("-d"), **quiet)
        self.lab.stack.callback(self.process.wait)
        self.lab.stack.callback(self.process.kill)

    def release(self):
        subprocess.run(self.command("-r"), check=True, capture_output=True)

    def said(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split() for line in lines]


@pytest.fixture
def lab(tmp_path):
    with contextlib.ExitStack() as stack:
        lab = Lab(stack, tmp_path)
        for pid in (lab.router, lab.device):
            lab.run(pid, "sh", "-c", NO_WAIT)
        lab.run(lab.router, "ip", "-6", "addr", "add", "fe80::1/64", "dev", "vr0", "nodad")
        control = tmp_path / "control"
        how = ["--demo-password", "--seed-guide", "--json", "--version", "7.20.8"]
        how += ["--dhcp6", "vr0=vlan-32", "--control", control]
        router = fork_inside(lab.router, "simulator", *how, stdout=subprocess.PIPE)
        stack.callback(router.communicate)
        stack.callback(router.terminate)
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        pool = {"name": "p6", "prefix": "2001:db8:100::/40", "prefix-length": "56"}
        lab.control.add_row("/ipv6/pool", pool)
        server = {"name": "six", "interface": "vlan-32", "prefix-pool": "p6", "lease-time": "6s"}
        lab.control.add_row(SERVER, server)
        lab.control.set_row("/ip/dns", "", {"servers": "2001:db8::53"})
        lab.wear(A)
        lab.await_link_local()
        yield lab


def test_a_client_is_delegated_a_prefix_is_renumbered_and_releases(lab, tmp_path):
    client = PrefixClient(lab, tmp_path)
    client.start()
    eventually(client.said, "it is bound", within_s=20)
    assert client.said()[0] == ["BOUND6", FIRST, "2001:db8::53"]
    (row,) = lab.control.rows(BINDING)
    assert (row["dynamic"], row["status"]) == ("true", "bound")
    assert (row["duid"], row["iaid"]) == ("0x0003000100005e00530a", str(0x5E00530A))
    (neighbor,) = lab.control.rows("/ipv6/neighbor")
    assert (neighbor["address"], neighbor["mac-address"]) == (row["client-address"], A)
    lab.control.run(f"{BINDING}/make-static", {".id": row[".id"]})
    own = {"address": OWN, "life-time": "6s"}
    lab.control.set_row(BINDING, row[".id"], own)
    eventually(lambda: OWN in client.said()[-1], "it has its own prefix", within_s=20)
    (route,) = lab.control.rows("/ipv6/route")
    assert route["dst-address"] == OWN
    assert route["gateway"] == f"{row['client-address']}%vlan-32"
    client.process.kill()
    client.process.wait()
    client.release()
    assert [row["status"] for row in lab.control.rows(BINDING)] == ["waiting"]


def test_a_client_that_obeys_is_renumbered_by_a_signed_message(lab):
    lab.control.set_row(SERVER, "six", {"use-reconfigure": "yes", "lease-time": "1d"})
    program = Path(reconfigured.__file__)
    how = [*lab.inside(lab.device), sys.executable, program, "vd0"]
    client = subprocess.Popen(how, stdout=subprocess.PIPE, text=True)
    lab.stack.callback(client.communicate)
    lab.stack.callback(client.kill)
    assert client.stdout.readline().strip() == FIRST
    (row,) = lab.control.rows(BINDING)
    lab.control.run(f"{BINDING}/make-static", {".id": row[".id"]})
    lab.control.set_row(BINDING, row[".id"], {"address": OWN})
    assert [client.stdout.readline().strip() for _ in range(2)] == ["RENEW", OWN]
    (route,) = lab.control.rows("/ipv6/route")
    assert route["dst-address"] == OWN
    lab.control.remove_row(SERVER, "six")
    assert client.stdout.readline().strip() == "REBIND"


def test_a_client_whose_binding_is_gone_asks_anew(lab, tmp_path):
    client = PrefixClient(lab, tmp_path)
    client.start()
    eventually(client.said, "it is bound", within_s=20)
    client.process.send_signal(signal.SIGSTOP)  # or it may ask before the routes are read
    lab.control.remove_row(BINDING, lab.control.rows(BINDING)[0][".id"])
    assert lab.control.rows("/ipv6/route") == []
    client.process.send_signal(signal.SIGCONT)
    eventually(lambda: lab.control.rows(BINDING), "it has asked", within_s=20)
    assert lab.control.rows(BINDING)[0]["dynamic"] == "true"
