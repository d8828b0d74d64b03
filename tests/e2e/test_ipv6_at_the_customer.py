"""Leasewire gives a prefix to a real device whose DUID and IAID nobody told it: seen in packets.

The whole installation runs in the namespace of the simulated router; dhclient, dhcpcd and udhcpc6
are the customer's device. See `tests/prefixes.py` and docs/decisions/0131.
"""

import contextlib
import sys

import pytest

from tests import builders
from tests.installation import SERVER, Installation, in_leases
from tests.prefixes import (
    LENT,
    PLUGS6,
    PRIVATE,
    PrefixLab,
    drop_suspended,
    lend_prefixes,
    need_clients,
)
from tests.waiting import eventually

BINDING, LIST = "/ipv6/dhcp-server/binding", "/ipv6/firewall/address-list"
MAC, OTHER_MAC = "00:00:5E:00:53:0A", "00:00:5E:00:53:0B"
PREFIX = "2001:db8:1:100::/56"
DEVICE = {"server": SERVER, "mac": MAC, "ipv4": "223.203.225.10"}
IPV6 = {"prefix": {"mode": "static", "ipv6": PREFIX}}
# of openwrt#21828: the same device before an upgrade and after it
BEFORE, AFTER = "3123639", "2711991250"

pytestmark = [*(pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, in_leases)]


@pytest.fixture
def lab(tmp_path):
    need_clients("dhclient", "dhcpcd", "udhcpc6")
    with contextlib.ExitStack() as stack:
        yield PrefixLab(stack, tmp_path)


@pytest.fixture
def here(lab, short_directory):
    inside = (*lab.inside(lab.router), sys.executable, "-m")
    policy = {"suspend_list": '"suspended"', "cut_connections": '"always"'}
    with Installation(
        short_directory,
        inventory={"R1": {**policy, "ipv6_life_time": '"4s"'}},
        simulator=PLUGS6,
        simulator_command=(*inside, "simulator"),
        worker_command=(*inside, "worker.runtime.process"),
        environ_more={"LEASEWIRE_WATCH_EVERY_S": "1"},
    ) as here:
        router = here.control["R1"]
        lend_prefixes(router)
        drop_suspended(router)
        # A lent prefix is for being seen, not for being online.
        router.add_row(LIST, {"list": "suspended", "address": LENT})
        here.start_workers("events", "routers")
        publish(here, builders.activated(**DEVICE, ipv6=IPV6))
        yield here


def publish(here, event):
    """Publish, and wait until it is applied."""
    here.publisher.publish([event])

    def applied():
        outcome = here.outcome(event)
        return outcome is not None and outcome.state in ("applied", "acting", "not-acting-yet")

    eventually(applied, f"applied: {here.outcome(event)}", within_s=20)


def own(here):
    """The static bindings: DUID, IAID and prefix of each."""
    rows = [row for row in here.control["R1"].rows(BINDING) if row["dynamic"] == "false"]
    return [(row["duid"], row["iaid"], row["address"]) for row in rows]


def has_its_prefix(lab):
    return lambda: lab.prefixes()[-1:] == [PREFIX]


def learned(lab, here):
    """Wait until the device that asks is the service's, and has the service's prefix."""
    eventually(has_its_prefix(lab), "the device has its own prefix", within_s=30)
    eventually(lambda: len(own(here)) == 1, "one static binding")
    return own(here)[0]


@pytest.mark.parametrize("kind", ["dhclient", "dhcpcd"])
def test_a_device_is_learned_suspended_and_resumed(lab, here, kind):
    lab.prefix_client(kind, MAC)
    duid, _, _ = learned(lab, here)
    assert duid.endswith("00005e00530a")
    talk = lab.talk6("udp")
    eventually(talk.answered, "the customer is online over IPv6", within_s=20)
    publish(here, builders.suspended(revision=2))
    assert lab.nothing_passes()
    assert not talk.answered()
    publish(here, builders.resumed(revision=3))
    eventually(talk.answered, "the customer is online again", within_s=20)


def test_a_new_device_gets_the_prefix_of_the_old_one(lab, here):
    old = lab.prefix_client("dhcpcd", MAC)
    learned(lab, here)
    lab.pull_the_plug(old)
    publish(here, builders.event("device_swapped", "SVC-1", revision=2, device={"mac": OTHER_MAC}))
    lab.prefix_client("dhclient", OTHER_MAC)
    eventually(lambda: not has_its_prefix(lab)(), "it is lent a prefix first")
    duid, _, _ = learned(lab, here)
    assert duid.endswith("00005e00530b")
    talk = lab.talk6("tcp")
    eventually(talk.answered, "the customer is online over IPv6", within_s=20)


def test_a_device_whose_iaid_an_upgrade_changed_keeps_its_prefix(lab, here):
    before = lab.prefix_client("dhcpcd", MAC, iaid=BEFORE)
    duid, iaid, _ = learned(lab, here)
    assert iaid == BEFORE
    lab.shut_down(before)
    lab.prefix_client("dhcpcd", MAC, iaid=AFTER)
    eventually(lambda: not has_its_prefix(lab)(), "it is lent a prefix first")
    assert learned(lab, here) == (duid, AFTER, PREFIX)
    talk = lab.talk6("udp")
    eventually(talk.answered, "the customer is online over IPv6", within_s=20)


def test_a_suspended_device_is_silent_as_another_client_too(lab, here):
    client = lab.prefix_client("dhcpcd", MAC)
    learned(lab, here)
    publish(here, builders.suspended(revision=2))
    lab.pull_the_plug(client)
    lab.prefix_client("udhcpc6", MAC)  # which has another IAID each time
    eventually(lambda: not has_its_prefix(lab)(), "it is lent a prefix")
    lab.talk6("udp")
    assert lab.nothing_passes()


def test_a_device_that_hides_its_mac_is_known_by_its_link(lab, here):
    hidden = "00:02:00:00:ab:11:c7:40:e6:7d:12:d0:b6:cf"  # as systemd-networkd says it
    lab.prefix_client("dhcpcd", MAC, duid=hidden, link_local=PRIVATE)
    duid, _, _ = learned(lab, here)
    assert duid == "0x" + hidden.replace(":", "")
