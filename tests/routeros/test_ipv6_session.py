"""Bindings over a session: what is read of them, of the setup, and how versions are written to."""

from ipaddress import IPv6Address

import pytest

from simulator.testing import running
from tests import builders
from tests.routeros.peers import config_for, nothing
from worker.core.entry.wanted import DEFAULT_KIND
from worker.core.rows.operations import Add
from worker.core.rows.rows import BINDINGS
from worker.ports import FieldEquals
from worker.routeros.bindings import with_neighbours
from worker.routeros.commands import Reply
from worker.routeros.rows import command_for, menu_rows

pytestmark = pytest.mark.router

SERVER6 = "/ipv6/dhcp-server"
PREFIX, DUID = "2001:db8:1:100::/56", "0x0003000100005e005301"
FIELDS = {"address": PREFIX, "duid": DUID, "iaid": "7", "comment": "leasewire:acme:S-1"}


@pytest.fixture(params=["7.15.3", "7.24"])
def six(request):
    """A router before and after 7.17, with a DHCPv6 server."""
    with running(seed_guide=True, rest_port=0, version=request.param) as simulation:
        router = simulation.router
        router.add_row(
            "/ipv6/pool", {"name": "p6", "prefix": "2001:db8::/40", "prefix-length": "56"}
        )
        pool = "prefix-pool" if request.param == "7.24" else "address-pool"
        router.add_row(SERVER6, {"name": "six", "interface": "vlan-32", pool: "p6"})
        yield router


def test_a_binding_is_written_and_read_back_with_its_client(six, transport, log_into):
    session = log_into(six, transport)
    (written,) = session.write([Add(1, "S-1", FIELDS, menu=BINDINGS)], nothing)
    assert written.refusal is None
    six.device6(builders.mac(2), iaid=4)
    own, other = session.read_rows(BINDINGS, None, nothing)
    assert (own.address, own.client, own.ia, own.server) == (PREFIX, (DUID, "7"), "pd", "all")
    assert (own.dynamic, own.status, own.last_seen_s) == (False, "waiting", None)
    assert (other.dynamic, other.status, other.ia) == (True, "bound", "pd")
    assert other.client_address == "fe80::200:5eff:fe00:5302"
    assert other.last_seen_s is not None
    assert other.expires_in_s
    terms = [FieldEquals("comment", own.comment), FieldEquals("address", "2001:db8::/56")]
    assert {row.id for row in session.read_rows(BINDINGS, terms, nothing)} == {own.id, other.id}


def test_a_client_that_hides_its_mac_is_read_with_that_of_its_neighbour(six, transport, log_into):
    six.device6(builders.mac(2), link_local="fe80::1", duid="0x0004" + "ab" * 16)
    session = log_into(six, transport)
    (row,) = session.read_rows(BINDINGS, None, nothing)
    assert row.client_mac == builders.mac(2)


def test_clients_that_show_their_mac_cost_no_read_of_neighbours(six, log_into):
    six.device6(builders.mac(2))
    session = log_into(six)
    session.read_rows(BINDINGS, None, nothing)
    assert "/ipv6/neighbor/print" not in six.counters()


def test_the_setup_is_read_once_and_only_when_it_is_asked_for(six, transport, log_into):
    six.add_row("/ipv6/address", {"address": "2001:db8:9::1/64", "interface": "vlan-32"})
    six.add_row("/ipv6/dhcp-server/option", {"name": "dns", "code": "23", "value": "0x00"})
    session = log_into(six, transport)
    session.read_setup(fresh=False)
    assert not [name for name in six.counters() if name.startswith("/ipv6")]
    for _ in range(2):
        setup = session.read_ipv6_setup(fresh=False)
    assert (setup.has_menu, setup.servers) == (True, {"six"})
    assert setup.options == {"dns"}
    assert setup.own == {IPv6Address("2001:db8:9::1"): "the router's own address on vlan-32"}
    assert six.counters()[f"{SERVER6}/print"] == 1


def test_a_router_without_the_package_has_no_menu(six, transport, log_into, monkeypatch):
    monkeypatch.setattr(
        "worker.routeros.session.IPV6_SETUP_PRINTS",
        [("/ipv7/dhcp-server/print",) for _ in range(4)],
    )
    setup = log_into(six, transport).read_ipv6_setup(fresh=False)
    assert (setup.has_menu, setup.servers, setup.options, setup.own) == (False, None, None, {})


@pytest.mark.parametrize(
    ("version", "stated"), [("7.15.3", False), ("7.17", True), ("7.24.1", True), ("", False)]
)
def test_a_new_binding_says_its_kind_where_the_version_has_kinds(version, stated):
    words = command_for(Add(1, "S-1", FIELDS, menu=BINDINGS), DEFAULT_KIND, version)
    assert ("=ia-type=pd" in words) == stated


def test_an_address_with_two_macs_says_nothing():
    answer = {".id": "*1", "duid": DUID, "dynamic": "true", "client-address": "FE80::1"}
    rows = menu_rows(BINDINGS, [answer])
    two = [{"address": "fe80::1", "mac-address": builders.mac(n)} for n in (1, 2)]
    assert [row.client_mac for row in with_neighbours(rows, [Reply(rows=two[:1])])] == [
        builders.mac(1)
    ]
    assert [row.client_mac for row in with_neighbours(rows, [Reply(rows=two)])] == [""]
    assert [row.client_mac for row in with_neighbours(rows, [Reply(traps=["no"])])] == [""]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"duid": "abcd"}, "refused"),
        ({"duid": DUID}, "stale"),
    ],
)
def test_what_a_router_does_not_take_is_known(six, log_into, fields, kind):
    six.add_row("/ipv6/dhcp-server/binding", {"address": PREFIX, "duid": DUID, "iaid": "7"})
    session = log_into(config_for(six))
    add = Add(1, "S-1", {**FIELDS, **fields}, menu=BINDINGS)
    (written,) = session.write([add], nothing)
    assert written.refusal is not None
    assert written.refusal.kind == kind
