"""Devices with dynamic leases: who has no service, whose service ended, who is in two places."""

from typing import ClassVar

import pytest

from leasewire.context import Context
from tests.builders import activated, cancelled, event, ipv4, mac
from tests.full_read.ipv6 import with_ipv6, with_server6
from tests.leasewire.conftest import LEASES
from tests.waiting import eventually
from worker.core.full_read.unknown_devices import KINDS_OF_WATCH, NAMED
from worker.core.policy.policy import RouterPolicy
from worker.errors import RouterUnreachable
from worker.routeros.sessions import Sessions
from worker.watching.unknown_devices import Watch

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"


@pytest.fixture
def watch(world):
    context = world.context
    policies = {name: router.policy for name, router in context.inventory.routers.items()}
    sessions = Sessions(context.inventory, context.settings)
    watch = Watch(context.store, sessions, policies, 1.0)

    def look(ignoring=()):
        watch.ignoring = ignoring
        for name in policies:
            context.store.client.delete(context.store.keys.watched(name))
        watch.once()
        return {(alert.kind, alert.subject) for alert in context.store.alerts.all_open()}

    yield look
    sessions.close_all()


def test_an_unknown_device_is_reported_until_a_service_has_it(world, watch):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    assert watch() == set()
    world.r1.device(mac(7), server=SERVER)
    before = world.r1.journal()
    assert watch() == {("rogue-device", f"R1 {mac(7)}")}
    assert world.r1.journal() == before  # only read
    world.say(activated("SVC-7", server=None, mac=mac(7), ipv4=ipv4(107)))
    assert watch() == set()


def test_a_device_with_a_prefix_and_no_service_is_reported_where_services_have_ipv6(world, watch):
    def devices():
        return {found for found in watch() if found[0] in KINDS_OF_WATCH}

    with_server6(world.r1)
    world.r1.device6(mac(7))
    assert devices() == set()  # bindings are not read: no service has IPv6
    world.say(with_ipv6(1))
    world.drain()
    world.r1.device6(mac(1))
    world.r1.device6(mac(8), duid="0x00020000ab11", link_local="fe80::8")
    assert devices() == {("rogue-device", f"R1 {mac(7)}"), ("rogue-device", f"R1 {mac(8)}")}
    texts = " ".join(alert.text for alert in world.context.store.alerts.all_open())
    assert texts.count("by a dynamic DHCPv6 binding, but no service has it") == 2
    world.say(with_ipv6(7), with_ipv6(8))
    assert devices() == set()
    world.say(cancelled("SVC-1", revision=2))
    world.drain()
    world.r1.device6(mac(1))
    assert devices() == {("ended-service-bound", f"R1 {mac(1)}")}


def test_unknown_devices_are_ignored_if_the_inventory_says_so(world, watch, edited, leasewire):
    world.say(
        activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)),
        activated("SVC-2", server=None, mac=mac(2), ipv4=ipv4(102)),
    )
    world.converge.run("R1")
    world.say(cancelled("SVC-1"))
    world.converge.run("R1")
    for number in (1, 7):
        world.r1.device(mac(number), server=SERVER)
    world.r2.device(mac(8), server=SERVER)
    ended = ("ended-service-bound", f"R1 {mac(1)}")
    assert len(watch()) == 3
    edited(("[routers.R1]", '[routers.R1]\nunknown_devices = "ignore"'))
    assert watch(ignoring(world)) == {ended, ("rogue-device", f"R2 {mac(8)}")}
    assert leasewire("routers", "apply").out.startswith("The applied policies are those")
    edited(("[defaults]", '[defaults]\nunknown_devices = "ignore"'))
    assert watch(ignoring(world)) == {ended}


def ignoring(world):
    return Context(world.context.settings.inventory).inventory.ignoring


def test_a_device_of_a_cancelled_service_is_reported(world, watch):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.say(cancelled("SVC-1"))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    assert watch() == {("ended-service-bound", f"R1 {mac(1)}")}
    world.r1.device_release(mac(1), server=SERVER)
    assert watch() == set()


def test_a_device_of_a_blocked_service_is_reported_after_its_lease_time(world, watch):
    world.say(*(activated(f"SVC-{n}", server=None, mac=mac(n), ipv4=ipv4(n)) for n in (1, 2)))
    world.converge.run("R1")
    for number in (1, 2):
        world.r1.device(mac(number), server=SERVER)
    world.say(event("suspended", "SVC-1", revision=2))
    world.converge.run("R1")
    assert [(row["status"], "block-access" in row) for row in world.r1.rows(LEASES)] == [
        ("bound", True),
        ("bound", False),
    ]
    before = world.r1.journal()
    assert watch() == set()  # it may have had its lease before
    (server,) = world.r1.rows("/ip/dhcp-server")
    world.r1.set_row("/ip/dhcp-server", server[".id"], {"lease-time": "1s"})
    eventually(lambda: watch() == {("ended-service-bound", f"R1 {mac(1)}")}, "it is told")
    (alert,) = world.context.store.alerts.all_open()
    assert "service SVC-1 is suspended and blocked" in alert.text
    assert len(world.r1.journal()) == len(before) + 1  # by hand: the watch only read
    world.r1.device_release(mac(1), server=SERVER)
    assert watch() == set()


