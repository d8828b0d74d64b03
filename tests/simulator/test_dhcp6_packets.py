"""DHCPv6 messages as bytes, and what the server answers to each."""

import contextlib
import hmac
import json
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dhcp6 import Dhcp6Port
from simulator.dhcp6_packet import (
    ASKED,
    AUTHENTICATION,
    RAPID_COMMIT,
    RECONFIGURE_ACCEPT,
    RECONFIGURE_MESSAGE,
    STATUS,
    Association6,
    Code6,
    Given6,
    Message6,
    Packet6,
    Packet6Error,
    read_packet6,
    write_packet6,
    write_reconfigure,
)
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import Caller

BINDING = "/ipv6/dhcp-server/binding"
PERSON = Caller("t", "t", frozenset(POLICIES))
CLIENT, SERVER = bytes.fromhex("0003000100005e00530a"), bytes.fromhex("00030001020000000001")
LINK_LOCAL, FIRST, OWN = "fe80::200:5eff:fe00:530a", "2001:db8:100::/56", "2001:db8:1:100::/56"
PD = Association6("pd", 7)
REAL_CLIENTS = json.loads((Path(__file__).parents[1] / "dhcpv6_clients.json").read_text())

NUMBERS = st.integers(0, 2**32 - 1)
PREFIXES = st.tuples(st.integers(1, 2**64 - 1), st.integers(0, 2**31 - 1)).map(
    lambda at: Given6(f"{IPv6Address(at[0] << 64)}/64", at[1], at[1] * 2)
)
SINGLES = st.integers(1, 2**128 - 1).map(lambda at: Given6(f"{IPv6Address(at)}/128", 5, 6))
STATUSES = st.none() | st.sampled_from(Code6)


def associations(ia, held):
    given_some = st.lists(held, max_size=3).map(tuple)
    times = (NUMBERS, NUMBERS)
    return st.builds(Association6, st.just(ia), NUMBERS, given_some, *times, STATUSES)


PACKETS = st.builds(
    Packet6,
    st.sampled_from(Message6),
    st.integers(0, 2**24 - 1),
    st.binary(max_size=130),
    st.binary(max_size=130),
    st.lists(associations("pd", PREFIXES) | associations("na", SINGLES), max_size=4),
    st.dictionaries(st.integers(6, 24) | st.integers(27, 65535), st.binary(max_size=300)),
)


@given(PACKETS)
def test_a_message_survives_the_wire(packet):
    assert read_packet6(write_packet6(packet)) == packet


@given(st.binary(max_size=400), st.integers(0, 100))
def test_bytes_that_are_no_message_are_refused_as_such(noise, at):
    whole = write_packet6(Packet6(Message6.SOLICIT, 7, CLIENT, b"", [PD]))
    for data in (noise, whole[:at] + noise, b"\x01abc" + noise):
        with contextlib.suppress(Packet6Error):
            read_packet6(data)


@pytest.fixture
def router():
    return make_router()


@given(st.lists(PACKETS, max_size=3))
def test_no_message_upsets_the_server(packets):
    router = make_router()
    for packet in packets:
        if packet.kind in (Message6.REQUEST, Message6.RENEW, Message6.RELEASE):
            packet.server_id = SERVER
        answer = Dhcp6Port(router, "none").answer(packet, LINK_LOCAL)
        if answer is not None:
            assert read_packet6(write_packet6(answer)).xid == packet.xid
    assert all(row["status"] in ("bound", "offered", "waiting") for row in rows(router))


def make_router():
    router = Router(RouterOptions(version="7.20.8"), MENUS)
    seed_guide(router)
    run(router, "/ipv6/pool/add", name="p6", prefix="2001:db8:100::/40", prefix_length="56")
    run(router, "/ipv6/dhcp-server/add", name="six", interface="vlan-32", prefix_pool="p6")
    return router


def run(router, command, **values):
    arguments = {name.replace("_", "-"): value for name, value in values.items()}
    return router.execute(command, arguments, PERSON)[1].ret


def say(router, kind, *held, server=SERVER, client=CLIENT, options=None):
    """Send a client's message and give the answer, both through their bytes."""
    if kind in (Message6.SOLICIT, Message6.REBIND, Message6.CONFIRM):
        server = b""
    packet = Packet6(kind, 7, client, server, list(held), options or {})
    answer = Dhcp6Port(router, "none").answer(read_packet6(write_packet6(packet)), LINK_LOCAL)
    return None if answer is None else read_packet6(write_packet6(answer))


