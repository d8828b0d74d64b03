"""Real DHCPv6 clients get prefixes of a simulated router, and use them; see `tests/prefixes.py`."""

import contextlib
import json
import subprocess

import pytest

from simulator.control import ControlClient
from tests.namespaces import fork_inside
from tests.prefixes import (
    KINDS,
    PLUGS6,
    PRIVATE,
    PrefixLab,
    drop_suspended,
    lend_prefixes,
    need_clients,
)
from tests.waiting import eventually

BINDING, LIST = "/ipv6/dhcp-server/binding", "/ipv6/firewall/address-list"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
DUID, PREFIX = "0x0003000100005e00530a", "2001:db8:1:100::/56"

pytestmark = pytest.mark.router


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    need_clients(*KINDS, "udhcpc6")
    directory = tmp_path_factory.mktemp("house")
    with contextlib.ExitStack() as stack:
        lab = PrefixLab(stack, directory)
        control = directory / "control"
        how = ["--demo-password", "--seed-guide", "--json", "--control", control]
        how += ["--version", "7.24"]
        pipe = subprocess.PIPE
        router = lab.keep(fork_inside(lab.router, "simulator", *how, *PLUGS6, stdout=pipe))
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        lend_prefixes(lab.control)
        drop_suspended(lab.control)
        yield lab


@pytest.fixture
def lab(house):
    before = house.control.snapshot()
    with house.visit():
        yield house
    house.control.restore(before)


def bindings(lab):
    return lab.control.rows(BINDING)


def make_static(lab):
    """Do by hand what Leasewire does when it has learned a client."""
    (row,) = bindings(lab)
    lab.control.run(f"{BINDING}/make-static", {"numbers": row[".id"]})
    lab.control.set_row(BINDING, row[".id"], {"address": PREFIX, "life-time": "4s"})


@pytest.mark.parametrize(("kind", "protocol"), [("dhclient", "udp"), ("dhcpcd", "tcp")])
def test_a_device_is_lent_a_prefix_then_has_its_own_and_is_silent_while_that_is_listed(
    lab, kind, protocol
):
    lab.prefix_client(kind, A)
    eventually(lab.prefixes, "the device was lent a prefix", within_s=30)
    # On a busy machine its 4 s may be over: then it asks again.
    eventually(lambda: bindings(lab), "the router has lent it", within_s=30)
    (row,) = bindings(lab)
    assert (row["dynamic"], row["client-address"]) == ("true", "fe80::200:5eff:fe00:530a")
    assert row["duid"].endswith("00005e00530a")
    make_static(lab)
    eventually(
        lambda: lab.prefixes()[-1] == PREFIX, "it has its own at the next renewal", within_s=30
    )
    talk = lab.talk6(protocol)
    eventually(talk.answered, "the customer is online over IPv6", within_s=30)
    row_id = lab.control.add_row(LIST, {"list": "suspended", "address": PREFIX})
    assert lab.nothing_passes() if protocol == "udp" else not talk.answered()
    lab.control.remove_row(LIST, row_id)
    eventually(talk.answered, "the customer is online again", within_s=30)


def test_busybox_is_another_client_each_time_it_starts(lab):
    for _ in range(2):
        seen = len(lab.prefixes())
        client = lab.prefix_client("udhcpc6", A)
        eventually(
            lambda seen=seen: len(lab.prefixes()) > seen,
            "the device was lent a prefix",
            within_s=30,
        )
        lab.pull_the_plug(client)
    first, second = bindings(lab)
    assert first["duid"] == second["duid"] == DUID
    assert first["iaid"] != second["iaid"]


def test_a_device_that_hides_its_mac_is_found_by_its_neighbour_row(lab):
    uuid = "00:04:6b:a7:b8:10:9d:ad:11:d1:80:b4:00:c0:4f:d4:30:c8"
    lab.prefix_client("dhcpcd", B, duid=uuid, link_local=PRIVATE)
    eventually(lab.prefixes, "the device was lent a prefix", within_s=30)
    (row,) = bindings(lab)
    assert row["duid"] == "0x" + uuid.replace(":", "")
    assert "ff:fe" not in row["client-address"]
    macs = {r["address"]: r["mac-address"] for r in lab.control.rows("/ipv6/neighbor")}
    assert macs[row["client-address"]] == B
