"""Real DHCPv6 clients get prefixes of a simulated router, and use them; see `tests/prefixes.py`."""

import contextlib
import json
import subprocess
import sys

import pytest

from simulator.control import ControlClient
from tests.prefixes import KINDS, PLUGS6, PRIVATE, PrefixLab, need_clients
from tests.waiting import eventually

BINDING, SERVER, POOL = "/ipv6/dhcp-server/binding", "/ipv6/dhcp-server", "/ipv6/pool"
LIST, FILTER = "/ipv6/firewall/address-list", "/ipv6/firewall/filter"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
DUID, PREFIX = "0x0003000100005e00530a", "2001:db8:1:100::/56"
# of openwrt#21828: the same device before an upgrade and after it
BEFORE, AFTER = "3123639", "2711991250"

pytestmark = pytest.mark.router


@pytest.fixture(autouse=True)
def programs():
    need_clients(*KINDS, "udhcpc6")


@pytest.fixture
def lab(tmp_path):
    with contextlib.ExitStack() as stack:
        lab = PrefixLab(stack, tmp_path)
        control = tmp_path / "control"
        how = ["-m", "simulator", "--demo-password", "--seed-guide", "--json", "--control", control]
        how += ["--version", "7.24"]
        router = lab.start(lab.router, sys.executable, *how, *PLUGS6, stdout=subprocess.PIPE)
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        lend_prefixes(lab.control)
        yield lab


def lend_prefixes(router):
    """Give unknown devices a prefix, for a short time."""
    pool = {"name": "lent", "prefix": "2001:db8:f000::/40", "prefix-length": "56"}
    router.add_row(POOL, pool)
    server = {"name": "dhcp6", "interface": "vlan-32", "prefix-pool": "lent", "lease-time": "4s"}
    router.add_row(SERVER, server)


def bindings(lab):
    return lab.control.rows(BINDING)


def bound(lab):
    """What devices hold: DUID, IAID and prefix of each."""
    rows = [row for row in bindings(lab) if row["status"] == "bound"]
    return [(row["duid"], row["iaid"], row["address"]) for row in rows]


def given(lab, prefix):
    return lambda: lab.prefixes()[-1:] == [prefix]


def make_static(lab, **fields):
    """Do by hand what Leasewire does when it has learned a client."""
    (row,) = bindings(lab)
    lab.control.run(f"{BINDING}/make-static", {"numbers": row[".id"]})
    lab.control.set_row(BINDING, row[".id"], {"address": PREFIX, "life-time": "4s", **fields})


@pytest.mark.parametrize("kind", KINDS)
def test_a_lent_prefix_is_replaced_by_its_own_at_the_next_renewal(lab, kind):
    lab.prefix_client(kind, A)
    eventually(lab.prefixes, "the device was lent a prefix")
    (row,) = bindings(lab)
    assert (row["dynamic"], row["client-address"]) == ("true", "fe80::200:5eff:fe00:530a")
    assert row["duid"].endswith("00005e00530a")
    make_static(lab)
    eventually(given(lab, PREFIX), "the device has its own prefix", within_s=20)
    talk = lab.talk6("udp")
    eventually(talk.answered, "the customer is online over IPv6")


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_listed_prefix_lets_no_packet_pass(lab, protocol):
    for end in ("src", "dst"):
        drop = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
        lab.control.add_row(FILTER, drop)
    lab.control.add_row(BINDING, {"address": PREFIX, "duid": DUID, "iaid": "1"})
    lab.prefix_client("dhcpcd", A)
    talk = lab.talk6(protocol)
    eventually(talk.answered, "the customer is online over IPv6")
    row_id = lab.control.add_row(LIST, {"list": "suspended", "address": PREFIX})
    assert not talk.answered()
    lab.control.remove_row(LIST, row_id)
    eventually(talk.answered, "the customer is online again")


def test_another_iaid_of_the_same_device_is_another_client(lab):
    first = lab.prefix_client("dhcpcd", A, iaid=BEFORE)
    eventually(lab.prefixes, "the device was lent a prefix")
    make_static(lab)
    eventually(given(lab, PREFIX), "the device has its own prefix", within_s=20)
    lab.pull_the_plug(first)
    lab.prefix_client("dhcpcd", A, iaid=AFTER)
    eventually(lambda: (DUID, AFTER) in [row[:2] for row in bound(lab)], "it asks as another")
    assert lab.prefixes()[-1] != PREFIX
    own = next(row for row in bindings(lab) if row["dynamic"] == "false")
    lent = next(row for row in bindings(lab) if row["dynamic"] == "true")
    lab.control.remove_row(BINDING, lent[".id"])
    lab.control.set_row(BINDING, own[".id"], {"iaid": AFTER})
    eventually(given(lab, PREFIX), "it has its own prefix again", within_s=20)
    eventually(lambda: bound(lab) == [(DUID, AFTER, PREFIX)], "and nothing else")


def test_busybox_is_another_client_each_time_it_starts(lab):
    for _ in range(2):
        client = lab.prefix_client("udhcpc6", A)
        seen = len(lab.prefixes())
        eventually(lambda seen=seen: len(lab.prefixes()) > seen, "the device was lent a prefix")
        lab.pull_the_plug(client)
    first, second = bindings(lab)
    assert first["duid"] == second["duid"] == DUID
    assert first["iaid"] != second["iaid"]


def test_a_device_that_hides_its_mac_is_found_by_its_neighbour_row(lab):
    uuid = "00:04:6b:a7:b8:10:9d:ad:11:d1:80:b4:00:c0:4f:d4:30:c8"
    lab.prefix_client("dhcpcd", B, duid=uuid, link_local=PRIVATE)
    eventually(lab.prefixes, "the device was lent a prefix")
    (row,) = bindings(lab)
    assert row["duid"] == "0x" + uuid.replace(":", "")
    assert "ff:fe" not in row["client-address"]
    macs = {r["address"]: r["mac-address"] for r in lab.control.rows("/ipv6/neighbor")}
    assert macs[row["client-address"]] == B
