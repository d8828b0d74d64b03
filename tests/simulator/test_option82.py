"""Leases by option 82: the menu by version, which device gets which, and a relay for real."""

import asyncio
import contextlib
import subprocess

import pytest

from simulator import dhcp_server
from simulator.control import ControlClient, ControlError
from simulator.dhcp import DhcpPort
from simulator.dhcp_packet import MessageType, Packet, parts_of, read_packet, write_reply
from simulator.dhcp_server import Client
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import Caller
from simulator.testing import running
from tests.namespaces import Lab, fork_inside, need_namespaces
from tests.relay import with_option_82

pytestmark = pytest.mark.router

LEASE, SERVER = "/ip/dhcp-server/lease", "/ip/dhcp-server"
NAME = "dhcp-vlan-32"
A, B = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
PORT = {"agent-circuit-id": b"eth 0/3".hex(), "agent-remote-id": b"olt-7".hex()}
IDS = {"circuit_id": "eth 0/3", "remote_id": "olt-7"}
OWN = "223.203.225.10"
PERSON = Caller("t", "t", frozenset(POLICIES))


@pytest.fixture
def router():
    with running(version="7.21.5", seed_guide=True) as sim:
        yield sim.router


def test_before_7_21_a_lease_has_no_ids():
    with (
        running(version="7.20.8", seed_guide=True) as sim,
        pytest.raises(ControlError, match="unknown"),
    ):
        sim.router.add_row(LEASE, {"address": OWN, **PORT})


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, True),
        ({"server": NAME}, True),
        ({"disabled": "yes"}, False),
        ({"agent-remote-id": ""}, False),
        ({"agent-circuit-id": PORT["agent-circuit-id"].upper()}, True),
        ({"agent-circuit-id": f"0x{PORT['agent-circuit-id']}"}, True),
    ],
)
def test_a_pair_of_ids_is_unique_within_a_server(router, changes, refused):
    router.add_row(LEASE, {"address": OWN, **PORT})
    other = {"address": "223.203.225.11", **PORT, **changes}
    with pytest.raises(ControlError) if refused else contextlib.nullcontext() as raised:
        router.add_row(LEASE, other)
    assert not refused or "already have static lease for this client" in str(raised.value)
    router.set_switches(double_option_82="allow")
    router.add_row(LEASE, {**other, "address": "223.203.225.12"})


def test_an_id_is_hex(router):
    with pytest.raises(ControlError, match="invalid value"):
        router.add_row(LEASE, {"address": OWN, "agent-circuit-id": "eth 0/3"})
    router.set_switches(lease_without_client="refuse")
    router.add_row(LEASE, {"address": OWN, "agent-remote-id": "0xAB"})
    assert [row["agent-remote-id"] for row in router.rows(LEASE)] == ["ab"]


def test_whatever_device_asks_through_a_port_gets_its_address(router):
    router.add_row(LEASE, {"address": OWN, **PORT})
    assert router.device(A, **IDS)["address"] == OWN
    (row,) = router.rows(LEASE)
    assert row["active-mac-address"] == A
    assert {name: row[f"active-{name}"] for name in PORT} == PORT
    assert router.device(B, **IDS)["address"] == OWN
    assert router.rows(LEASE)[0]["active-mac-address"] == B
    for others in ({}, {"circuit_id": "eth 0/3"}, {**IDS, "circuit_id": "eth 0/4"}):
        assert router.device(A, **others)["address"] not in (OWN, "")
    router.device_release(B)
    (row, *_) = router.rows(LEASE)
    assert (row["status"], row["active-agent-circuit-id"]) == ("waiting", "")


def test_the_ids_count_even_if_the_mac_differs_and_win_over_a_lease_by_mac(router):
    router.add_row(LEASE, {"address": OWN, "mac-address": B, "client-id": "1:2", **PORT})
    router.add_row(LEASE, {"address": "223.203.225.11", "mac-address": A})
    assert router.device(A, **IDS)["address"] == OWN
    assert router.device(A)["address"] == "223.203.225.11"


@pytest.fixture
def inside():
    """A router without sockets."""
    router = Router(RouterOptions(version="7.21.5"), MENUS)
    seed_guide(router)
    return router


def run(router, command, **values):
    arguments = {name.replace("_", "-"): value for name, value in values.items()}
    return router.execute(command, arguments, PERSON)[1].ret


