"""*In use*: told once, when the device was seen with the address that was applied."""

import pytest

from tests import builders
from tests.installation import PREFIX, SERVER, Installation
from tests.waiting import eventually
from worker.inventory import load_inventory
from worker.routeros.parallel_read import RowObserver
from worker.settings import Settings
from worker.watching.device_online import DeviceOnlineCheck

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

MAC, OTHER = "00:00:5E:00:53:01", "00:00:5E:00:53:02"


def test_a_device_online_is_reported_once(short_directory):
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        environ = here.environ
        inventory = load_inventory(short_directory / "routers.toml", environ=environ)
        check = DeviceOnlineCheck(here.store, RowObserver(inventory, Settings.load(environ)).look)
        awaiting_device = here.store.keys.awaiting_device

        def look_now():
            for member in here.client.zrange(awaiting_device, 0, -1):
                here.client.zadd(awaiting_device, {member: 1})
            return check.once()

        def notified():
            items = here.store.feed.read([builders.SOURCE], None, 100).items
            return [each.outcome for each in items if each.outcome.state == "acting"]

        first = builders.activated("SVC-1", server=SERVER, mac=MAC, ipv4="223.203.225.9")
        second = builders.activated("SVC-2", server=SERVER, mac=OTHER, ipv4="223.203.225.8")
        here.publisher.publish([first, second])
        eventually(lambda: here.client.zcard(awaiting_device) == 2, "both are applied", within_s=20)
        assert look_now() == 2
        assert notified() == []
        here.control["R1"].device(MAC, server=SERVER)
        assert look_now() == 2
        (outcome,) = notified()
        assert (outcome.event.id, outcome.router) == (first["id"], "R1")
        assert outcome.detail == "the device has 223.203.225.9"
        assert here.outcome(first).state == "applied"
        assert look_now() == 1
        here.publisher.publish([builders.cancelled("SVC-2", revision=9)])
        eventually(
            lambda: not here.client.zcard(awaiting_device),
            "the cancelled one is forgotten",
            within_s=20,
        )
        assert not here.client.exists(here.store.keys.awaiting_events)
        assert len(notified()) == 1
        assert here.client.get(f"{PREFIX}feed:last")
