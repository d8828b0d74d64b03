"""Devices with dynamic leases: who has no service, whose service ended, who is in two places."""

import pytest

from tests.builders import activated, cancelled, ipv4, mac
from worker.core.strays import NAMED
from worker.desk.watch import Watch
from worker.routeros.sessions import Sessions

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"


@pytest.fixture
def watch(world):
    context = world.context
    policies = {name: router.policy for name, router in context.inventory.routers.items()}
    sessions = Sessions(context.inventory, context.settings)
    watch = Watch(context.store, sessions, policies, 1.0)

    def look():
        for name in policies:
            context.store.client.delete(context.store.keys.watched(name))
        watch.once()
        return {(each.kind, each.subject) for each in context.store.alerts.open()}

    yield look
    sessions.close_all()


def test_unknown_device_is_told_until_a_service_has_it(world, watch):
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


def test_device_of_a_cancelled_service_is_told(world, watch):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.say(cancelled("SVC-1"))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    assert watch() == {("ended-service-bound", f"R1 {mac(1)}")}
    world.r1.device_release(mac(1), server=SERVER)
    assert watch() == set()


def test_device_that_is_active_in_two_places_is_told(world, watch):
    world.say(activated("SVC-1", server=None, mac=mac(1), ipv4=ipv4(101)))
    world.converge.run("R1")
    world.r1.device(mac(1), server=SERVER)
    world.r2.device(mac(1), server=SERVER)
    assert watch() == {("mac-on-two-routers", f"R2 {mac(1)}")}


def test_many_unknown_devices_are_one_alert(world, watch):
    for number in range(NAMED + 1):
        world.r1.device(mac(50 + number), server=SERVER)
    assert watch() == {("rogue-device", "R1")}


def test_a_router_is_read_once_in_its_time(world, watch):
    watch()
    store = world.context.store
    assert store.telling.claim_watch(["R1", "R2"], 2, 60_000) == []
    store.client.delete(store.keys.watched("R2"))
    assert store.telling.claim_watch(["R1", "R2"], 2, 60_000) == ["R2"]
