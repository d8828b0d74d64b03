"""DHCP clients of the router itself, over macvlans and over a cable."""

import pytest

from simulator.control import ControlError
from simulator.testing import running

CLIENT, LEASE, SERVER = "/ip/dhcp-client", "/ip/dhcp-server/lease", "/ip/dhcp-server"
MACVLAN, MAC, ADDRESS = "/interface/macvlan", "00:00:5E:00:53:0A", "198.51.100.10"


@pytest.fixture
def router():
    with running() as sim:
        lab = sim.router
        lab.add_row("/interface/bridge", {"name": "lab", "protocol-mode": "none"})
        lab.add_row(MACVLAN, {"name": "inside", "interface": "lab"})
        lab.add_row(MACVLAN, {"name": "device", "interface": "lab", "mac-address": MAC})
        serve(lab, "inside")
        yield lab


def serve(router, interface):
    router.add_row("/ip/address", {"address": "198.51.100.1/24", "interface": interface})
    router.add_row(SERVER, {"name": "lab", "interface": interface, "lease-time": "40s"})
    network = {"address": "198.51.100.0/24", "gateway": "198.51.100.1"}
    router.add_row("/ip/dhcp-server/network", network)


def add_lease(router):
    return router.add_row(LEASE, {"address": ADDRESS, "mac-address": MAC, "server": "lab"})


def client(router):
    (row,) = router.rows(CLIENT)
    return row["status"], row.get("address", "").removesuffix("/24")


def test_a_client_binds_renews_and_adds_its_address(router):
    add_lease(router)
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router) == ("bound", ADDRESS)
    for _ in range(5):  # longer than one lease
        router.skip(15)
        assert router.rows(LEASE)[0]["active-address"] == ADDRESS
    held = [row for row in router.rows("/ip/address") if row["dynamic"] == "true"]
    assert [(row["address"], row["interface"]) for row in held] == [(f"{ADDRESS}/24", "device")]
    router.remove_row(CLIENT, router.rows(CLIENT)[0][".id"])
    assert [row["dynamic"] for row in router.rows("/ip/address")] == ["false"]


def test_what_was_due_while_nobody_asked_was_done_in_time(router):
    add_lease(router)
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router) == ("bound", ADDRESS)
    router.skip(1_000)
    (lease,) = router.rows(LEASE)
    assert lease["active-address"] == ADDRESS, "it renewed all the time"
    assert lease["expires-after"] == router.rows(CLIENT)[0]["expires-after"]


def test_a_refused_client_begins_anew_after_a_moment(router):
    lease = add_lease(router)
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router) == ("bound", ADDRESS)
    router.set_row(LEASE, lease, {"address": "198.51.100.11"})
    router.run(f"{CLIENT}/renew", {"numbers": "*1"})
    assert client(router) == ("searching...", "")
    router.skip(2)
    assert client(router) == ("bound", "198.51.100.11")


def test_a_client_that_hears_nothing_renews_rebinds_and_gives_up(router):
    lease = add_lease(router)
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router) == ("bound", ADDRESS)
    router.set_row(LEASE, lease, {"block-access": "yes"})
    seen = []
    for _ in range(10):
        router.skip(5)
        seen.append(client(router)[0])
    assert [one for at, one in enumerate(seen) if one not in seen[:at]] == [
        "bound",
        "renewing...",
        "rebinding...",
        "searching...",
    ]


def test_a_release_frees_the_lease_and_the_client_asks_again(router):
    add_lease(router)
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router) == ("bound", ADDRESS)
    router.set_row(SERVER, "lab", {"disabled": "yes"})
    router.run(f"{CLIENT}/release", {"numbers": "*1"})
    assert client(router) == ("searching...", "")


@pytest.mark.parametrize("switched_off", ["device", "lab"])
def test_without_its_interface_a_client_has_nothing(router, switched_off):
    add_lease(router)
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router) == ("bound", ADDRESS)
    menu = MACVLAN if switched_off == "device" else "/interface/bridge"
    router.set_row(menu, switched_off, {"disabled": "yes"})
    assert client(router) == ("stopped", "")
    router.set_row(menu, switched_off, {"disabled": "no"})
    router.skip(5)
    assert client(router) == ("bound", ADDRESS)


@pytest.mark.parametrize("mode", ["private", "bridge"])
def test_only_macvlans_in_bridge_mode_hear_each_other(router, mode):
    add_lease(router)
    router.set_row(MACVLAN, "inside", {"mode": mode})
    router.add_row(CLIENT, {"interface": "device"})
    assert client(router)[0] == ("bound" if mode == "bridge" else "searching...")


def test_a_client_obeys_a_reconfigure_message(router):
    with running(version="7.19.6") as sim:
        lab = sim.router
        lab.add_row("/interface/bridge", {"name": "lab"})
        lab.add_row(MACVLAN, {"name": "inside", "interface": "lab"})
        lab.add_row(MACVLAN, {"name": "device", "interface": "lab", "mac-address": MAC})
        serve(lab, "inside")
        lab.set_row(SERVER, "lab", {"use-reconfigure": "yes"})
        lease = add_lease(lab)
        lab.add_row(CLIENT, {"interface": "device", "allow-reconfigure": "yes"})
        assert client(lab) == ("bound", ADDRESS)
        lab.skip(10)
        lab.run(f"{LEASE}/send-reconfigure", {"numbers": lease})
        assert lab.rows(LEASE)[0]["reconfigure-status"] == "renewed"
        assert lab.rows(LEASE)[0]["expires-after"] in ("39s", "40s")


@pytest.mark.parametrize("bridged", [False, True])
def test_a_cable_joins_two_ports(bridged):
    with running(cable="ether4=ether5") as sim:
        router = sim.router
        ends = ["ether4", "ether5"]
        for name in ("inside", "device") if bridged else ():
            mac = {"admin-mac": MAC, "auto-mac": "no"} if name == "device" else {}
            router.add_row("/interface/bridge", {"name": name, **mac})
            port = {"bridge": name, "interface": ends.pop(0)}
            router.add_row("/interface/bridge/port", port)
        inside, device = ("inside", "device") if bridged else ends
        serve(router, inside)
        router.set_row(SERVER, "lab", {"address-pool": "static-only"})
        mac = MAC if bridged else "00:00:5E:00:53:05"
        router.add_row(LEASE, {"address": ADDRESS, "mac-address": mac, "server": "lab"})
        router.add_row(CLIENT, {"interface": device})
        assert client(router) == ("bound", ADDRESS)
        if bridged:
            router.remove_row("/interface/bridge/port", "*1")
            router.skip(41)
            assert client(router) == ("searching...", "")


def test_an_interface_has_one_client_and_one_bridge(router):
    router.add_row(CLIENT, {"interface": "device"})
    with pytest.raises(ControlError, match="already exists"):
        router.add_row(CLIENT, {"interface": "device"})
    router.add_row("/interface/bridge/port", {"bridge": "lab", "interface": "ether2"})
    with pytest.raises(ControlError, match="already added as bridge port"):
        router.add_row("/interface/bridge/port", {"bridge": "lab", "interface": "ether2"})
