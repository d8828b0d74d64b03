"""Leasewire gives a prefix to a real device whose DUID and IAID nobody told it: seen in packets.

The whole installation runs in the namespace of the simulated router; dhclient, dhcpcd and udhcpc6
are the customers' devices. See `tests/prefixes.py` and docs/decisions/0131.
"""

import contextlib
import itertools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import builders
from tests.forking import NAMESPACES
from tests.installation import SERVER, Installation, in_leases
from tests.prefixes import (
    LENT,
    LENT_ADDRESSES,
    ON_LINK,
    PLUGS6,
    PRIVATE,
    PrefixLab,
    drop_suspended,
    lend_prefixes,
    need_clients,
)
from tests.traffic import Talk
from tests.waiting import eventually

BINDING, LIST = "/ipv6/dhcp-server/binding", "/ipv6/firewall/address-list"
NUMBERS = itertools.count(1)
POOLS = """
[pools.home]
ranges = ["223.203.225.200-223.203.225.209"]
[pools.home6]
ranges = ["2001:db8:a000::/40"]
prefix_length = 56
"""
# of openwrt#21828: the same device before an upgrade and after it
BEFORE, AFTER = "3123639", "2711991250"

pytestmark = [*(pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, in_leases)]


@dataclass
class Customer:
    """A service with a prefix; its device has the whole wire for itself.

    Attributes:
        lab: where its device is.
        here: where its service is.
        number: of everything that it has.
    """

    lab: PrefixLab
    here: Installation
    number: int

    def __post_init__(self):
        self.service_id = f"SVC-{self.number}"
        self.mac, self.next_mac = builders.mac(self.number), builders.mac(100 + self.number)
        self.prefix = f"2001:db8:1:{self.number:x}00::/56"
        self.address = f"2001:db8:2::{self.number:x}"
        self._revisions = itertools.count(1)

    def activate(self):
        """Have a service whose addresses are known."""
        ipv4 = f"223.203.225.{self.number}0"
        ipv6 = {"prefix": {"mode": "static", "ipv6": self.prefix}, "address": self.address}
        self.publish(builders.activated, server=SERVER, mac=self.mac, ipv4=ipv4, ipv6=ipv6)

    def publish(self, make, **given):
        """Publish an event, and wait until it is applied; give its outcome."""
        event = make(service_id=self.service_id, revision=next(self._revisions), **given)
        self.here.publisher.publish([event])

        def applied():
            outcome = self.here.outcome(event)
            return outcome is not None and outcome.state in ("applied", "acting", "not-acting-yet")

        eventually(applied, f"applied: {self.here.outcome(event)}", within_s=20)
        return self.here.outcome(event)

    def has_its_prefix(self):
        return self.lab.prefixes()[-1:] == [self.prefix]

    def learned(self):
        """Wait until the device that asks has the prefix; give its DUID and IAID as written."""
        eventually(self.has_its_prefix, "the device has its own prefix", within_s=30)
        row = self.binding(self.prefix)
        return row["duid"], row["iaid"]

    def binding(self, of):
        """The service's own binding of a prefix or an address; None: there is none yet."""
        tag = f"leasewire:tests:{self.service_id}"
        rows = self.here.control["R1"].rows(BINDING)
        own = [row for row in rows if (row["address"], row.get("comment")) == (of, tag)]
        assert len(own) <= 1
        return next(iter(own), None)

    def has_its_address(self, iaid):
        row = self.binding(f"{self.address}/128")
        return row is not None and (row["iaid"], row["status"]) == (iaid, "bound")

    def start_another(self, kind, mac, **how):
        """Start a client that the router does not know: it is lent a prefix first."""
        before = len(self.lab.prefixes())
        self.lab.prefix_client(kind, mac, **how)

        def is_lent():
            return any(prefix != self.prefix for prefix in self.lab.prefixes()[before:])

        eventually(is_lent, "the device is lent a prefix", within_s=20)

    def online(self, protocol="udp"):
        talk = self.lab.talk6(protocol)
        eventually(talk.answered, "the customer is online over IPv6", within_s=20)
        return talk


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A router that lends prefixes, and an installation of Leasewire."""
    need_clients("udhcpc", "dhclient", "dhcpcd", "udhcpc6")
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        lab = PrefixLab(stack, tmp_path_factory.mktemp("lab"))
        policy = {"suspend_list": '"suspended"', "cut_connections": '"always"'}
        installation = Installation(
            directory,
            inventory={"R1": {**policy, "ipv6_life_time": '"4s"'}},
            simulator=PLUGS6,
            tables=POOLS,
            environ_more={"LEASEWIRE_WATCH_EVERY_S": "0.5", NAMESPACES: str(lab.router)},
        )
        here = stack.enter_context(installation)
        router = here.control["R1"]
        lend_prefixes(router)
        drop_suspended(router)
        drop_suspended(router, "ip")
        router.add_row("/ipv6/address", {"address": ON_LINK, "interface": "vlan-32"})
        for lent in (LENT, LENT_ADDRESSES):  # for being seen, not for being online
            router.add_row(LIST, {"list": "suspended", "address": lent})
        here.start_workers("events", "routers")
        yield lab, here


@pytest.fixture
def newcomer(house):
    lab, here = house
    with lab.visit():
        yield Customer(lab, here, next(NUMBERS))


@pytest.fixture
def customer(newcomer):
    newcomer.activate()
    return newcomer


@pytest.mark.parametrize("kind", ["dhclient", "dhcpcd"])
def test_a_device_is_learned_suspended_and_resumed(customer, kind):
    lab = customer.lab
    lab.prefix_client(kind, customer.mac)
    duid, _ = customer.learned()
    assert duid.endswith(customer.mac.replace(":", "").lower())
    talk = customer.online()
    customer.publish(builders.suspended)
    assert lab.nothing_passes()
    customer.publish(builders.resumed)
    eventually(talk.answered, "the customer is online again", within_s=20)


def test_a_new_device_gets_the_prefix_of_the_old_one(customer):
    lab = customer.lab
    old = lab.prefix_client("dhcpcd", customer.mac)
    customer.learned()
    lab.pull_the_plug(old)

    def swapped(service_id, **given):
        return builders.event("device_swapped", service_id, **given)

    customer.publish(swapped, device={"mac": customer.next_mac})
    customer.start_another("dhclient", customer.next_mac)
    duid, _ = customer.learned()
    assert duid.endswith(customer.next_mac.replace(":", "").lower())
    customer.online("tcp")


def test_an_upgrade_that_changes_the_iaid_of_the_address_leaves_the_prefix_alone(customer):
    lab = customer.lab
    before = lab.prefix_client("dhcpcd", customer.mac, address_iaid=BEFORE)
    client = customer.learned()
    eventually(lambda: customer.has_its_address(BEFORE), "it has its address", within_s=30)
    lab.shut_down(before)
    lab.prefix_client("dhcpcd", customer.mac, address_iaid=AFTER)
    eventually(lambda: customer.has_its_address(AFTER), "it has its address again", within_s=30)
    assert customer.learned() == client
    customer.online()


def test_a_device_that_asks_for_its_prefix_as_another_client_gets_it_again(customer):
    before = customer.lab.prefix_client("dhcpcd", customer.mac, iaid=BEFORE)
    duid, iaid = customer.learned()
    assert iaid == BEFORE
    customer.lab.pull_the_plug(before)

    def has_left():
        return customer.binding(customer.prefix)["status"] == "waiting"

    eventually(has_left, "the router knows that the client before it is gone")
    customer.start_another("dhcpcd", customer.mac, iaid=AFTER)
    assert customer.learned() == (duid, AFTER)
    customer.online()


def test_a_suspended_device_is_silent_as_another_client_too(customer):
    lab = customer.lab
    client = lab.prefix_client("dhcpcd", customer.mac)
    customer.learned()
    customer.publish(builders.suspended)
    lab.pull_the_plug(client)
    customer.start_another("udhcpc6", customer.mac)  # which has another IAID each time
    lab.talk6("udp")
    assert lab.nothing_passes()


def test_a_device_that_hides_its_mac_is_known_by_its_link(customer):
    hidden = "00:02:00:00:ab:11:c7:40:e6:7d:12:d0:b6:cf"  # as systemd-networkd says it
    customer.lab.prefix_client("dhcpcd", customer.mac, duid=hidden, link_local=PRIVATE)
    duid, _ = customer.learned()
    assert duid == "0x" + hidden.replace(":", "")


def test_a_device_with_an_assigned_address_and_prefix_is_off_and_on_over_both(newcomer):
    lab, mac = newcomer.lab, newcomer.mac
    block = builders.service_block(server=SERVER, mac=mac)
    block["address"] = {"mode": "assigned", "pool": "home"}
    block["ipv6"] = {"prefix": {"mode": "assigned", "pool": "home6"}}

    def activated(service_id, **given):
        return builders.event("activated", service_id, service=block, **given)

    assigned = newcomer.publish(activated).assigned
    assert assigned["address"].startswith("223.203.225.20")
    newcomer.prefix = assigned["prefix"]
    lab.prefix_client("dhcpcd", mac)
    lab.client("udhcpc")
    newcomer.learned()
    talks = [Talk(lab, "udp"), lab.talk6("udp")]
    for talk in talks:
        eventually(talk.answered, "the customer is online", within_s=20)
    newcomer.publish(builders.suspended)
    assert not any(talk.answered() for talk in talks)
    newcomer.publish(builders.resumed)
    for talk in talks:
        eventually(talk.answered, "the customer is online again", within_s=20)
