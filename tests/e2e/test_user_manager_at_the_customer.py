"""A real DHCP client whose router asks a User Manager, with it and without it.

The whole installation runs in the namespace of the simulated routers; udhcpc is the device.
"""

import contextlib
import signal
import subprocess

import pytest

from simulator.menus.user_manager import CLIENT, MANAGER, USER
from tests import builders
from tests.forking import NAMESPACES
from tests.installation import LEASES, SERVER, Installation, in_leases
from tests.namespaces import Lab, need_namespaces
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, in_leases]

MAC, OTHER, ADDRESS = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B", "223.203.225.10"
QUEUE, LISTS, DHCP = "/queue/simple", "/ip/firewall/address-list", "/ip/dhcp-server"
ASKS = {"entries": '"user-manager"', "user_manager": '"R2"'}
RUNS = {"entries": '"user-manager"', "suspend_list": '"suspended"'}
PLANS = '[plans.gold]\nrate_limit = "10M/50M"\n'
PORT = "18120"


@pytest.fixture
def lab(tmp_path):
    need_namespaces()
    with contextlib.ExitStack() as stack:
        yield Lab(stack, tmp_path)


@pytest.fixture
def here(lab, short_directory):
    with Installation(
        short_directory,
        routers=2,
        menu=USER,
        inventory={"R1": ASKS, "R2": RUNS},
        tables=PLANS,
        simulator=("--dhcp", "vr0=vlan-32"),
        environ_more={NAMESPACES: str(lab.router)},
    ) as here:
        access, manager = here.control["R1"], here.control["R2"]
        secret = "a shared secret"
        manager.set_row(DHCP, SERVER, {"disabled": "yes"})  # both are on the one wire
        manager.add_row(CLIENT, {"name": "R1", "address": "127.0.0.1", "shared-secret": secret})
        manager.run(f"{MANAGER}/set", {"enabled": "yes", "authentication-port": PORT})
        access.add_row(
            "/radius",
            {
                "service": "dhcp",
                "address": "127.0.0.1",
                "secret": secret,
                "authentication-port": PORT,
            },
        )
        access.set_row(DHCP, SERVER, {"use-radius": "yes", "lease-time": "1m"})
        here.start_workers("events", "routers")
        yield here


def publish(here, event):
    here.publisher.publish([event])
    eventually(
        lambda: (said := here.outcome(event)) and said.state == "applied",
        f"applied: {here.outcome(event)}",
        within_s=20,
    )


def service(number, mac, **given):
    plan = {"code": "gold"}
    return builders.activated(f"SVC-{number}", mac=mac, server=SERVER, plan=plan, **given)


def lease(here):
    """Of the device; empty: it has none."""
    found = [row for row in here.control["R1"].rows(LEASES) if row["mac-address"] == MAC]
    return found[0] if found else {}


def in_vain(here):
    """Whether the router asked RADIUS, and nobody answered."""
    return [row for row in here.control["R1"].rows("/log") if "no RADIUS" in row["message"]]


def limits(here):
    return [row["max-limit"] for row in here.control["R1"].rows(QUEUE)]


def test_a_client_gets_address_rate_and_list_and_keeps_them_while_user_manager_is_away(lab, here):
    access, manager = here.control["R1"], here.control["R2"]
    assert all(line[0] == "leasefail" for line in lab.ask(MAC)), "no user yet"
    publish(here, service(1, MAC, ipv4=ADDRESS))
    publish(here, service(2, OTHER, ipv4="223.203.225.11"))
    assert lab.ask(OTHER)[0][:2] == ["bound", "223.203.225.11"]
    lab.wear(MAC)
    lab.log.unlink()
    client = ["udhcpc", "-i", "vd0", "-f", "-t", "2", "-T", "1", "-A", "1", "-s", str(lab.script)]
    device = subprocess.Popen([*lab.inside(lab.device), *client], stderr=subprocess.DEVNULL)
    try:
        eventually(lab.heard, "it has an answer", within_s=9)
        assert lab.heard()[0][:2] == ["bound", ADDRESS]
        assert "10000000/50000000" in limits(here)
        publish(here, builders.suspended(revision=2))
        assert access.rows(LISTS) == [], "it has not asked yet"
        device.send_signal(signal.SIGUSR1)  # renew now
        eventually(lambda: access.rows(LISTS), "it is in the list")
        (row,) = access.rows(LISTS)
        assert (row["list"], row["address"]) == ("suspended", ADDRESS)
        publish(here, builders.resumed(revision=3))
        device.send_signal(signal.SIGUSR1)
        eventually(lambda: access.rows(LISTS) == [], "it is out of it")
        words = ["bound", "renew", "renew"]
        eventually(lambda: [line[0] for line in lab.heard()] == words, "it heard all of that")
        said = lab.heard()
        manager.power_off()
        device.send_signal(signal.SIGUSR1)
        eventually(lambda: in_vain(here), "it asks in vain")
        assert (lease(here)["status"], lease(here)["active-address"]) == ("bound", ADDRESS)
        assert lab.heard() == said, "it heard nothing, and keeps what it has"
        access.skip(61)
        assert lease(here) == {}, "its lease ended"
        manager.power_on()
        device.send_signal(signal.SIGUSR1)
        answered = (["bound", ADDRESS], ["renew", ADDRESS])
        eventually(lambda: lab.heard()[len(said) :][-1:], "it has an answer again")
        eventually(lambda: lab.heard()[-1][:2] in answered, "and its address")
        assert "10000000/50000000" in limits(here)
    finally:
        device.terminate()
        device.wait()


def test_while_user_manager_is_away_a_new_client_gets_nothing(lab, here):
    publish(here, service(1, MAC, ipv4=ADDRESS))
    here.control["R2"].power_off()
    assert all(line[0] == "leasefail" for line in lab.ask(MAC))
    assert in_vain(here)
    assert here.control["R1"].rows(LEASES) == []
    here.control["R2"].power_on()
    assert lab.ask(MAC)[0][:2] == ["bound", ADDRESS]
