"""Services whose device was not seen yet: each with the key of its event, whose outcome is kept."""

import pytest

from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import Outcome
from worker.core.service.record import ServiceRecord
from worker.store.commits import EventCommit, ServiceCommit

pytestmark = pytest.mark.redis

BSS = "urn:isp:bss"


def applied(number):
    event = EventRef(f"{number:024x}", f"e-{number}", BSS, "t")
    return Outcome(event, f"SVC-{number}", "applied", router="R1", at_ms=5)


@pytest.fixture
def awaiting_device(store, client):
    """Notes events as a pass does that applied them."""

    def awaiting_device(*outcomes):
        for each in outcomes:
            member = f"{each.service_id}@R1"
            client.zadd(store.keys.awaiting_device, {member: 1})
            client.hset(store.keys.awaiting_events, member, each.key)
            service = each.service_id
            said = [EventCommit(each.key, "events", "n", each)]
            commit = ServiceCommit(service, record=ServiceRecord(service), events=said)
            store.records.commit([commit], store.records.now_ms())

    return awaiting_device


def notified(store):
    items = [item.outcome for item in store.feed.read([BSS], None, 9).items]
    return [(each.event.id, each.detail) for each in items if each.state == "acting"]


def test_what_is_seen_is_told_with_what_is_known_of_its_event(store, client, awaiting_device):
    awaiting_device(applied(1), applied(2))
    taken = store.awaiting_device.take(9)
    assert [each.outcome for each in taken.services] == [applied(1), applied(2)]
    store.awaiting_device.set_online([(taken.services[0], "it has 198.51.100.1")], taken.now_ms)
    assert notified(store) == [("e-1", "it has 198.51.100.1")]
    assert client.hkeys(store.keys.awaiting_events) == ["SVC-2@R1"]
    assert store.awaiting_device.take(9).services == [], "nobody else looks for a while"


def test_what_was_applied_meanwhile_is_not_what_was_seen(store, client, awaiting_device):
    awaiting_device(applied(1))
    (before,) = store.awaiting_device.take(9).services
    client.hset(store.keys.awaiting_events, before.member, applied(3).key)
    store.awaiting_device.set_online([(before, "seen")], 1)
    assert notified(store) == []
    assert client.zcard(store.keys.awaiting_device) == 1


def test_an_event_whose_outcome_is_gone_is_no_news(store, client, awaiting_device):
    awaiting_device(applied(1))
    client.delete(store.keys.record(applied(1).service_id))
    assert store.awaiting_device.take(9).services == []
    assert not client.exists(store.keys.awaiting_device, store.keys.awaiting_events)
