"""Real DHCPv6 clients that ask for a prefix, and their traffic over IPv6, in three namespaces.

See `tests/traffic.py`. What each client says of itself: docs/decisions/0131.
"""

import contextlib
import subprocess
from ipaddress import IPv6Network
from pathlib import Path

from tests.traffic import PLUGS, PROGRAM, Talk, TrafficLab, need_client
from tests.waiting import eventually

WORLD6, GATEWAY = "2001:db8:ffff::80", "fe80::1"
ON_LINK = "2001:db8:2::ffff/64"
"""The router's, where customers have their own addresses."""
LENT, LENT_ADDRESSES = "2001:db8:f000::/40", "2001:db8:f100::/64"
SENT = 30
"""Datagrams of the customer's program: half a second's, and some of DHCPv6."""
PLUGS6 = (*PLUGS, "--dhcp6", "vr0=vlan-32")
KINDS = ("dhclient", "dhcpcd")
"""Those that renew; BusyBox 1.37 crashes when it renews a prefix without an address."""
# What all three run; each has names of its own for the same. A device uses the first address of
# the prefix that it was given last.
SCRIPT6 = f"""#!/bin/sh
what=${{reason:-$1}}
prefix=${{new_ip6_prefix:-$ipv6prefix}}
[ -z "$new_dhcp6_ia_pd1_prefix1" ] ||
    prefix=$new_dhcp6_ia_pd1_prefix1/$new_dhcp6_ia_pd1_prefix1_length
old=${{old_ip6_prefix:-$old_dhcp6_ia_pd1_prefix1}}
echo "$what $prefix" >> "$0.log"
first() {{
    network=${{1%/*}}
    case "$network" in *::) echo "${{network}}1" ;; *) echo "${{network%0000}}0001" ;; esac
}}
case "$what" in
PREINIT6) ip link set "$interface" up ;;
BOUND6 | RENEW6 | REBIND6 | bound | renew)
    [ -n "$prefix" ] || exit 0
    [ "$(cat "$0.now")" = "$prefix" ] || ip -6 addr flush dev lo scope global
    echo "$prefix" > "$0.now"
    ip -6 addr replace "$(first "$prefix")/128" dev lo
    ip -6 route replace default via {GATEWAY} dev "$interface" ;;
EXPIRE6 | RELEASE6 | STOP6) [ -z "$old" ] || ip -6 addr del "$(first "$old")/128" dev lo ;;
deconfig) ip -6 addr flush dev lo scope global ;;
esac
"""
# dhcpcd keeps its files in places of the machine, and wants to be another user: not in here.
DHCPCD = """
mount -t tmpfs tmpfs /run && mount --bind "$1" /var/lib/dhcpcd &&
    mount --bind "$1/passwd" /etc/passwd && exec dhcpcd -q -B -f "$1/dhcpcd.conf" vd0
"""
NO_DUPLICATES = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"
"""Nobody else is on the wire: an address may be used at once."""
BOOT = """
ip -6 addr flush dev lo scope global; ip -6 route flush default; ip -6 route flush type unreachable
echo "$0" > /proc/sys/net/ipv6/conf/vd0/addr_gen_mode
"""
"""A device that starts has no address but a link-local one."""
FROM_MAC, PRIVATE = "0", "3"
"""How the kernel makes that: EUI-64, or RFC 7217."""


def lend_prefixes(router):
    """Have the router give unknown devices a prefix and an address, for a short time."""
    pool = {"name": "lent", "prefix": LENT, "prefix-length": "56"}
    router.add_row("/ipv6/pool", pool)
    single = {"name": "single", "prefix": LENT_ADDRESSES, "prefix-length": "128"}
    router.add_row("/ipv6/pool", single)
    server = {"name": "dhcp6", "interface": "vlan-32", "lease-time": "4s"}
    pools = {"prefix-pool": "lent", "address-pool": "single"}
    router.add_row("/ipv6/dhcp-server", {**server, **pools})


def drop_suspended(router, family="ipv6"):
    """Drop what comes from the list `suspended` or goes there."""
    for end in ("src", "dst"):
        drop = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
        router.add_row(f"/{family}/firewall/filter", drop)


def need_clients(*kinds):
    """Skip the test where a DHCPv6 client, or a namespace for it, cannot be had."""
    for kind in kinds:
        need_client("busybox" if kind == "udhcpc6" else kind)


