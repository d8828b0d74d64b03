"""A session with a router that answers `/ip/mac-server`: entries there, in the form of leases."""

from datetime import UTC, datetime

import pytest

from simulator.testing import running
from tests.routeros.peers import LEASE, config_for, nothing, settings
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add, Remove, Set
from worker.core.rows.rows import Lease
from worker.errors import RouterBlocked
from worker.ports import LeaseQuery, Refusal
from worker.routeros.check import check_router

pytestmark = pytest.mark.router

ENTRY = "/ip/mac-server/entry"
MAC, OTHER_MAC = "00:00:5E:00:53:01", "00:00:5E:00:53:02"
DNS = "198.51.100.54,198.51.100.53"


@pytest.fixture
def router():
    with running(seed_guide=True, with_mac_server=True, rest_port=0) as sim:
        yield sim.router


def add(number, mac, **fields):
    place = {"mac-address": mac, "address": f"198.51.100.{number}", "server": "all"}
    return Add(number, f"S-{number}", {**place, "comment": f"leasewire:acme:S-{number}", **fields})


def config(router, transport, entries):
    return config_for(router, transport, policy=RouterPolicy("acme", entries=entries))


def test_the_menu_is_found_at_login_and_used_unless_leases_are_asked_for(
    router, log_into, transport
):
    assert log_into(router, transport).entries == "mac-server"
    assert router.counters()[f"{ENTRY}/print"] == 1
    assert log_into(config(router, transport, "mac-server")).entries == "mac-server"
    router.reset_counters()
    assert log_into(config(router, transport, "lease")).entries == "lease"
    assert f"{ENTRY}/print" not in router.counters()


def test_a_router_without_the_menu_is_asked_once_and_holds_leases(log_into, transport):
    with running(seed_guide=True, rest_port=0) as sim:
        session = log_into(sim.router, transport)
        assert session.entries == "lease"
        assert session.read_leases(None, nothing) == []
        assert sum(sim.router.refusals().values()) <= 1
        with pytest.raises(RouterBlocked, match="does not answer") as raised:
            log_into(config(sim.router, transport, "mac-server"))
        assert raised.value.cause == "no-entry-menu"
        assert "lease" in raised.value.advice


def test_entries_are_written_and_read_back_as_leases(router, log_into, transport):
    session = log_into(router, transport)
    answers = session.write([add(1, MAC, **{"dns-server": DNS}), add(2, OTHER_MAC)], nothing)
    assert [each.refusal for each in answers] == [None, None]
    held = {row["address"]: row for row in router.rows(ENTRY)}
    assert held["198.51.100.1"]["dns-server"] == DNS
    rows = {lease.address: lease for lease in session.read_leases(None, nothing)}
    one = rows["198.51.100.1"]
    assert one == Lease(
        held["198.51.100.1"][".id"],
        {
            "mac-address": MAC,
            "address": "198.51.100.1",
            "server": "all",
            "block-access": "no",
            "dns-server": DNS,
        },
        "leasewire:acme:S-1",
    )
    for query in (
        LeaseQuery(devices=frozenset({MAC})),
        LeaseQuery(addresses=frozenset({"198.51.100.1"})),
        LeaseQuery(comments=frozenset({"leasewire:acme:S-1"})),
    ):
        assert session.read_leases(query, nothing) == [one]
    assert [row.lease for row in session.observe(query).rows] == [one]
    assert session.observe(query).entries == "mac-server"
    changes = {"mac-address": "00:00:5E:00:53:03", "dns-server": ""}
    removed = Remove(2, "S-2", rows["198.51.100.2"].id, {})
    answers = session.write([Set(1, "S-1", one.id, changes, {}), removed], nothing)
    assert [each.refusal for each in answers] == [None, None]
    (left,) = session.read_leases(None, nothing)
    assert (left.device, left.fields["dns-server"], left.id) == ("00:00:5E:00:53:03", "", one.id)
    assert router.rows(LEASE) == []


def test_a_mac_that_stands_there_already_means_an_old_read(router, log_into, transport):
    session = log_into(router, transport)
    session.write([add(1, MAC)], nothing)
    (answer,) = session.write([add(2, MAC)], nothing)
    words = "could not add item - item with such MAC address already exists"
    assert answer.refusal == Refusal("stale", words)


def test_a_check_says_where_entries_are(router, transport):
    lines = {
        line.what: line
        for line in check_router(config_for(router, transport), settings(), datetime.now(UTC))
    }
    assert ENTRY in lines["entries"].detail
    assert lines["leases"].level == "ok"
