"""What `routers check` tells of a router, and that it changes nothing there."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from simulator.testing import running
from tests.routeros.peers import LEASE, SERVER, config_for, settings
from worker.core.policy.policy import RouterPolicy
from worker.core.policy.router_check import clock_of
from worker.routeros import tracked_connections
from worker.routeros.check import check_router

pytestmark = pytest.mark.router


def look(router, transport="api-ssl", **changes):
    lines = check_router(config_for(router, transport, **changes), settings(), datetime.now(UTC))
    assert [each for each in router.journal() if each["session"] != "operator"] == []
    return lines


def levels(lines):
    return [(line.level, line.what) for line in lines]


@pytest.fixture
def router():
    with running(seed_guide=True, rest_port=0, identity="tower-7") as sim:
        for number, comment in enumerate(["leasewire:acme:S-1", "leasewire:other:S-1", "mine"]):
            sim.router.add_row(LEASE, {"address": f"198.51.100.{number}", "comment": comment})
        sim.router.device("00:00:5E:00:53:99", server=SERVER)
        yield _Fresh(sim.router)


class _Fresh:
    """The router, its journal starting now."""

    def __init__(self, router):
        self._router = router
        self._since = router.journal()[-1]["seq"]

    def journal(self):
        return self._router.journal(after=self._since)

    def __getattr__(self, name):
        return getattr(self._router, name)


@pytest.mark.parametrize("transport", ["api-ssl", "rest"])
def test_a_router_in_order(router, transport):
    policies = "read,write,api,rest-api" if transport == "rest" else "read,write,api,test"
    router.add_row("/user/group", {"name": "leasewire", "policy": policies})
    router.set_row("/user", router.rows("/user")[0][".id"], {"group": "leasewire"})
    lines = look(router, transport, policy=RouterPolicy("acme", default_server=SERVER))
    assert [line for line in lines if line.level != "ok"] == []
    assert [line.what for line in lines] == [
        *("connection", "certificate", "login", "router", "policies", "sessions", "clock"),
        *("dhcp-server", "networks", "overlaps", "lease-time", "effect", "leases"),
    ]
    notified = {line.what: line.detail for line in lines}
    assert router.fingerprint_sha256 in notified["certificate"]
    assert notified["router"] == f"tower-7, RouterOS 7.18.2, serial {router.serial}"
    assert notified["dhcp-server"] == f"{SERVER} is enabled"
    assert notified["leases"] == "4 in all, 3 of them static, 1 ours"


def test_an_unpinned_router_shows_its_fingerprint_and_gets_no_password(router):
    (line,) = look(router, fingerprint=None)
    assert (line.level, line.what) == ("fail", "certificate-not-pinned")
    assert f'fingerprint = "{router.fingerprint_sha256}"' in line.advice
    assert router.counters() == {}


def test_a_plain_connection_is_warned_of(router):
    lines = look(router, "api")
    assert levels(lines)[:2] == [("ok", "connection"), ("warn", "certificate")]
    assert levels(lines)[-1] == ("ok", "leases")


def test_a_server_that_is_not_there_fails_and_the_rest_is_told(router):
    lines = look(router, policy=RouterPolicy("acme", default_server="dhcp-cust"))
    assert levels(lines)[-1] == ("ok", "leases")
    (failed,) = [line for line in lines if line.level == "fail"]
    assert failed.what == "dhcp-server"
    assert SERVER in failed.detail


def test_a_router_without_a_server_is_warned_of():
    with running() as sim:
        assert ("warn", "dhcp-server") in levels(look(sim.router))


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"_environ": {}}, ("fail", "credentials-missing")),
        ({"_environ": {"ROUTER_PASSWORD": "wrong"}}, ("fail", "login-refused")),
        ({"expect_identity": "tower-8"}, ("fail", "identity-mismatch")),
        ({"expect_serial": "X"}, ("fail", "serial-mismatch")),
    ],
)
def test_what_is_wrong_comes_last_with_advice(router, changes, last):
    lines = look(router, **changes)
    assert levels(lines)[0] == ("ok", "connection")
    assert levels(lines)[-1] == last
    assert lines[-1].advice


def test_a_router_that_is_off(router):
    router.power_off()
    (line,) = look(router)
    assert (line.level, line.what) == ("fail", "connection")
    assert "Connection refused" in line.detail


def warnings(router, **changes):
    """What is not ok, but that our user is an administrator."""
    return {
        line.what: line.detail
        for line in look(router, **changes)
        if line.level != "ok" and line.what != "policies"
    }


def test_a_user_that_may_do_too_much_or_too_little_is_told_with_what_to_do(router):
    (line,) = [each for each in look(router) if each.what == "policies"]
    assert line.level == "warn"
    assert "ftp" in line.detail
    assert "/user/group/add name=leasewire policy=api,read,write" in line.advice
    router.add_row("/user/group", {"name": "few", "policy": "read,api"})
    router.set_row("/user", router.rows("/user")[0][".id"], {"group": "few"})
    (line,) = [each for each in look(router) if each.what == "policies"]
    assert (line.level, line.advice) == ("fail", "/user/group/set few policy=write")
    observing = RouterPolicy("acme", default_server=SERVER, mode="observe")
    (line,) = [each for each in look(router, policy=observing) if each.what == "policies"]
    assert line.level == "ok"


def test_what_overlaps_is_told(router):
    router.add_row("/ip/pool", {"name": "other", "ranges": "223.203.225.200-223.203.225.210"})
    router.add_row("/ip/dhcp-server/network", {"address": "223.203.0.0/16", "gateway": "10.0.0.1"})
    assert warnings(router) == {
        "overlaps": "networks 223.203.225.0/24 and 223.203.0.0/16; pools pool-vlan-32 and other"
    }


def test_a_network_without_gateway_and_a_pool_outside_all_are_told(router):
    (network,) = router.rows("/ip/dhcp-server/network")
    router.set_row("/ip/dhcp-server/network", network[".id"], {"gateway": ""})
    assert "without a gateway" in warnings(router)["networks"]
    (pool,) = router.rows("/ip/pool")
    router.set_row("/ip/dhcp-server/network", network[".id"], {"gateway": "223.203.225.1"})
    router.set_row("/ip/pool", pool[".id"], {"ranges": "10.9.0.1-10.9.0.9"})
    assert "pool-vlan-32 (10.9.0.1-10.9.0.9)" in warnings(router)["networks"]


def test_a_long_lease_time_a_full_service_and_a_wrong_clock_are_told(router):
    (server,) = router.rows("/ip/dhcp-server")
    router.set_row("/ip/dhcp-server", server[".id"], {"lease-time": "1d"})
    (service,) = [row for row in router.rows("/ip/service") if row["name"] == "api-ssl"]
    router.set_row("/ip/service", service[".id"], {"max-sessions": "2"})
    router.set_row("/system/clock", "*1", {"date": "1970-01-02", "time": "00:00:00"})
    notified = warnings(router)
    assert notified.keys() == {"lease-time", "sessions", "clock"}
    assert f"{SERVER} 1d" in notified["lease-time"]
    assert "api-ssl allows 2" in notified["sessions"]
    assert "behind" in notified["clock"]
    ours = RouterPolicy("acme", default_server=SERVER, lease_time="30m")
    assert "lease-time" not in warnings(router, policy=ours)


@pytest.mark.parametrize(
    ("row", "time"),
    [
        (("2026-11-24", "10:00:00", "+01:00"), datetime(2026, 11, 24, 9, tzinfo=UTC)),
        (("nov/24/2026", "10:00:00", "-05:30"), datetime(2026, 11, 24, 15, 30, tzinfo=UTC)),
        (("2026-11-24", "10:00:00", ""), None),
        (("24.11.2026", "10:00:00", "+00:00"), None),
    ],
)
def test_the_clock_is_read_in_both_forms(row, time):
    assert clock_of(dict(zip(("date", "time", "gmt-offset"), row, strict=True))) == time


FILTER = "/ip/firewall/filter"
SUSPENDING = RouterPolicy("acme", default_server=SERVER, suspend_list="suspended")


@pytest.mark.parametrize("transport", ["api-ssl", "rest"])
def test_what_keeps_a_suspension_from_acting_is_told(router, transport):
    (line,) = [line for line in look(router, transport, policy=SUSPENDING) if "susp" in line.what]
    assert (line.level, line.what) == ("warn", "suspension-rule")
    assert line.advice == "See `leasewire runbook suspension-rule`"
    router.add_row(FILTER, {"chain": "forward", "action": "fasttrack-connection"})
    up = {"src-address-list": "suspended"}
    for matchers in (up, {"dst-address-list": "suspended"}):
        router.add_row(FILTER, {"chain": "forward", "action": "drop", **matchers})
    (interface,) = {row["interface"] for row in router.rows("/ip/dhcp-server")}
    router.add_row("/ipv6/dhcp-server", {"name": "six", "interface": interface})
    policy = replace(SUSPENDING, throttle="64k/64k", cut_connections="never")
    found = {line.what: line.detail for line in look(router, transport, policy=policy)}
    assert "rule 1 (chain=forward action=fasttrack-" in found["fasttrack-defeats-suspension"]
    assert "meet no queue" in found["fasttrack-defeats-rates"]
    assert "no IPv6 firewall rules" in found["suspension-rule"]

    (rule,) = [row for row in router.rows(FILTER) if row["action"] == "fasttrack-connection"]
    router.run(f"{FILTER}/move", {"numbers": rule[".id"]})
    found = {line.what: line.detail for line in look(router, transport, policy=policy)}
    assert 'cut_connections is "never"' in found["fasttrack-defeats-suspension"]


@pytest.mark.parametrize("transport", ["api-ssl", "rest"])
def test_queues_of_others_that_shadow_ours_are_told(router, transport):
    queue = {"max-limit": "5M/20M", "name": "leasewire:acme:S-1", "target": "198.51.100.0"}
    router.add_row("/queue/simple", {"name": "site", "target": "198.51.100.0/24"})
    router.add_row("/queue/simple", queue)
    router.add_row("/queue/simple", {"name": "behind", "target": "198.51.100.0/24"})
    policy = RouterPolicy("acme", throttle="64k/64k", rates="queue")
    found = {line.what: line for line in look(router, transport, policy=policy)}
    assert found["queue-shadowed"].detail.startswith("queue site (target 198.51.100.0/24) of other")
    assert found["queue-shadowed"].level == "warn"
    lease_rates = look(router, transport, policy=replace(policy, rates="lease"))
    assert "queue-shadowed" not in {line.what for line in lease_rates}


def test_what_is_in_order_is_told(router):
    router.add_row(FILTER, {"chain": "forward", "action": "drop", "src-address-list": "suspended"})
    router.add_row(FILTER, {"chain": "forward", "action": "drop", "dst-address-list": "suspended"})
    (vlan,) = router.rows("/interface/vlan")
    router.set_row("/interface/vlan", vlan[".id"], {"arp": "reply-only"})
    (server,) = router.rows("/ip/dhcp-server")
    router.set_row("/ip/dhcp-server", server[".id"], {"add-arp": "yes"})
    (line,) = [line for line in look(router, policy=SUSPENDING) if line.what == "effect"]
    assert line.level == "ok"
    assert line.detail == (
        "no FastTrack; new packets from and to address list suspended are dropped first; "
        f"without a lease a device is cut off by ARP: {SERVER}"
    )


def test_whether_connections_can_be_cut_is_told(router, monkeypatch):
    def told(limit_s=10, **changes):
        config = config_for(router, "api-ssl", policy=replace(SUSPENDING, **changes))
        lines = check_router(config, settings(command_timeout_s=limit_s), datetime.now(UTC))
        lines = [line for line in lines if line.what == "connections"]
        return lines[0] if lines else None

    assert told() is None  # no FastTrack
    router.add_row(FILTER, {"chain": "forward", "action": "fasttrack-connection"})
    router.open_connections(["198.51.100.9"], each=2)
    assert told().level == "ok"
    assert told(cut_connections="never") is None
    monkeypatch.setattr(tracked_connections, "MOST_READ", 1)
    line = told()
    assert line.level == "warn"
    assert "cannot be removed: the router tracks 2 connections and cannot search" in line.detail
    router.set_faults(service_ms_by_command={"/ip/firewall/connection/print": 900})
    line = told(limit_s=0.2)
    assert line.level == "warn"
    assert "no answer in time" in line.detail


def test_whether_connections_of_ipv6_can_be_cut_is_told(router, monkeypatch):
    (interface,) = {row["interface"] for row in router.rows("/ip/dhcp-server")}
    router.add_row("/ipv6/dhcp-server", {"name": "six", "interface": interface})
    fasttrack = {"chain": "forward", "action": "fasttrack-connection"}
    router.add_row("/ipv6/firewall/filter", fasttrack)
    router.open_connections(["2001:db8::9"], each=2)

    def told():
        (line,) = [line for line in look(router, policy=SUSPENDING) if line.what == "connections"]
        return line

    assert told().level == "ok"
    monkeypatch.setattr(tracked_connections, "MOST_READ", 1)
    assert "the router tracks 2 IPv6 connections; at most 1 are read" in told().detail


def test_dhcpv6_server_and_bindings_are_checked_where_there_are_some(router):
    policy = RouterPolicy("acme", default_server=SERVER)
    (interface,) = [row["interface"] for row in router.rows("/ip/dhcp-server")]
    assert not {"dhcpv6-server", "bindings"} & {line.what for line in look(router, policy=policy)}
    router.add_row("/ipv6/dhcp-server", {"name": "six", "interface": interface})
    for number, comment in ((1, "leasewire:acme:S-1"), (2, "mine")):
        row = {"address": f"2001:db8:{number}::/56", "duid": f"0x0003000{number}", "iaid": "1"}
        router.add_row("/ipv6/dhcp-server/binding", row | {"comment": comment})
    details = {line.what: line.detail for line in look(router, policy=policy)}
    assert details["dhcpv6-server"] == "found six"
    assert details["bindings"] == "2 in all, 2 of them static, 1 ours"
    other = replace(policy, ipv6_server="other")
    warned = next(line for line in look(router, policy=other) if line.what == "dhcpv6-server")
    assert (warned.level, "other is not there" in warned.detail) == ("warn", True)
