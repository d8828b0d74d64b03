"""Real packets of IPv6 through a simulated router that delegated the prefix."""

import contextlib
import json
import subprocess
import sys

import pytest

from simulator.control import ControlClient
from tests.prefixes import PrefixLab, need_clients
from tests.traffic import PLUGS
from tests.waiting import eventually

BINDING, SERVER = "/ipv6/dhcp-server/binding", "/ipv6/dhcp-server"
LIST, FILTER = "/ipv6/firewall/address-list", "/ipv6/firewall/filter"
A, PREFIX = "00:00:5E:00:53:0A", "2001:db8:100::/56"

pytestmark = pytest.mark.router


@pytest.fixture
def lab(tmp_path):
    need_clients("dhclient")
    with contextlib.ExitStack() as stack:
        lab = PrefixLab(stack, tmp_path)
        control = tmp_path / "control"
        how = ["-m", "simulator", "--demo-password", "--seed-guide", "--json", "--control", control]
        how += ["--dhcp6", "vr0=vlan-32", *PLUGS]
        router = lab.start(lab.router, sys.executable, *how, stdout=subprocess.PIPE)
        assert json.loads(router.stdout.readline())
        lab.control = stack.enter_context(ControlClient(str(control)))
        pool = {"name": "p6", "prefix": "2001:db8:100::/40", "prefix-length": "56"}
        lab.control.add_row("/ipv6/pool", pool)
        server = {"name": "six", "interface": "vlan-32", "prefix-pool": "p6", "lease-time": "10s"}
        lab.control.add_row(SERVER, server)
        yield lab


def test_suspension_resume_and_a_prefix_that_is_taken_away(lab):
    for end in ("src", "dst"):
        rule = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
        lab.control.add_row(FILTER, rule)
    client = lab.prefix_client("dhclient", A)
    talk = lab.talk6("tcp")
    eventually(talk.answered, "the customer is online", within_s=20)
    row_id = lab.control.add_row(LIST, {"list": "suspended", "address": PREFIX})
    assert not talk.answered()
    lab.control.remove_row(LIST, row_id)
    eventually(talk.answered, "the customer is online again")
    client.kill()
    client.wait()
    lab.control.remove_row(BINDING, lab.control.rows(BINDING)[0][".id"])
    assert not talk.answered()  # no route leads to it
