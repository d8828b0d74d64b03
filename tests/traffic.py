"""Real traffic of a customer through a simulated router, in three network namespaces."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.namespaces import SCRIPT, Lab, need_namespaces
from tests.needs import missing

PROGRAM = (sys.executable, Path(__file__).with_name("customer.py"))
PLUGS = ("--dhcp", "vr0=vlan-32", "--forward", "vr0=vlan-32,vu0=ether1")
SILENT_S = 1.0
# what dhclient runs; the names of its variables are its own
DHCLIENT_SCRIPT = """#!/bin/sh
echo "$reason $new_ip_address" >> "$0.log"
case "$reason" in
PREINIT) ip link set "$interface" up ;;
EXPIRE|FAIL|STOP|RELEASE|TIMEOUT) ip addr flush dev "$interface" ;;
BOUND|RENEW|REBIND|REBOOT)
    [ "$old_ip_address" = "$new_ip_address" ] || ip addr flush dev "$interface"
    ip addr replace "$new_ip_address/24" dev "$interface"
    ip route replace default via 223.203.225.1 ;;
esac
"""
WORLD = "198.51.100.80"
FILTER = "/ip/firewall/filter"


def with_fasttrack(router):
    """FastTrack first, as RouterOS's own default has it; then the rules for suspended services."""
    known = {"chain": "forward", "connection-state": "established,related"}
    for action in ("fasttrack-connection", "accept"):
        router.add_row(FILTER, {**known, "action": action})
    for end in ("src", "dst"):
        drop = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
        router.add_row(FILTER, drop)


def need_client(kind):
    """Skip the test where a real DHCP client, or a namespace for it, cannot be had."""
    need_namespaces()
    if shutil.which(kind) is None:
        missing(f"{kind} is not installed")


class TrafficLab(Lab):
    """The same with a third namespace behind the router: the world.

    The simulated router forwards between `vr0` and `vu0` (`--forward`); the kernel must not.
    """

    def __init__(self, stack, directory: Path):
        super().__init__(stack, directory)
        self.directory = directory
        self.script.write_text(
            SCRIPT.replace(
                'dev "$interface" ;;\nesac',
                'dev "$interface"; ip route replace default via 223.203.225.1 ;;\nesac',
            )
        )
        self.world = self.hold(*self.inside(self.router), "unshare", "-n")
        self.run(self.router, "ip", "link", "add", "vu0", "type", "veth", "peer", "name", "vi0")
        self.run(self.router, "ip", "link", "set", "vi0", "netns", str(self.world))
        self.run(self.router, "ip", "addr", "add", "198.51.100.1/24", "dev", "vu0")
        self.run(self.router, "ip", "link", "set", "vu0", "up")
        forwards = "/proc/sys/net/ipv4/ip_forward"
        tried = [*self.inside(self.router), "sh", "-c", f"echo 0 > {forwards}; cat {forwards}"]
        if subprocess.run(tried, capture_output=True, check=False).stdout != b"0\n":
            pytest.skip("the kernel's own forwarding cannot be switched off here")
        self.run(self.world, "ip", "addr", "add", f"{WORLD}/24", "dev", "vi0")
        self.run(self.world, "ip", "link", "set", "vi0", "up")
        self.run(self.world, "ip", "route", "add", "default", "via", "198.51.100.1")
        echo = self.start(self.world, *PROGRAM, "echo", stdout=subprocess.PIPE)
        assert echo.stdout.readline() == b"ready\n"

    def start(self, pid, *command, **how):
        """Run a program in a namespace until the test ends."""
        return self.keep(subprocess.Popen([*self.inside(pid), *map(str, command)], **how))

    def keep(self, process):
        """End a process when the test ends."""
        self.stack.callback(self._end, process)
        return process

    @staticmethod
    def _end(process):
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def client(self, kind, mac=None):
        """Start a DHCP client that stays, `udhcpc` or `dhclient`; a MAC makes it another device."""
        if mac is not None:
            self.wear(mac)
        if kind == "udhcpc":
            how = ["udhcpc", "-i", "vd0", "-f", "-t", "2", "-T", "1", "-A", "1", "-s", self.script]
        else:
            script, config = self.directory / "dhclient-script", self.directory / "dhclient.conf"
            script.write_text(DHCLIENT_SCRIPT)
            script.chmod(0o755)
            config.write_text("timeout 2;\nretry 1;\nreboot 1;\ninitial-interval 1;\n")
            leases, pid = self.directory / "dhclient.leases", self.directory / "dhclient.pid"
            how = ["dhclient", "-d", "-4", "-sf", script, "-cf", config, "-lf", leases, "-pf", pid]
            how += ["vd0"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return self.start(self.device, *how, **quiet)


class Talk:
    """The customer's program; notes when something was answered last."""

    def __init__(self, lab, kind, world=WORLD):
        self._process = lab.start(lab.device, *PROGRAM, kind, world, stdout=subprocess.PIPE)
        self.last = 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(ValueError):  # closed while it is read: the test is over
            for _ in self._process.stdout:
                self.last = time.monotonic()

    def answered(self):
        """Say whether something that is sent from now on is answered soon."""
        now = time.monotonic()
        while time.monotonic() < now + SILENT_S:
            if self.last > now + 0.1:
                return True
            time.sleep(0.02)
        return False
