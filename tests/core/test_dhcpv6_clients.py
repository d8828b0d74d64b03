"""What is learned from packets of real DHCPv6 clients (docs/decisions/0131).

The device of each was 00:00:5E:00:53:0A; see `tests/dhcpv6_clients.json`.
"""

import json
from pathlib import Path

import pytest

from contracts.ipv6_values import Duid
from worker.core.rows.bindings import mac_in_duid, mac_in_link_local

MAC, LINK_LOCAL = "00:00:5E:00:53:0A", "fe80::200:5eff:fe00:530a"
CLIENTS = json.loads((Path(__file__).parents[1] / "dhcpv6_clients.json").read_text())
of_each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client["client"])


@of_each_client
def test_the_mac_is_found_where_a_client_puts_it_into_its_duid(client):
    has_none = client["client"].startswith("systemd-networkd")
    assert mac_in_duid(client["duid"]) == ("" if has_none else MAC)


@of_each_client
def test_a_bss_may_state_the_duid_of_each_client(client):
    assert f"0x{Duid(client['duid'])}" == client["duid"]


def test_a_client_without_the_mac_in_its_duid_answers_for_it():
    assert mac_in_link_local(LINK_LOCAL) == mac_in_link_local(f"{LINK_LOCAL}%vlan-32") == MAC
    assert mac_in_link_local("fe80::8c3a:1df2:6b0e:9d47") == ""  # a private one (RFC 7217)
