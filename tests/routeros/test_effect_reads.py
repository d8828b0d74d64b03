"""What decides when changes act is read on every version, over each transport."""

from dataclasses import replace

import pytest

from simulator.testing import running
from tests.core.test_filter_rules import FASTTRACK, OURS
from tests.routeros.peers import SERVER, nothing
from worker.core.effect.from_router import EFFECT_MENUS, facts_of
from worker.core.rows.menus import version_of
from worker.routeros.commands import Reply
from worker.routeros.reads import effect_of

FILTER6 = "/ipv6/firewall/filter"
FILTER, DHCP = "/ip/firewall/filter", "/ip/dhcp-server"


@pytest.mark.router
@pytest.mark.parametrize(
    ("version", "transport"),
    [
        *((version, "api") for version in ("6.48.6", "7.11.3", "7.21.5")),
        *((version, "rest") for version in ("7.11.3", "7.21.5")),
    ],
)
def test_facts_of_each_version(log_into, version, transport):
    with running(seed_guide=True, version=version, rest_port=0) as sim:
        router = sim.router
        (server,) = router.rows(DHCP)
        interface, new = server["interface"], version_of(version) >= (7, 19)
        more = {"use-reconfigure": "yes"} if new else {}
        router.set_row(DHCP, server[".id"], {"add-arp": "yes", "lease-time": "20m", **more})
        router.set_row("/interface/vlan", interface, {"arp": "reply-only"})
        six = {"name": "six", "interface": interface} | more
        router.add_row("/ipv6/dhcp-server", six)
        for rule in (*OURS, FASTTRACK):
            router.add_row(FILTER, rule)
        for rule in (FASTTRACK, *OURS) if new else OURS:  # the action is of 7.18
            router.add_row(FILTER6, rule)
        before = router.journal()
        session = log_into(router, transport)
        facts = session.read_effect("suspended", {SERVER}, nothing, ipv6_list="suspended")
        alone = session.read_effect("suspended", {SERVER}, nothing)
        assert router.journal() == before
        assert alone == replace(facts, ipv6_filter=None)
        assert facts.ipv6_filter.fasttrack == new
        assert facts.ipv6_filter.suspension == ("after-fasttrack" if new else "first")
        assert (facts.fasttrack, facts.suspension) == (True, "first")
        assert facts.layer2 == {SERVER}
        assert facts.reconfigure == ({SERVER} if new else set())
        assert facts.reconfigure6 == ({"six"} if new else set())
        assert facts.ipv6 == {interface}
        assert facts.lease_times_s == {SERVER: 1200}
        assert facts.version == version_of(version)
        assert facts.unread == frozenset()


def answers(**traps):
    """Answers of a router: empty tables, but for these menus (by their last word)."""
    return [
        Reply(traps=[traps[menu.rpartition("/")[2]]] if menu.rpartition("/")[2] in traps else [])
        for menu in EFFECT_MENUS
    ]


def test_a_menu_that_we_may_not_read_is_said_and_one_that_is_not_there_is_not():
    replies = answers(filter="not enough permissions (9)", nd="no such command prefix")
    facts = effect_of(replies, "suspended", {"all"}, "7.18.2")
    assert facts.unread == {FILTER}
    assert facts.suspension == "none"
    assert effect_of(answers(nd="no such command or directory (nd)"), "", (), "").unread == set()


SIX = {"address": "2001:db8::1/64", "interface": "vlan1", "advertise": "true"}


@pytest.mark.parametrize(
    ("menus", "unread", "ipv6"),
    [
        ({}, (), ()),
        ({"/ipv6/dhcp-server": [{"interface": "vlan1"}]}, (), ["vlan1"]),
        ({"/ipv6/dhcp-server": [{"interface": "vlan1", "disabled": "true"}]}, (), ()),
        ({"/ipv6/dhcp-server": [{"interface": "vlan2"}]}, (), ()),  # where no server of ours is
        ({"/ipv6/nd": [{"interface": "all"}]}, (), ()),
        ({"/ipv6/nd": [{"interface": "all"}], "/ipv6/address": [SIX]}, (), ["vlan1"]),
        ({"/ipv6/nd": [{"interface": "vlan1"}], "/ipv6/address": [SIX]}, (), ["vlan1"]),
        ({"/ipv6/address": [SIX]}, (), ()),
        ({"/ipv6/nd": [{"interface": "all"}]}, ["/ipv6/address"], ["vlan1"]),
        (
            {"/ipv6/nd": [{"interface": "all"}], "/ipv6/address": [{**SIX, "advertise": "no"}]},
            (),
            (),
        ),
        (
            {
                "/ipv6/nd": [{"interface": "all"}],
                "/ipv6/address": [{**SIX, "address": "fe80::1/64"}],
            },
            (),
            (),
        ),
        (
            {
                "/ipv6/dhcp-server": [{"interface": "vlan1"}],
                "/ipv6/settings": [{"disable-ipv6": "true"}],
            },
            (),
            (),
        ),
    ],
)
def test_where_devices_get_ipv6_addresses(menus, unread, ipv6):
    servers = [{"name": "ours", "interface": "vlan1"}, {"name": "others", "interface": "vlan2"}]
    facts = facts_of({DHCP: servers, **menus}, unread, "", {"ours"}, ())
    assert facts.ipv6 == frozenset(ipv6)


def test_a_disabled_server_decides_nothing():
    server = {"name": "s", "interface": "e", "add-arp": "yes", "use-reconfigure": "yes"}
    found = {"/interface/ethernet": [{"name": "e", "arp": "reply-only"}]}
    on = facts_of({**found, DHCP: [server]}, (), "", {"all"}, ())
    assert (on.layer2, on.reconfigure) == ({"s"}, {"s"})
    off = facts_of({**found, DHCP: [{**server, "disabled": "true"}]}, (), "", {"all"}, ())
    assert (off.layer2, off.reconfigure) == (set(), set())