def rows(router):
    menu = MENUS[BINDING]
    return [menu.view(router, row) for row in menu.rows(router).rows.values()]


def has(prefix):
    return Association6("pd", 7, (Given6(prefix, 10, 20),))


def test_the_four_messages_and_their_times(router):
    offer = say(router, Message6.SOLICIT, PD)
    assert (offer.kind, offer.xid, offer.server_id) == (Message6.ADVERTISE, 7, SERVER)
    assert [row["status"] for row in rows(router)] == ["offered"]
    reply = say(router, Message6.REQUEST, *offer.associations)
    (association,) = reply.associations
    assert association.given == (Given6(FIRST, 233280, 259200),)
    assert (association.t1_s, association.t2_s) == (129600, 207360)
    assert rows(router)[0]["client-address"] == LINK_LOCAL


def test_an_offer_that_is_not_taken_ends_after_two_minutes(router):
    say(router, Message6.SOLICIT, PD)
    router.skip(121)
    assert rows(router) == []


def test_rapid_commit_where_the_server_has_it(router):
    quick = {RAPID_COMMIT: b""}
    reply = say(router, Message6.SOLICIT, PD, options=quick)
    assert (reply.kind, RAPID_COMMIT in reply.options) == (Message6.REPLY, True)
    assert rows(router)[0]["status"] == "bound"
    run(router, "/ipv6/dhcp-server/set", numbers="six", rapid_commit="no")
    assert say(router, Message6.SOLICIT, PD, options=quick).kind == Message6.ADVERTISE


def test_a_renewal_brings_the_new_prefix_and_ends_the_old_one(router):
    say(router, Message6.REQUEST, PD)
    (row,) = rows(router)
    run(router, f"{BINDING}/make-static", numbers=row[".id"])
    run(router, f"{BINDING}/set", numbers=row[".id"], address=OWN, life_time="100s")
    (association,) = say(router, Message6.RENEW, has(FIRST)).associations
    assert association.given == (Given6(OWN, 90, 100), Given6(FIRST))
    assert (association.t1_s, association.t2_s) == (50, 80)


def test_what_the_router_does_not_know(router):
    (renewed,) = say(router, Message6.RENEW, has(FIRST)).associations
    assert (renewed.status, renewed.given) == (Code6.NO_BINDING, ())
    (rebound,) = say(router, Message6.REBIND, has(FIRST)).associations
    assert (rebound.status, rebound.given) == (None, (Given6(FIRST),))
    (released,) = say(router, Message6.RELEASE, has(FIRST)).associations
    assert released.status == Code6.NO_BINDING


def test_a_release_lets_the_row_wait(router):
    say(router, Message6.REQUEST, PD)
    reply = say(router, Message6.RELEASE, has(FIRST))
    assert (reply.associations, reply.options[STATUS][:2]) == ([], b"\0\0")
    assert rows(router)[0]["status"] == "waiting"


def test_prefix_and_address_in_one_message(router):
    both = [PD, Association6("na", 7)]
    reply = say(router, Message6.REQUEST, *both)
    assert [a.status for a in reply.associations] == [None, Code6.NO_ADDRESS]
    run(router, "/ipv6/pool/add", name="a6", prefix="2001:db8:2::/64", prefix_length="128")
    run(router, "/ipv6/dhcp-server/set", numbers="six", address_pool="a6")
    reply = say(router, Message6.REQUEST, *both)
    held = [association.given[0].prefix for association in reply.associations]
    assert held == [FIRST, "2001:db8:2::1/128"]
    run(router, "/ipv6/dhcp-server/set", numbers="six", ignore_ia_na_bindings="yes")
    assert [a.ia for a in say(router, Message6.REQUEST, *both).associations] == ["pd"]
    assert say(router, Message6.REQUEST, both[1]) is None


def test_an_address_is_confirmed_where_its_network_is_on_the_link(router):
    run(router, "/ipv6/address/add", address="2001:db8:2::1/64", interface="vlan-32")
    for address, code in (("2001:db8:2::5", Code6.SUCCESS), ("2001:db8:3::5", Code6.NOT_ON_LINK)):
        held = Association6("na", 7, (Given6(f"{address}/128"),))
        reply = say(router, Message6.CONFIRM, held)
        assert int.from_bytes(reply.options[STATUS][:2]) == code
    assert say(router, Message6.CONFIRM, PD) is None


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        (Message6.REQUEST, {"server": b""}),
        (Message6.RENEW, {"server": b"\0\3another"}),
        (Message6.SOLICIT, {"client": b""}),
        (Message6.REPLY, {}),
    ],
)
def test_messages_for_others_are_passed_over(router, kind, ids):
    assert say(router, kind, PD, **ids) is None


