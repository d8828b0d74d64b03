"""Connections of an address are found and removed, of exactly that address, in both forms."""

import time
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.testing import running
from tests.routeros.peers import nothing
from worker.errors import RouterUnreachable
from worker.routeros import tracked_connections

pytestmark = pytest.mark.router

CONNECTION = "/ip/firewall/connection"
LOOK_ALIKE = ["10.0.0.1", "10.0.0.10", "10.0.0.11", "110.0.0.1", "10.0.0.100", "0.0.0.1", "1.0.0.1"]


@pytest.fixture(params=["joined", "apart"])
def form(request, router):
    """Whether the router shows a port behind its address or in a field of its own."""
    router.set_switches(connection_ports=request.param)
    return request.param


@pytest.fixture
def session(log_into, router, transport):
    return log_into(router, transport)


def ends(row):
    return {row[name].partition(":")[0] for name in ("src-address", "dst-address")}


def cut(session, *addresses):
    found = session.find_connections(addresses, nothing)
    assert found.problem == ""
    assert session.remove_connections(list(found.ids), nothing) == ""
    return found


def test_both_directions_go_and_those_of_others_stay(session, router, form):
    router.flow("10.0.0.1").establish()
    router.flow("203.0.113.5", "10.0.0.1").establish()
    router.flow("10.0.0.1", protocol="icmp").establish()
    router.flow("10.0.0.10").establish()
    found = cut(session, "10.0.0.1")
    assert sorted(found.ids.values()) == ["10.0.0.1"] * 3
    assert [ends(row) for row in router.rows(CONNECTION)] == [{"10.0.0.10", "198.51.100.80"}]


def test_without_any_connection_nothing_is_found(session, form):
    assert cut(session, "10.0.0.1").ids == {}


def test_only_connections_without_ports_are_found_too(session, router, form):
    router.flow("10.0.0.1", protocol="icmp").establish()
    router.flow("10.0.0.10", protocol="icmp").establish()
    assert len(cut(session, "10.0.0.1").ids) == 1
    assert len(router.rows(CONNECTION)) == 1


@pytest.mark.parametrize("form", ["joined", "apart"])
def test_only_connections_of_exactly_these_addresses_are_removed(log_into, form):
    with running(switches={"connection_ports": form}) as simulation:
        router = simulation.router
        session = log_into(router, "api")

        @given(
            pairs=st.sets(
                st.tuples(st.sampled_from(LOOK_ALIKE), st.sampled_from(LOOK_ALIKE)).filter(
                    lambda pair: pair[0] != pair[1]
                )
            ),
            protocols=st.lists(st.sampled_from(["tcp", "udp", "icmp"]), min_size=1, max_size=3),
            addresses=st.sets(st.sampled_from(LOOK_ALIKE), min_size=1, max_size=2),
        )
        @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
        def check(pairs, protocols, addresses):
            rows = [row[".id"] for row in router.rows(CONNECTION)]
            if rows:
                router.remove_row(CONNECTION, *rows)
            for number, (src, dst) in enumerate(sorted(pairs)):
                router.flow(src, dst, protocol=protocols[number % len(protocols)]).send()
            kept = [row for row in router.rows(CONNECTION) if not ends(row) & addresses]
            cut(session, *addresses)
            left = [row[".id"] for row in router.rows(CONNECTION)]
            assert left == [row[".id"] for row in kept]

        check()


def test_one_that_ends_meanwhile_keeps_none_of_the_others(session, router, form):
    router.open_connections(["10.0.0.1"], each=120)
    found = session.find_connections(["10.0.0.1"], nothing)
    router.remove_row(CONNECTION, list(found.ids)[7])
    assert session.remove_connections(list(found.ids), nothing) == ""
    assert router.rows(CONNECTION) == []


def test_a_router_that_refuses_says_so_and_the_session_goes_on(log_into, router, transport):
    router.open_connections(["10.0.0.1"])
    session = log_into(router, transport)
    found = session.find_connections(["10.0.0.1"], nothing)
    router.set_faults(denied_policies=["write"])
    assert "not enough permissions" in session.remove_connections(list(found.ids), nothing)
    router.set_faults(denied_policies=["read"])
    refused = session.find_connections(["10.0.0.1"], nothing)
    assert "not enough permissions" in refused.problem
    assert refused.ids == {}
    assert not session.closed


def test_a_large_table_is_searched_and_never_read(log_into, router):
    customers = [str(IPv4Address("10.64.0.0") + number) for number in range(1_000)]
    assert router.open_connections(customers, each=200, fasttrack=True) == 200_000
    session = log_into(router, "api", command_timeout_s=60, router_lock_s=120)
    router.set_switches(connection_ports="apart")
    assert len(cut(session, "10.64.0.1").ids) == 200
    router.set_switches(connection_ports="joined")
    found = session.find_connections(["10.64.0.2"], nothing)
    assert found.problem.startswith("the router tracks 199800 connections and cannot search them")
    assert found.ids == {}


def test_a_slow_search_ends_in_time(log_into, router):
    session = log_into(router, "api", command_timeout_s=0.3)
    router.set_faults(hang_in_use=True)
    began = time.monotonic()
    with pytest.raises(RouterUnreachable) as raised:
        session.find_connections(["10.0.0.1"], nothing)
    assert isinstance(raised.value.__cause__, TimeoutError)
    assert time.monotonic() - began < 3


CONNECTION6 = "/ipv6/firewall/connection"


def test_connections_of_a_prefix_are_those_of_all_its_addresses(session, router):
    inside = [
        router.flow("2001:db8:1:100::1"),
        router.flow("2001:db8:1:1ff:ffff:ffff:ffff:ffff"),
        router.flow("2001:db8:ffff::9", "2001:db8:1:180::7"),
        router.flow("2001:db8:1:140::2", protocol="icmp"),
        router.flow("2001:db8:7::5"),
    ]
    outside = [router.flow("2001:db8:1:200::1"), router.flow("2001:db8:1:ff::1")]
    router.flow("10.0.0.1").establish()
    for flow in (*inside, *outside):
        flow.establish()
    found = session.find_connections(
        ["10.0.0.1", "2001:db8:1:100::/56", "2001:db8:7::5/128"], nothing
    )
    assert sorted(found.ids.values()) == [
        "10.0.0.1",
        *["2001:db8:1:100::/56"] * 4,
        "2001:db8:7::5/128",
    ]
    assert {flow.peer for flow in found.flows} == {
        *("198.51.100.80", "2001:db8:ffff::80", "2001:db8:ffff::9")
    }
    assert session.remove_connections(list(found.ids), nothing) == ""
    assert router.rows(CONNECTION) == []
    left = {row["src-address"] for row in router.rows(CONNECTION6)}
    assert left == {"2001:db8:1:200::1", "2001:db8:1:ff::1"}


def test_a_large_table_of_ipv6_is_not_read(session, router, monkeypatch):
    monkeypatch.setattr(tracked_connections, "MOST_READ", 3)
    router.open_connections(["2001:db8:1:100::1"], each=4)
    found = session.find_connections(["2001:db8:1:100::/56"], nothing)
    assert found.problem == "the router tracks 4 IPv6 connections; at most 3 are read"