def test_a_renewal_past_the_relay_is_the_holders_alone(inside):
    run(inside, f"{LEASE}/add", address=OWN, **PORT)
    first = dhcp_server.request(inside, Client(A, NAME, ids=tuple(PORT.values())))
    assert (first.kind, first.address) == ("ack", OWN)
    renewing = Client(A, NAME, requested=OWN, unicast=True)
    assert dhcp_server.request(inside, renewing).kind == "ack"
    (row,) = inside.table(LEASE).rows.values()
    assert row.values["active-agent-circuit-id"] == PORT["agent-circuit-id"]
    stranger = Client(B, NAME, requested=OWN, unicast=True)
    assert dhcp_server.request(inside, stranger).kind == "nak"


@pytest.mark.parametrize(
    ("relay", "giaddr", "answers"),
    [
        ("198.51.100.1", "198.51.100.1", True),
        ("255.255.255.255", "198.51.100.1", True),
        ("198.51.100.2", "198.51.100.1", False),
        ("0.0.0.0", "198.51.100.1", False),  # noqa: S104 - no relay
        ("198.51.100.1", "0.0.0.0", False),  # noqa: S104 - no relay
    ],
)
def test_a_server_hears_its_relay_alone(inside, relay, giaddr, answers):
    run(inside, f"{SERVER}/set", numbers=NAME, relay=relay)
    run(inside, f"{LEASE}/add", address=OWN, **PORT)
    asked = b"\x01" + write_reply(Packet(MessageType.DISCOVER, 7, A, giaddr=giaddr))[1:]
    packet = read_packet(with_option_82(asked, giaddr, b"eth 0/3", b"olt-7"))
    reply = asyncio.run(DhcpPort(inside, "lo").answer(packet, unicast=giaddr != "0.0.0.0"))  # noqa: S104 - no relay
    assert (reply is not None) == answers
    if reply is not None:
        assert (reply.kind, reply.yiaddr, reply.giaddr) == (MessageType.OFFER, OWN, giaddr)
        assert parts_of(reply.options[82]) == {1: b"eth 0/3", 2: b"olt-7"}


def test_parts_that_run_over_the_end_are_none():
    assert parts_of(b"\x01\x02ab\x02\x09c") == {1: b"ab"}
    assert parts_of(b"\x01") == {}


def test_a_device_behind_a_relay_is_swapped_and_keeps_the_address(tmp_path):
    """Real packets: a client, a relay that adds option 82, and the router, in a namespace each."""
    need_namespaces()
    with contextlib.ExitStack() as stack:
        lab = Lab(stack, tmp_path)
        client = lab.hold(*lab.inside(lab.router), "unshare", "-n")
        lab.wear(B)  # the relay's end of the line to the router
        lab.run(lab.device, "ip", "addr", "add", "223.203.225.2/24", "dev", "vd0")
        pair = ("vr1", "type", "veth", "peer", "name", "vd1", "netns", str(client))
        lab.run(lab.device, "ip", "link", "add", *pair)
        lab.run(lab.device, "ip", "link", "set", "vr1", "up")
        control = tmp_path / "control"
        how = ("--demo-password", "--seed-guide", "--json", "--version", "7.21.5")
        line = ("vr1", "223.203.225.2", "223.203.225.1", "eth 0/3", "olt-7")
        started = (
            (lab.router, "simulator", *how, "--dhcp", "vr0=vlan-32", "--control", control),
            (lab.device, "tests.relay", *line),
        )
        for command in started:
            process = fork_inside(*command, stdout=subprocess.PIPE)
            stack.callback(process.communicate)
            stack.callback(process.terminate)
            assert process.stdout.readline()
        router = stack.enter_context(ControlClient(str(control)))
        router.set_row(SERVER, NAME, {"relay": "223.203.225.2"})
        router.add_row(LEASE, {"address": OWN, **PORT})
        for mac in (A, "00:00:5E:00:53:0C"):
            lab.run(client, "ip", "link", "set", "vd1", "down", "address", mac)
            lab.run(client, "ip", "link", "set", "vd1", "up")
            lab.log.unlink(missing_ok=True)
            asking = ["udhcpc", "-i", "vd1", "-n", "-q", "-f", "-t", "3", "-T", "1"]
            lab.run(client, *asking, "-s", str(lab.script))
            assert lab.heard()[-1][:2] == ["bound", OWN]
            (row,) = router.rows(LEASE)
            assert (row["status"], row["active-mac-address"]) == ("bound", mac)
            assert row["active-agent-remote-id"] == PORT["agent-remote-id"]
