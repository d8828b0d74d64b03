"""Which packets of IPv6 pass a simulated router: its routes, its list and its rules."""

import pytest

from simulator.control import ControlError
from simulator.testing import running

BINDING, SERVER = "/ipv6/dhcp-server/binding", "/ipv6/dhcp-server"
LIST, FILTER = "/ipv6/firewall/address-list", "/ipv6/firewall/filter"
CONNECTION, QUEUE = "/ipv6/firewall/connection", "/queue/simple"
A, PREFIX, CUSTOMER = "00:00:5E:00:53:0A", "2001:db8:100::/56", "2001:db8:100:1::5"


@pytest.fixture
def six(router):
    pool = {"name": "p6", "prefix": "2001:db8:100::/40", "prefix-length": "56"}
    router.add_row("/ipv6/pool", pool)
    router.add_row(SERVER, {"name": "six", "interface": "vlan-32", "prefix-pool": "p6"})
    router.device6(A)
    return router


def drop_suspended(router):
    for end in ("src", "dst"):
        rule = {"chain": "forward", "action": "drop", f"{end}-address-list": "suspended"}
        router.add_row(FILTER, rule)


@pytest.mark.parametrize("held", [PREFIX, f"{CUSTOMER}/128", "2001:db8:100:1::-2001:db8:100:1::9"])
def test_who_is_in_the_list_is_dropped_both_ways(six, held):
    drop_suspended(six)
    flow = six.flow(CUSTOMER).establish()
    row_id = six.add_row(LIST, {"list": "suspended", "address": held})
    assert flow.send().why.startswith("filter: rule ")
    assert not flow.send(back=True).passed
    assert six.flow("2001:db8:200::5").exchange().passed
    six.remove_row(LIST, row_id)
    assert flow.exchange().passed


def test_the_lists_of_the_two_families_are_two(six):
    drop_suspended(six)
    six.add_row("/ip/firewall/address-list", {"list": "suspended", "address": "223.203.225.10"})
    assert six.flow("223.203.225.10").exchange().passed
    assert six.flow(CUSTOMER).exchange().passed


def test_connections_are_tracked_apart_from_those_of_ipv4(six):
    six.flow(CUSTOMER).establish()
    (row,) = six.rows(CONNECTION)
    ends = [row[name] for name in ("src-address", "src-port", "dst-address", "dst-port")]
    assert ends == [CUSTOMER, "49152", "2001:db8:ffff::80", "443"]
    assert six.rows("/ip/firewall/connection") == []
    six.remove_row(CONNECTION, row[".id"])
    assert six.rows(CONNECTION) == []
    six.flow(CUSTOMER, protocol="icmp").establish()
    assert six.rows(CONNECTION)[0]["protocol"] == "icmpv6"
    assert six.open_connections([CUSTOMER, "223.203.225.10"], 3) == 7


def test_fasttracked_connections_meet_no_rule_and_are_there_from_7_18(six):
    known = {"chain": "forward", "connection-state": "established,related"}
    six.add_row(FILTER, {**known, "action": "fasttrack-connection"})
    drop_suspended(six)
    flow = six.flow(CUSTOMER).establish()
    six.add_row(LIST, {"list": "suspended", "address": PREFIX})
    assert flow.exchange().fasttrack
    six.remove_row(CONNECTION, six.rows(CONNECTION)[0][".id"])
    assert not flow.send().passed
    with running(version="7.17.1") as sim, pytest.raises(ControlError, match="value of action"):
        sim.router.add_row(FILTER, {**known, "action": "fasttrack-connection"})


def test_a_packet_to_a_prefix_takes_its_route(six):
    only_here = {"chain": "forward", "action": "drop", "out-interface": "!vlan-32"}
    six.add_row(FILTER, {**only_here, "dst-address": PREFIX})
    inbound = six.flow("2001:db8:ffff::80", CUSTOMER)
    assert inbound.send().passed
    six.device6_release(A)  # which takes the route away
    assert not inbound.send().passed


def test_a_prefix_goes_to_the_device_that_holds_it(six):
    assert six.flow("2001:db8:ffff::80", CUSTOMER, mac=A).send().passed
    sent = six.flow("2001:db8:ffff::80", CUSTOMER, mac="00:00:5E:00:53:0B").send()
    assert (sent.passed, A in sent.why) == (False, True)


def test_a_longer_route_by_hand_counts_more(six):
    six.add_row("/ipv6/address", {"address": "2001:db8:3::1/64", "interface": "ether3"})
    route = {"dst-address": "2001:db8:100:1::/64", "gateway": "2001:db8:3::9"}
    row_id = six.add_row("/ipv6/route", route)
    drop = {"chain": "forward", "action": "drop", "out-interface": "ether3"}
    six.add_row(FILTER, drop)
    inbound = six.flow("2001:db8:ffff::80", CUSTOMER)
    assert not inbound.send().passed
    six.set_row("/ipv6/route", row_id, {"disabled": "yes"})
    assert inbound.send().passed


def test_one_queue_takes_both_families(six):
    both = {"name": "own", "target": f"223.203.225.10,{PREFIX}", "max-limit": "5M/20M"}
    six.add_row(QUEUE, both)
    assert six.rows(QUEUE)[0]["target"] == f"223.203.225.10/32,{PREFIX}"
    for customer in ("223.203.225.10", CUSTOMER):
        sent = six.flow(customer).send()
        assert (sent.queue, sent.limit) == ("own", 5_000_000)


@pytest.mark.parametrize("change", [{"forward": "no"}, {"disable-ipv6": "yes"}])
def test_nothing_passes_where_ipv6_is_not_forwarded(six, change):
    six.set_row("/ipv6/settings", "", change)
    assert six.flow(CUSTOMER).send().why == "ipv6: not forwarded"
    assert six.flow("223.203.225.10").send().passed
    assert not six.flow("fe80::5").send().passed


def test_connections_time_out(six):
    six.flow(CUSTOMER, protocol="udp").establish()
    six.skip(181)
    assert six.rows(CONNECTION) == []
