"""Lifetimes: outcomes, histories, tombstones, samples. Of each key: `test_key_bounds.py`."""

import json
import re

import pytest

from contracts import names
from tests.builders import SOURCE, activated, cancelled, mac, mac_changed, snapshot
from tests.signs import give_signs
from tests.store.passing_time import let_pass
from tests.worker.desk import key_of
from worker.core.alerting.health_figures import Sample
from worker.core.service.conflicts import Conflict
from worker.store import conflicts
from worker.store.heartbeat import SEEN_MS
from worker.store.maintenance import DAY_MS, TOMBSTONE_MS
from worker.store.samples import SAMPLE_MS, SAMPLES

pytestmark = pytest.mark.redis


def outcomes(store):
    return {each.key for each in store.views.service("SVC-1", []).events}


def keys_of(*events):
    return {key_of(event) for event in events}


def changes(count, start=2):
    return [mac_changed(mac=mac(n), revision=n) for n in range(start, start + count)]


def test_a_service_keeps_the_outcomes_of_its_last_twenty_events(desk, store):
    events = [activated(), *changes(29)]
    for event in events:
        desk.send(event)
        desk.converge()
    assert outcomes(store) == keys_of(*events[-20:])
    assert len(store.views.service("SVC-1", []).history) == 50


def test_twenty_in_one_commit_are_kept_as_well(desk, store):
    events = [activated(), *changes(29)]
    desk.send(*events)
    # The first one is still outstanding: it set what no later one sets.
    assert outcomes(store) == keys_of(events[0], *events[-20:])
    desk.converge()
    assert desk.state(events[0]) == "applied"


def test_an_event_without_its_last_word_keeps_its_outcome_however_many_follow(desk, store):
    first, *more = activated(), *changes(25)
    desk.send(first)
    desk.send(*more)
    assert outcomes(store) == keys_of(first, *more[-20:])
    desk.converge()
    assert desk.state(first) == "applied"
    desk.send(*changes(21, start=40))
    assert key_of(more[-1]) not in outcomes(store), "superseded and no longer among the twenty"
    assert desk.state(more[-1]) == "applied", "for an hour, as nobody may have read it yet"


def forget_ids(store):
    """As 40 days do: the ids are gone, and all that records say is so much older."""
    for key in store.client.scan_iter(store.keys.seen("*")):
        store.client.delete(key)
    for key in store.client.scan_iter(store.keys.record("*")):
        older = re.sub(
            r"\b1\d{12}\b", lambda ms: f"{int(ms[0]) - 40 * DAY_MS}", store.client.get(key)
        )
        store.client.set(key, older)


def test_an_event_is_found_for_as_long_as_it_waits_for_its_time(desk, store):
    later = mac_changed(revision=2, effective_at="2027-11-20T00:00:00Z")
    desk.send(activated(), later)
    forget_ids(store)
    assert desk.state(later) == "scheduled"
    desk.send(cancelled(revision=3))
    assert desk.state(later) == "superseded"
    assert not store.client.exists(store.keys.scheduled)


def test_the_last_word_on_an_event_is_found_however_late_it_was_said(desk, store):
    event = activated()
    desk.send(event)
    forget_ids(store)
    desk.converge()
    assert desk.state(event) == "applied"


def test_a_hundred_snapshots_that_change_nothing_leave_a_counter(desk, store):
    desk.send(activated())
    desk.converge()
    history = store.views.service("SVC-1", []).history
    for revision in range(2, 102):
        desk.send(snapshot(revision=revision))
    assert desk.counters["unchanged"] == 100
    assert desk.queued() == {}
    assert store.views.service("SVC-1", []).history == history
    assert len(outcomes(store)) == 1


def test_so_do_those_that_come_late(desk, store):
    desk.send(activated())
    desk.converge()
    history = store.views.service("SVC-1", []).history
    desk.send(*(snapshot(revision=revision) for revision in range(101, 1, -1)))
    assert desk.counters["unchanged"] == 100
    assert store.views.service("SVC-1", []).history == history
    late = snapshot(revision=50, id_="late", mac=mac(7))
    desk.send(late)
    assert desk.state(late) == "superseded"


@pytest.fixture
def entombed(desk, store):
    """A service that was cancelled and removed `days` ago."""

    def make(days, service="SVC-1", converge=True):
        desk.send(activated(service))
        if converge:
            desk.converge()
        desk.send(cancelled(service))
        if converge:
            desk.converge()
        then = store.records.now_ms() - days * DAY_MS
        assert store.client.zadd(store.keys.tombstones, {service: then}, xx=True, ch=True) == 1
        return service

    return make


def left_of(store, service):
    keys = store.keys
    return store.client.exists(keys.record(service), keys.history(service))


def test_a_cancelled_service_is_forgotten_after_400_days(desk, store, entombed):
    entombed(399)
    assert store.maintenance.forget_cancelled(store.records.now_ms()) == 0
    assert desk.record().status == "cancelled"
    then = store.records.now_ms() - TOMBSTONE_MS - 1
    store.client.zadd(store.keys.tombstones, {"SVC-1": then})
    assert store.maintenance.forget_cancelled(store.records.now_ms()) == 1
    assert left_of(store, "SVC-1") == 0
    assert store.client.zcard(store.keys.tombstones) == 0


