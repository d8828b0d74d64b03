import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dhcp import DhcpPort
from simulator.dhcp_options import encode_value
from simulator.dhcp_packet import MessageType, Packet, PacketError, read_packet, write_reply
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import Caller

MAC = "00:00:5E:00:53:0A"
PERSON = Caller("t", "t", frozenset(POLICIES))


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("'10.10.10.10'", b"\x0a\x0a\x0a\x0a"),
        ("s'10.10.10.10'", b"10.10.10.10"),
        ("'10'", b"\x0a"),
        ("'text'", b"text"),
        ("0x0808080808080404", b"\x08\x08\x08\x08\x08\x08\x04\x04"),
        ("'8.8.8.8''8.8.4.4'", b"\x08\x08\x08\x08\x08\x08\x04\x04"),
        ("0x01'vards'", b"\x01vards"),
        ("", b""),
    ],
)
def test_the_forms_of_an_options_value(text, raw):
    assert encode_value(text) == raw


@pytest.mark.parametrize("text", ["8.8.8.8", "0x1", "'open", "0xzz"])
def test_other_values_are_none(text):
    with pytest.raises(ValueError, match=r".*"):
        encode_value(text)


def as_request(packet):
    """Turn the bytes of a reply into those of a request: only the first one differs."""
    return b"\x01" + write_reply(packet)[1:]


LONG = st.binary(min_size=256, max_size=600)
OPTIONS = st.dictionaries(st.integers(1, 52) | st.integers(54, 254), st.binary() | LONG)


@given(OPTIONS)
def test_options_of_any_length_survive_the_wire(options):
    packet = Packet(MessageType.REQUEST, 7, MAC, ciaddr="10.0.0.1", options=options)
    assert read_packet(as_request(packet)) == packet


@given(st.binary(max_size=400), st.integers(0, 300))
def test_bytes_that_are_no_packet_are_refused_as_such(noise, at):
    whole = as_request(Packet(MessageType.DISCOVER, 7, MAC, options={12: b"name"}))
    with contextlib.suppress(PacketError):
        read_packet(noise)
        read_packet(whole[:at] + noise)


@pytest.fixture
def router():
    router = Router(RouterOptions(), MENUS)
    seed_guide(router)
    return router


def run(router, command, **values):
    arguments = {name.replace("_", "-"): value for name, value in values.items()}
    return router.execute(command, arguments, PERSON)[1].ret


def ask(router, *asked, kind=MessageType.DISCOVER, unicast=False, secs=0, **options):
    packet = Packet(kind, 1, MAC, secs=secs, options={55: bytes(asked)} if asked else {})
    packet.options |= {int(code[1:]): value for code, value in options.items()}
    return asyncio.run(DhcpPort(router, "lo").answer(packet, unicast=unicast))


def test_options_of_the_lease_beat_those_of_the_server_and_the_network(router):
    for name, value in (("net", "'n'"), ("srv", "'s'"), ("own", "'l'")):
        run(router, "/ip/dhcp-server/option/add", name=name, code="15", value=value)
    run(router, "/ip/dhcp-server/option/sets/add", name="set", options="srv")
    assert 15 not in ask(router).options
    for command, values, expected in (
        ("/ip/dhcp-server/network/set", {"numbers": "*1", "dhcp_option": "net"}, b"n"),
        ("/ip/dhcp-server/set", {"numbers": "dhcp-vlan-32", "dhcp_option_set": "set"}, b"s"),
        ("/ip/dhcp-server/lease/add", {"mac_address": MAC, "dhcp_option": "own"}, b"l"),
    ):
        run(router, command, **values)
        assert ask(router).options[15] == expected


def test_an_option_goes_out_when_it_is_asked_for_or_forced(router):
    run(router, "/ip/dhcp-server/option/add", name="o", code="6", value="'198.51.100.1'")
    run(router, "/ip/dhcp-server/lease/add", mac_address=MAC, dhcp_option="o")
    assert 6 not in ask(router, 1, 3).options
    assert ask(router, 1, 3, 6).options[6] == b"\xc6\x33\x64\x01"
    run(router, "/ip/dhcp-server/option/set", numbers="o", force="yes")
    assert 6 in ask(router, 1, 3).options
    # one that is not forced takes the place of a forced one
    run(router, "/ip/dhcp-server/option/add", name="p", code="6", value="'198.51.100.2'")
    run(router, "/ip/dhcp-server/lease/set", numbers="*1", dhcp_option="p")
    run(router, "/ip/dhcp-server/network/set", numbers="*1", dhcp_option="o")
    assert 6 not in ask(router, 1, 3).options


def test_a_reply_carries_the_times_and_the_network(router):
    reply = ask(router)
    assert (reply.kind, reply.yiaddr) == (MessageType.OFFER, "223.203.225.100")
    assert struct.unpack("!III", b"".join(reply.options[code] for code in (51, 58, 59))) == (
        1800,
        900,
        1575,
    )
    assert reply.options[1] == b"\xff\xff\xff\x00"
    assert reply.options[3] == bytes((223, 203, 225, 1))


@pytest.mark.parametrize(
    ("authoritative", "secs", "unicast", "expected"),
    [
        ("yes", 0, False, MessageType.NAK),
        ("no", 60, False, None),
        ("no", 0, True, MessageType.NAK),
        ("after-2sec-delay", 1, False, None),
        ("after-2sec-delay", 2, False, MessageType.NAK),
        ("after-10sec-delay", 9, False, None),
        ("after-10sec-delay", 10, False, MessageType.NAK),
    ],
)
def test_when_a_wrong_address_is_refused(router, authoritative, secs, unicast, expected):
    run(router, "/ip/dhcp-server/set", numbers="dhcp-vlan-32", authoritative=authoritative)
    wrong = bytes((10, 9, 8, 7))
    reply = ask(router, kind=MessageType.REQUEST, secs=secs, unicast=unicast, o50=wrong)
    assert (reply and reply.kind) == expected


def test_a_declined_address_is_marked_and_freed_by_a_check(router):
    ask(router, kind=MessageType.REQUEST)
    ask(router, kind=MessageType.DECLINE)
    (row,) = router.table("/ip/dhcp-server/lease").rows.values()
    assert row.values["status"] == "declined"
    run(router, "/ip/dhcp-server/lease/check-status", numbers=row.id)
    assert not router.table("/ip/dhcp-server/lease").rows


def test_another_servers_offer_is_left_alone(router):
    assert ask(router, kind=MessageType.REQUEST, o54=bytes((10, 0, 0, 1))) is None
    assert not router.table("/ip/dhcp-server/lease").rows