class PrefixLab(TrafficLab):
    """The customer has IPv6 as well: a device that asks for a prefix and uses it."""

    def __init__(self, stack, directory: Path):
        super().__init__(stack, directory)
        for address in (f"{GATEWAY}/64", ON_LINK):
            self.run(self.router, "ip", "-6", "addr", "add", address, "dev", "vr0", "nodad")
        for pid, device, end in ((self.router, "vu0", "1"), (self.world, "vi0", "80")):
            address = f"2001:db8:ffff::{end}/64"
            self.run(pid, "ip", "-6", "addr", "add", address, "dev", device, "nodad")
        self.run(self.world, "ip", "-6", "route", "add", "default", "via", "2001:db8:ffff::1")
        self.run(self.device, "sh", "-c", NO_DUPLICATES)
        self.run(self.device, "sh", "-c", NO_DUPLICATES.replace("default", "vd0"))
        self.run(self.device, "ip", "link", "set", "lo", "up")
        echo = self.start(self.world, *PROGRAM, "echo", WORLD6, stdout=subprocess.PIPE)
        assert echo.stdout.readline() == b"ready\n"
        self.script6 = directory / "script6"
        self.script6.write_text(SCRIPT6)
        self.log6 = directory / "script6.log"
        self.log6.touch()
        (directory / "script6.now").touch()
        self.script6.chmod(0o755)

    def prefix_client(self, kind, mac, *, link_local=FROM_MAC, **told):
        """Start a DHCPv6 client that stays; a device has the files that it had before.

        Args:
            kind: `dhclient`, `dhcpcd`, `udhcpc6`.
            mac: of the device.
            link_local: `FROM_MAC` or `PRIVATE`.
            told: what `dhcpcd` says of itself, as `_dhcpcd` has it; the others go their own ways.
        """
        self.run(self.device, "sh", "-c", BOOT, link_local)
        self.wear(mac)
        self.await_link_local()
        files = self.directory / mac.replace(":", "")
        files.mkdir(exist_ok=True)
        how = getattr(self, f"_{kind}")(files, **told)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return self.start(self.device, *how, **quiet)

    def _dhclient(self, files):
        config = files / "dhclient.conf"
        config.write_text("")
        more = ["-sf", self.script6, "-cf", config, "-lf", files / "leases", "-pf", files / "pid"]
        return ["dhclient", "-d", "-6", "-P", *more, "vd0"]

    def _dhcpcd(self, files, iaid=1, duid="ll", address_iaid=None):
        address = "" if address_iaid is None else f"ia_na {address_iaid}\n"
        (files / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
        (files / "dhcpcd.conf").write_text(
            f"nodev\nnoipv6rs\nipv6only\nrelease\nnohook *\nduid {duid}\n"
            f"script {self.script6}\ninterface vd0\nia_pd {iaid} -\n{address}"
        )
        return ["unshare", "-m", "sh", "-c", DHCPCD, "dhcpcd", files]

    def _udhcpc6(self, _files):
        return ["busybox", "udhcpc6", "-i", "vd0", "-f", "-r", "no", "-d", "-s", self.script6]

    @contextlib.contextmanager
    def visit(self):
        """End with it what was started in it; another device comes next."""
        kept = self.stack
        with contextlib.ExitStack() as self.stack:
            yield self
        self.stack = kept
        self.log6.write_text("")

    @staticmethod
    def shut_down(client):
        """End a client that gives back what it has."""
        client.terminate()
        client.wait()

    @staticmethod
    def pull_the_plug(client):
        """End a client that has no time to say so."""
        client.kill()
        client.wait()

    def prefixes(self):
        """Give what the device was told, oldest first."""
        lines = map(str.split, self.log6.read_text().splitlines())
        return [str(IPv6Network(words[1])) for words in lines if len(words) > 1]

    def nothing_passes(self):
        """Say whether of the next datagrams that the device sends over IPv6 none arrives."""
        arrived, sent = self._datagrams(self.world, "In"), self._datagrams(self.device, "Out")
        enough = sent + SENT
        eventually(lambda: self._datagrams(self.device, "Out") > enough, "the device sends")
        return self._datagrams(self.world, "In") == arrived

    def _datagrams(self, pid, way):
        counters = [*self.inside(pid), "cat", "/proc/self/net/snmp6"]
        text = subprocess.run(counters, check=True, capture_output=True, text=True).stdout
        return int(dict(line.split() for line in text.splitlines())[f"Udp6{way}Datagrams"])

    def talk6(self, protocol):
        """Start the customer's program over IPv6."""
        return Talk(self, protocol, WORLD6)