def test_a_service_activated_again_is_no_tombstone(desk, store, entombed):
    entombed(401)
    desk.send(activated(revision=9))
    assert store.maintenance.forget_cancelled(store.records.now_ms()) == 0
    assert desk.record().status == "active"


def test_what_may_still_stand_on_a_router_is_not_forgotten(desk, store, entombed):
    entombed(401, converge=False)
    now = store.records.now_ms()
    assert store.maintenance.forget_cancelled(now) == 0
    assert left_of(store, "SVC-1") == 2
    assert store.maintenance.forget_cancelled(now) == 0, "looked at again only a day later"
    desk.converge()
    assert store.maintenance.forget_cancelled(now + DAY_MS) == 1


def test_what_is_to_come_back_later_is_not_forgotten(desk, store, entombed):
    entombed(401)
    desk.send(activated(revision=9, effective_at="2027-11-20T00:00:00Z"))
    store.client.zadd(store.keys.tombstones, {"SVC-1": 1})
    assert store.maintenance.forget_cancelled(store.records.now_ms()) == 0
    assert desk.record().schedule.pending


def test_what_is_said_of_it_meanwhile_keeps_a_tombstone(desk, store, entombed):
    entombed(401)
    read = store.maintenance._texts  # noqa: SLF001 - the only way in between

    def with_a_late_event(key, service_ids):
        found = read(key, service_ids)
        desk.send(cancelled(revision=7))
        return found

    store.maintenance._texts = with_a_late_event  # noqa: SLF001 - as above
    assert store.maintenance.forget_cancelled(store.records.now_ms()) == 0
    assert desk.record().status == "cancelled"


def test_memory_is_sampled_every_five_minutes_and_for_six_hours(store):
    now = store.records.now_ms()
    store.samples.note_memory(now)
    store.samples.note_memory(now + SAMPLE_MS - 1)
    assert [each.at_ms for each in store.samples.memory()] == [now]
    for number in range(1, SAMPLES + 10):
        store.samples.note_memory(now + number * SAMPLE_MS)
    found = store.samples.memory()
    assert len(found) == SAMPLES
    assert found[0] == Sample(now + (SAMPLES + 9) * SAMPLE_MS, found[0].used)
    assert found[0].used > 100_000


def test_a_worker_is_gone_after_15_s_and_forgotten_after_a_day(store):
    give_signs(store, "events@old:1")
    let_pass(store, 14_000)
    assert store.heartbeats.workers() == ["events@old:1"]
    let_pass(store, 1_000)
    give_signs(store, "events@new:2")
    assert store.heartbeats.workers() == ["events@new:2"]
    seen = {sign.process.name: sign.ago_ms for sign in store.heartbeats.seen()}
    assert seen.keys() == {"events@new:2", "events@old:1"}
    assert 15_000 <= seen["events@old:1"] < 25_000
    let_pass(store, SEEN_MS)
    give_signs(store, "events@new:3")
    assert [sign.process.name for sign in store.heartbeats.seen()] == ["events@new:3"]
    assert store.client.hkeys(store.keys.process_info) == ["events@new:3"]


def test_upkeep_runs_once_a_minute_whoever_asks(store):
    assert store.maintenance.run()
    assert not store.maintenance.run()
    assert 50_000 < store.client.pttl(store.keys.maintenance) <= 60_000


def test_a_journal_entry_lives_until_its_commit(desk, store, prefix):
    event = activated()
    desk.publish(event)
    body = names.journal_body(prefix, names.QUEUE_EVENTS)
    assert json.loads(store.client.hget(body, key_of(event)))["id"] == event["id"]
    desk.send()
    assert store.client.exists(body) == 0


def test_a_beginning_of_which_nothing_is_left_goes_after_a_day(desk, store):
    store.client.hset(store.keys.attempts, mapping={"lost": 1, key_of(activated()): 1})
    desk.publish(activated())
    now_ms = store.records.now_ms()
    store.maintenance.forget_attempts(now_ms)
    store.maintenance.forget_attempts(now_ms + DAY_MS - 1)
    assert store.client.hlen(store.keys.attempts) == 2
    store.maintenance.forget_attempts(now_ms + DAY_MS)
    assert store.client.hkeys(store.keys.attempts) == [key_of(activated())]
    store.maintenance.forget_attempts(now_ms + DAY_MS)
    assert not store.client.exists(store.keys.attempts_left)


def test_of_a_source_that_never_counts_up_so_many_conflicts_are_kept(store, monkeypatch):
    monkeypatch.setattr(conflicts, "MOST", 3)
    for number in range(3):
        two = [Conflict(f"SVC-{number}-{n}", ("mac",), (0, 1, 0)) for n in range(2)]
        store.conflicts.note(SOURCE, two, 1)
    assert store.client.hlen(store.keys.conflicts(SOURCE)) == 3
