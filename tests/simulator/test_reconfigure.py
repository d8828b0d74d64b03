"""`send-reconfigure`: which rows take it, and devices that obey or ignore it."""

import asyncio

import pytest

from simulator import dhcp_radius
from simulator.control import ControlError
from simulator.devices import REACTS_S, Devices
from simulator.dhcp_server import Client
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.testing import running
from tests.waiting import eventually

LEASE, SERVER = "/ip/dhcp-server/lease", "/ip/dhcp-server"
A, OLD, NEW = "00:00:5E:00:53:0A", "223.203.225.10", "223.203.225.11"


@pytest.fixture
def router():
    with running(version="7.20.8", seed_guide=True) as sim:
        sim.router.set_row(SERVER, "dhcp-vlan-32", {"use-reconfigure": "yes"})
        sim.router.add_row(LEASE, {"mac-address": A, "address": OLD})
        yield sim.router


def lease(router):
    (row,) = router.rows(LEASE)
    return row


def send(router):
    router.run(f"{LEASE}/send-reconfigure", {".id": lease(router)[".id"]})


def test_a_device_that_obeys_moves_to_its_new_address(router):
    router.device(A, reconfigure="obey")
    assert len(lease(router)["reconfigure-key"]) == 32
    router.set_row(LEASE, lease(router)[".id"], {"address": NEW})
    assert lease(router)["active-address"] == OLD
    send(router)
    assert lease(router)["reconfigure-last-sent"] == "1"
    eventually(lambda: lease(router)["active-address"] == NEW, "it has moved")
    assert lease(router)["reconfigure-status"] == "renewed"


def test_a_device_that_ignores_it_moves_when_it_renews(router):
    router.device(A, reconfigure="ignore")
    router.set_row(LEASE, lease(router)[".id"], {"address": NEW})
    send(router)
    send(router)
    assert lease(router)["reconfigure-last-sent"] == "2"
    assert lease(router)["active-address"] == OLD
    assert router.device_renews(A)["address"] == NEW
    assert lease(router)["active-address"] == NEW


def test_it_is_refused_without_a_key(router):
    router.device(A)
    assert "reconfigure-key" not in lease(router)
    with pytest.raises(ControlError, match="client does not support reconfigure"):
        send(router)


def test_it_is_refused_where_the_server_does_not_use_it(router):
    router.device(A, reconfigure="ignore")
    router.set_row(SERVER, "dhcp-vlan-32", {"use-reconfigure": "no"})
    with pytest.raises(ControlError, match="server does not use reconfigure"):
        send(router)
    router.device(A, reconfigure="ignore")
    assert "reconfigure-key" not in lease(router)


def test_there_is_none_before_7_19():
    with running(version="7.18.2", seed_guide=True) as sim:
        with pytest.raises(ControlError, match="unknown parameter use-reconfigure"):
            sim.router.set_row(SERVER, "dhcp-vlan-32", {"use-reconfigure": "yes"})
        sim.router.add_row(LEASE, {"mac-address": A, "address": OLD})
        sim.router.device(A, reconfigure="ignore")
        with pytest.raises(ControlError, match="no such command"):
            send(sim.router)


def test_a_device_that_was_told_to_renew_asks_no_more_when_its_router_ends(monkeypatch):
    asked, answer = [], dhcp_radius.answer

    def count(router, client):
        asked.append(client.mac)
        return answer(router, client)

    async def told_before_the_end():
        router = Router(RouterOptions(), MENUS)
        seed_guide(router)
        devices = Devices(router)
        await devices.ask(Client(A, "dhcp-vlan-32"), obeys=True)
        for tell in router.reconfigure:
            tell(A)
        await devices.close()
        await asyncio.sleep(2 * REACTS_S)

    monkeypatch.setattr(dhcp_radius, "answer", count)
    asyncio.run(told_before_the_end())
    assert asked == [A]