def test_resolvers_and_options_that_are_asked_for(router):
    run(router, "/ip/dns/set", servers="192.0.2.53,2001:db8::53")
    wants = {ASKED: b"\0\x17\0\x1f"}  # 23 and 31
    dns = IPv6Address("2001:db8::53").packed
    assert say(router, Message6.REQUEST, PD, options=wants).options == {23: dns}
    run(router, "/ipv6/dhcp-server/option/add", name="sntp", code="31", value="'2001:db8::7b'")
    run(router, "/ipv6/dhcp-server/option/add", name="dns", code="23", value="'2001:db8::5'")
    run(router, "/ipv6/dhcp-server/option/sets/add", name="both", options="sntp,dns")
    run(router, "/ipv6/dhcp-server/set", numbers="six", dhcp_option="both")
    sntp, own = (IPv6Address(text).packed for text in ("2001:db8::7b", "2001:db8::5"))
    assert say(router, Message6.REQUEST, PD, options=wants).options == {31: sntp, 23: own}
    wants = {ASKED: b"\0\x17"}
    assert say(router, Message6.REQUEST, PD, options=wants).options == {23: own}
    reply = say(router, Message6.INFORMATION_REQUEST, client=b"", server=b"")
    assert reply.options == {31: sntp, 23: own}


def test_a_client_that_accepts_it_is_given_a_key_and_told_with_it(router):
    run(router, "/ipv6/dhcp-server/set", numbers="six", use_reconfigure="yes")
    assert AUTHENTICATION not in say(router, Message6.REQUEST, PD).options
    accepts = {RECONFIGURE_ACCEPT: b""}
    options = say(router, Message6.REQUEST, PD, options=accepts).options
    key = options[AUTHENTICATION][-16:]
    assert (options[RECONFIGURE_ACCEPT], options[AUTHENTICATION][:3]) == (b"", b"\3\1\0")
    assert rows(router)[0]["reconfigure-key"] == key.hex()
    data = write_reconfigure(CLIENT, SERVER, Message6.RENEW, key, 1)
    assert hmac.digest(key, data[:-16] + bytes(16), "md5") == data[-16:]
    told = read_packet6(data)
    assert (told.kind, told.options[RECONFIGURE_MESSAGE]) == (Message6.RECONFIGURE, b"\5")
    assert (told.client_id, told.server_id) == (CLIENT, SERVER)


def test_what_odhcp6c_says_of_reconfigure_and_when(router):
    """It decides by the offer whether it obeys, and says that it accepts only when it asks anew."""
    run(router, "/ipv6/dhcp-server/set", numbers="six", use_reconfigure="yes")
    accepts = {RECONFIGURE_ACCEPT: b""}
    assert RECONFIGURE_ACCEPT not in say(router, Message6.SOLICIT, PD).options
    assert RECONFIGURE_ACCEPT in say(router, Message6.SOLICIT, PD, options=accepts).options
    say(router, Message6.REQUEST, PD, options=accepts)
    key = rows(router)[0]["reconfigure-key"]
    say(router, Message6.RENEW, has(FIRST))
    assert rows(router)[0]["reconfigure-key"] == key


@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client["client"])
def test_packets_of_real_clients_are_read_and_answered(router, client):
    run(router, "/ipv6/pool/add", name="a6", prefix="2001:db8:200::/64", prefix_length="128")
    run(router, "/ipv6/dhcp-server/set", numbers="six", address_pool="a6")
    for kind in ("solicit", "request"):
        if kind not in client:
            continue  # one that was bound by Rapid Commit
        packet = read_packet6(bytes.fromhex(client[kind]))
        assert "0x" + packet.client_id.hex() == client["duid"]
        assert {a.ia: str(a.iaid) for a in packet.associations} == client["iaids"]
        packet.server_id = packet.server_id and SERVER
        reply = Dhcp6Port(router, "none").answer(packet, LINK_LOCAL)
        assert [(a.ia, a.iaid) for a in reply.associations] == [
            (a.ia, a.iaid) for a in packet.associations
        ]
        assert all(association.given for association in reply.associations)
    assert {(row["duid"], row["iaid"], row["ia-type"]) for row in rows(router)} == {
        (client["duid"], iaid, ia) for ia, iaid in client["iaids"].items()
    }
