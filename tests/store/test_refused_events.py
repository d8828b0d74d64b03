"""What one source sends and nobody takes stays small, and pushes nothing of others out."""

from contextlib import closing

import pytest
import redis

from contracts import names
from contracts.identity import event_key
from tests.builders import SOURCE, activated, mac, mac_changed
from tests.worker.desk import OTHER, Desk, key_of
from worker.core.service.outcome import DeadLetter
from worker.runtime import transport
from worker.runtime.transport import _GuardedRedis
from worker.store.commits import ServiceCommit
from worker.store.keys import DEAD_LETTERS_MOST

pytestmark = pytest.mark.redis

SOME = 60


@pytest.fixture
def desk(store):
    desk = Desk(store)
    desk.send(activated(revision=1))
    return desk


def unknown_source(number, **given):
    """An event of another source for the service."""
    return mac_changed(mac=mac(7), revision=number + 2, source=OTHER, id_=f"x-{number:05}", **given)


def send_many(desk, events):
    for at in range(0, len(events), names.MAX_EVENTS_PER_MESSAGE):
        desk.send(*events[at : at + names.MAX_EVENTS_PER_MESSAGE])


def add_dead_letter(store, *dead_letters):
    store.records.commit([ServiceCommit("", dead_letters=[each]) for each in dead_letters], 0)


def dead_letter(id_, reason="not-owner", **given):
    return DeadLetter(id_, "event", reason, "message", source=SOURCE, **given)


def test_of_a_source_and_reason_the_newest_letters_are_kept_and_the_rest_is_counted(desk, store):
    events = [unknown_source(n) for n in range(DEAD_LETTERS_MOST + SOME)]
    send_many(desk, events)
    desk.send({"id": "broken", "source": "urn:nobody"})
    found = {each.id for each in store.dead_letters.all()}
    assert found == {*map(key_of, events[SOME:]), event_key("urn:nobody", "broken")}
    assert store.dead_letters.gone() == {f"{OTHER}|not-owner": SOME}
    assert sum(store.client.hlen(key) for key in store.client.scan_iter("*dead")) == len(found)
    assert desk.state(events[-1]) == "rejected: not-owner"
    kept = store.client.hlen(store.keys.refused(OTHER))
    assert DEAD_LETTERS_MOST <= kept <= DEAD_LETTERS_MOST + 50
    assert kept == sum(desk.outcome(each) is not None for each in events)


def test_refused_events_are_none_of_the_service_and_live_a_day(desk, store):
    mine = mac_changed(revision=2)
    desk.send(mine)
    for number in range(25):
        desk.send(unknown_source(number))
    assert desk.state(mine) == "accepted"
    recent = [each.key for each in store.views.service("SVC-1", []).events]
    assert key_of(unknown_source(24)) not in recent
    refused = {"id": "broken", "source": "urn:nobody"}
    desk.send(refused)
    for each in (unknown_source(24), refused):
        assert desk.state(each).startswith("rejected")
    assert store.client.hlen(store.keys.refused(OTHER)) == 25
    for source in (OTHER, ""):
        assert 86_000 < store.client.ttl(store.keys.refused(source)) <= 86_400


def test_an_event_that_was_taken_after_all_says_so(desk):
    again = activated("SVC-2", source=OTHER, revision=None)
    desk.send(again)
    assert desk.state(again) == "rejected: revision-required"
    mended = again | {"data": {**again["data"], "revision": 1}}
    desk.send(mended)
    assert desk.state(again) == "accepted"
    send_many(desk, [unknown_source(n) for n in range(1200)])
    assert desk.state(again) == "accepted"


def test_large_letters_are_fewer(store):
    add_dead_letter(store, *(dead_letter(f"l-{n:03}", body="x" * 64_000) for n in range(100)))
    kept = [each.id for each in store.dead_letters.all()]
    assert 20 < len(kept) < 40
    assert kept[-1] == "l-099"
    assert store.dead_letters.gone() == {f"{SOURCE}|not-owner": 100 - len(kept)}


def test_a_letter_that_was_buried_for_another_reason_stays(store):
    add_dead_letter(store, dead_letter("same"), dead_letter("same", "revision-required"))
    add_dead_letter(store, *(dead_letter(f"l-{n:04}") for n in range(DEAD_LETTERS_MOST)))
    assert store.views.dead_letter("same").reason == "revision-required"
    assert store.dead_letters.gone() == {}


def test_services_are_kept_however_many(store):
    many = [
        DeadLetter(f"SVC-{n}@R1", "service", "operation-refused", "message") for n in range(1_100)
    ]
    add_dead_letter(store, *many)
    assert len(list(store.dead_letters.all())) == len(many)


def test_what_went_is_told_until_all_of_it_was_dealt_with(
    desk, store, leasewire, monkeypatch, valkey
):
    send_many(desk, [unknown_source(n) for n in range(DEAD_LETTERS_MOST + 3)])
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", store.keys.prefix)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    shown = leasewire("dead-letters", "list")
    assert f"3 more (not-owner) of {OTHER} were dropped" in shown.out
    document = leasewire("dead-letters", "list", "--json").document
    assert document["gone"] == [{"source": OTHER, "reason": "not-owner", "count": 3}]
    assert document["dead_letters"][0]["source"] == OTHER
    *others, last = store.dead_letters.all()
    for each in others:
        assert store.dead_letters.settle(each, "discarded", "ada", 1)
    assert store.dead_letters.gone()
    assert store.dead_letters.settle(last, "discarded", "ada", 1)
    assert store.dead_letters.gone() == {}
    assert not list(store.client.scan_iter(store.keys.dead_letters_of("*")))


def test_broken_messages_are_kept_the_newest_too(store, client, valkey, monkeypatch):
    monkeypatch.setattr(transport, "DEAD_LETTERS_MOST", 2)
    with closing(redis.ConnectionPool.from_url(valkey.url)) as pool:
        guarded = _GuardedRedis(global_keyprefix=store.keys.prefix, connection_pool=pool)
        for number in range(4):
            client.lpush(store.keys.queue("events"), f"broken {number}")
            assert guarded.brpop("events", 1) is None
    assert sorted(each.body for each in store.dead_letters.all()) == ["broken 2", "broken 3"]
    assert store.dead_letters.gone() == {"|broken-message": 2}