def test_a_foreign_blocked_row_is_not_reported(world, watch):
    row = {"mac-address": mac(1), "address": ipv4(1), "server": SERVER, "comment": "by hand"}
    row_id = world.r1.add_row(LEASES, row)
    world.r1.device(mac(1), server=SERVER)
    world.r1.set_row(LEASES, row_id, {"block-access": "yes"})
    assert watch() == set()


@pytest.mark.parametrize(
    "keys", ['suspend_list = "overdue"', 'throttle = "64k/64k"\nsuspend = "throttle"']
)
def test_device_that_is_walled_in_or_slowed_is_meant_to_be_bound(world, edited, watch, keys):
    accept, converge = edited(("[routers.R1]\n", f"[routers.R1]\n{keys}\n"))
    world.context.store.fleet.apply_policy("R1", converge.policies["R1"], "ann")
    accept.run([activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(1))], "events")
    converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    accept.run([event("suspended", "SVC-1", revision=2)], "events")
    converge.run("R1")
    (row,) = world.r1.rows(LEASES)
    assert (row["status"], "block-access" in row) == ("bound", False)
    (server,) = world.r1.rows("/ip/dhcp-server")
    world.r1.set_row("/ip/dhcp-server", server[".id"], {"lease-time": "1s"})
    records = world.context.store.records
    last_event_ms = records.read(["SVC-1"])["SVC-1"].record.last_event_ms
    eventually(lambda: records.now_ms() > last_event_ms + 1_000, "its lease must be over")
    # This router has no firewall rule for the list.
    assert {kind for kind, _ in watch()} <= {"suspension-rule"}


@pytest.mark.parametrize("world", [{"with_mac_server": True}], indirect=True)
def test_a_device_of_a_service_without_entry_is_found_by_its_dynamic_lease(world, watch):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(1)))
    world.converge.run("R1")
    world.say(event("suspended", "SVC-1", revision=2))
    world.converge.run("R1")
    assert world.r1.rows("/ip/mac-server/entry") == []
    world.r1.device(mac(1), server=SERVER)
    assert watch() == {("ended-service-bound", f"R1 {mac(1)}")}
    world.say(event("resumed", "SVC-1", revision=3))
    assert watch() == set()


def test_a_device_that_is_active_at_two_routers_is_reported(world, watch):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    world.r2.device(mac(1), server=SERVER)
    assert watch() == {("mac-on-two-routers", f"R2 {mac(1)}")}


def test_a_further_device_belongs_to_its_service_at_both_routers(world, watch):
    further = {"number": 2, "mac": mac(2), "address": {"mode": "static", "ipv4": ipv4(102)}}
    given = {"mac": mac(1), "ipv4": ipv4(101), "devices": [further]}
    world.say(activated("SVC-1", server=None, **given))
    world.r1.device(mac(2), server=SERVER)
    assert watch() == set(), "a pass is to come"
    world.converge.run("R1")
    world.r1.device(mac(2), server=SERVER)
    world.r2.device(mac(2), server=SERVER)
    assert watch() == {("mac-on-two-routers", f"R2 {mac(2)}")}


def test_many_unknown_devices_are_one_alert(world, watch):
    for number in range(NAMED + 1):
        world.r1.device(mac(50 + number), server=SERVER)
    assert watch() == {("rogue-device", "R1")}


def test_routers_are_spread_over_time_and_a_slow_round_catches_up(store):
    class Silent:
        asked: ClassVar[list[str]] = []

        def open(self, router, _turn=None):
            self.asked.append(router)
            raise RouterUnreachable(router, "no answer")

    clock = iter([0.0, 2.0, 12.0]).__next__
    policies = {f"R{n:02}": RouterPolicy("acme") for n in range(40)}
    watch = Watch(store, Silent(), policies, 20.0, clock)
    asked = []
    for _ in range(3):
        watch.once()
        asked.append(len(Silent.asked))
    assert asked == [4, 8, 28]
    assert len(set(Silent.asked)) == 28


def test_a_router_is_read_once_in_its_time(world, watch):
    watch()
    store = world.context.store
    assert store.notifications.claim_watch(["R1", "R2"], 2, 60_000) == []
    store.client.delete(store.keys.watched("R2"))
    assert store.notifications.claim_watch(["R1", "R2"], 2, 60_000) == ["R2"]
