"""Menus from which a client reads what decides when a change acts."""

import pytest

from simulator.control import ControlError
from simulator.testing import running

SERVER = "/ip/dhcp-server"


@pytest.mark.parametrize(
    ("menu", "name"), [("/interface/ethernet", "ether3"), ("/interface/bridge", "bridge-a")]
)
def test_arp_is_a_property_of_each_kind_of_interface(router, menu, name):
    router.add_row("/interface/bridge", {"name": "bridge-a", "arp": "reply-only"})
    router.set_row(menu, name, {"arp": "reply-only"})
    arp = {row["name"]: row["arp"] for row in router.rows(menu)}
    assert arp[name] == "reply-only"
    assert "arp" not in router.rows("/interface")[0]
    with pytest.raises(ControlError, match="input does not match any value of arp"):
        router.set_row(menu, name, {"arp": "maybe"})


def test_a_dhcp_server_runs_on_a_bridge(router):
    router.add_row("/interface/bridge", {"name": "bridge-a"})
    router.add_row("/ip/address", {"address": "198.51.100.1/24", "interface": "bridge-a"})
    router.add_row(SERVER, {"name": "on-a-bridge", "interface": "bridge-a"})
    assert [row["invalid"] for row in router.rows(SERVER)] == ["false", "false"]
    assert "bridge-a" in [row["name"] for row in router.rows("/interface")]


def test_an_ethernet_interface_is_neither_added_nor_removed(router):
    with pytest.raises(ControlError, match="no such command"):
        router.add_row("/interface/ethernet", {"name": "ether9"})


def test_ipv6_is_given_out_where_a_server_runs_or_the_router_advertises(router):
    (nd,) = router.rows("/ipv6/nd")
    assert (nd["interface"], nd["disabled"]) == ("all", "false")
    on = {"interface": "vlan-32"}
    router.add_row("/ipv6/address", {"address": "2001:db8:32::1/64", **on})
    router.add_row(
        "/ipv6/pool", {"name": "p6", "prefix": "2001:db8:100::/40", "prefix-length": "56"}
    )
    router.add_row("/ipv6/dhcp-server", {"name": "six", **on, "prefix-pool": "p6"})
    (server,) = router.rows("/ipv6/dhcp-server")
    assert (server["interface"], server["use-reconfigure"]) == ("vlan-32", "false")
    (address,) = router.rows("/ipv6/address")
    assert (address["interface"], address["advertise"]) == ("vlan-32", "true")


def test_before_7_17_a_dhcpv6_server_has_no_prefix_pool():
    with running(version="7.15.3", seed_guide=True) as sim:
        named = {"name": "six", "interface": "vlan-32"}
        with pytest.raises(ControlError, match="unknown parameter prefix-pool"):
            sim.router.add_row("/ipv6/dhcp-server", {**named, "prefix-pool": "p6"})
        sim.router.add_row("/ipv6/dhcp-server", named)
        assert "use-reconfigure" not in sim.router.rows("/ipv6/dhcp-server")[0]


def test_a_duid_without_0x_is_refused(router):
    with pytest.raises(ControlError, match="Invalid DUID!"):
        router.add_row("/ipv6/dhcp-server/binding", {"duid": "000c4200", "iaid": "1"})
