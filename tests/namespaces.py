"""Two network namespaces and a pair of virtual interfaces: a router's end and a device's.

No rights on the machine are needed where user namespaces are allowed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forking import NAMESPACES, Forked
from tests.needs import missing
from tests.waiting import eventually

SCRIPT = """#!/bin/sh
echo "$1 $ip $dns $router $subnet" >> "$0.log"
case "$1" in
deconfig) ip addr flush dev "$interface" ;;
bound|renew) ip addr replace "$ip/24" dev "$interface" ;;
esac
"""


def need_namespaces():
    """Skip the test, or fail it in CI, where they cannot be had."""
    for program in ("udhcpc", "unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    tried = subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False)  # noqa: S607 - found on the path above
    if tried.returncode != 0:
        pytest.skip("namespaces are refused here")


def hold(stack, *how):
    """Make namespaces by a command; returns the process that keeps them open until the end."""
    process = subprocess.Popen(
        [*how, "sh", "-c", "echo ready; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stack.callback(process.communicate)
    assert process.stdout.readline() == b"ready\n"
    return process.pid


def inside(pid, *more):
    """What to put before a command that is to run in the namespaces of a process."""
    return ["nsenter", "-t", str(pid), "-U", "-n", *more, "--preserve-credentials"]


def fork_inside(pid, module, *arguments, env=None, **more):
    """Start `python -m MODULE …` in the namespaces of a process, as a fork."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return Forked(command, env={**(env or os.environ), NAMESPACES: str(pid)}, **more)


class Lab:
    """The two namespaces, each kept open by a process that waits for its input to end.

    Args:
        stack: ends them.
        directory: for what the DHCP client runs and says.
    """

    def __init__(self, stack, directory: Path):
        self.stack = stack
        self.script, self.log = directory / "script", directory / "script.log"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.router = self.hold("unshare", "-Urn")
        self.device = self.hold(*self.inside(self.router), "unshare", "-n")
        self.run(self.router, "ip", "link", "add", "vr0", "type", "veth", "peer", "name", "vd0")
        self.run(self.router, "ip", "link", "set", "vd0", "netns", str(self.device))
        self.run(self.router, "ip", "addr", "add", "223.203.225.1/24", "dev", "vr0")
        self.run(self.router, "ip", "link", "set", "vr0", "up")
        self.run(self.router, "ip", "link", "set", "lo", "up")

    def hold(self, *how):
        return hold(self.stack, *how)

    @staticmethod
    def inside(pid):
        return inside(pid)

    def run(self, pid, *command):
        subprocess.run([*self.inside(pid), *command], check=True, capture_output=True)

    def wear(self, mac):
        """Be another device."""
        self.run(self.device, "ip", "link", "set", "vd0", "down")
        self.run(self.device, "ip", "addr", "flush", "dev", "vd0")
        self.run(self.device, "ip", "link", "set", "vd0", "address", mac)
        self.run(self.device, "ip", "link", "set", "vd0", "up")

    def await_link_local(self):
        """Wait for the device's link-local address: `dhclient -6` ends at once without one."""
        shown = [*self.inside(self.device), "ip", "-6", "addr", "show", "dev", "vd0"]
        shown += ["scope", "link", "-tentative"]
        eventually(lambda: subprocess.check_output(shown), "vd0 has a link-local address")

    def ask(self, mac, *more):
        """Ask for a lease once, as a device that was plugged in; give the script's words."""
        self.wear(mac)
        self.log.unlink(missing_ok=True)
        script = str(self.script)
        client = ["udhcpc", "-i", "vd0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", script]
        subprocess.run(
            [*self.inside(self.device), *client, *more], capture_output=True, check=False
        )
        return self.heard()

    def heard(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split() for line in lines if not line.startswith("deconfig")]
