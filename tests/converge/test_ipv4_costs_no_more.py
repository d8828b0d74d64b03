"""An installation without IPv6 sends each command as often as before there was IPv6."""

import pytest

from tests import builders
from tests.converge.queues import active, installation, report
from worker.watching.unknown_devices import Watch

pytestmark = [pytest.mark.redis, pytest.mark.router]

# Of the scenario below, as counted before the first line for IPv6 was written.
COMMANDS = {
    "/interface/bonding/print": 2,
    "/interface/bridge/print": 2,
    "/interface/ethernet/print": 2,
    "/interface/vlan/print": 2,
    "/ip/address/print": 2,
    "/ip/dhcp-server/lease/add": 2,
    "/ip/dhcp-server/lease/print": 15,
    "/ip/dhcp-server/lease/remove": 1,
    "/ip/dhcp-server/lease/set": 2,
    "/ip/dhcp-server/network/print": 2,
    "/ip/dhcp-server/option/print": 1,
    "/ip/dhcp-server/print": 6,
    "/ip/firewall/address-list/add": 1,
    "/ip/firewall/address-list/print": 5,
    "/ip/firewall/address-list/remove": 1,
    "/ip/firewall/filter/print": 2,
    "/ip/mac-server/entry/print": 1,
    "/ip/pool/print": 3,
    "/ip/pool/used/print": 1,
    "/ipv6/address/print": 2,
    "/ipv6/dhcp-server/print": 2,
    "/ipv6/nd/print": 2,
    "/ipv6/settings/print": 2,
    "/login": 1,
    "/system/identity/print": 1,
    "/system/license/print": 1,
    "/system/resource/print": 1,
    "/system/routerboard/print": 1,
}
LINES = 'suspend_list = "suspended"\nsuspend = "walled_garden"\n'


def test_each_command_is_sent_as_often_as_before():
    with installation(LINES) as here:
        here.drain()  # the first contact
        here.r["R1"].reset_counters()
        here.say(active(), active("SVC-2", 11))
        here.drain()
        for event in (
            builders.event("plan_changed", revision=2, plan={"code": "FAST"}),
            builders.suspended(revision=3),
            builders.resumed(revision=4),
            builders.mac_changed(mac=builders.mac(12), revision=5),
            builders.cancelled(revision=6),
        ):
            here.say(event)
            here.drain()
        watch = Watch(here.store, here.sessions, here.policies, 1.0)
        assert watch.once() == ["R1"]
        report(here)
        assert here.r["R1"].counters() == COMMANDS
