"""The rows behind the console's pictures: a minute of the installation, five of a router."""

import pytest

from contracts import names
from worker.ports import AnswerTimes
from worker.store.samples import MINUTES, SLOT_MS, SLOTS, Latency, Minute

pytestmark = pytest.mark.redis


def test_a_minute_has_what_waits_and_what_happened(store):
    store.routers.add_work("R1", ["SVC-1", "SVC-2"])
    store.routers.add_work("R2", ["SVC-3"])
    for lane in names.LANES:
        store.client.hset(names.journal_body(store.keys.prefix, lane), f"{lane} event", "{}")
    store.client.hset(store.keys.counters, mapping={"accepted": 9, "applied": 5, "failed": 1})
    store.samples.note_minute(60_000)
    assert store.samples.minutes() == [Minute(60_000, 3, 2, 9, 5)]


def test_an_empty_installation_has_minutes_too(store):
    store.samples.note_minute(60_000)
    store.samples.note_minute(120_000)
    assert store.samples.minutes() == [Minute(60_000, 0, 0, 0, 0), Minute(120_000, 0, 0, 0, 0)]


def test_the_oldest_minutes_go(store):
    store.samples.note_minute(0)
    store.client.rpush(store.keys.minutes, *store.client.lrange(store.keys.minutes, 0, 0) * 719)
    store.samples.note_minute(1)
    store.samples.note_minute(2)
    assert store.client.llen(store.keys.minutes) == MINUTES
    assert [minute.at_ms for minute in store.samples.minutes(3)] == [0, 1, 2]


def test_maintenance_notes_one_a_minute(store):
    store.maintenance.run()
    store.maintenance.run()
    assert len(store.samples.minutes()) == 1


def test_answers_of_five_minutes_are_taken_together(store):
    store.samples.note_answers({"R1": AnswerTimes(2, 110, 90), "R 2": AnswerTimes(1, 7, 7)})
    store.samples.note_answers({"R1": AnswerTimes(1, 10, 10)})
    found = store.samples.latency("R1")
    assert sum(latency.number for latency in found) == 3
    assert max(latency.most_ms for latency in found) == 90
    now_ms = store.records.now_ms()
    assert all(now_ms - 2 * SLOT_MS < latency.at_ms <= now_ms for latency in found)
    if len(found) == 1:  # unless five minutes ended just now
        assert found == [Latency(found[0].at_ms, 3, 40.0, 90)]
    assert store.samples.latency("R 2")[0].mean_ms == 7
    assert store.samples.latency("R3") == []


def test_answers_of_twelve_hours_ago_go(store):
    key = store.keys.router("R1").answers
    slot = store.records.now_ms() // SLOT_MS
    store.client.hset(key, mapping={str(slot - n): "1 5 5" for n in range(1, SLOTS + 9)})
    assert len(store.samples.latency("R1")) == SLOTS - 1
    store.samples.note_answers({"R1": AnswerTimes(1, 5, 5)})
    assert store.client.hlen(key) == SLOTS
    assert len(store.samples.latency("R1")) == SLOTS


def test_a_router_that_answers_no_more_is_forgotten(store):
    store.samples.note_answers({"R1": AnswerTimes(1, 5, 5)})
    assert store.client.pttl(store.keys.router("R1").answers) > SLOTS * SLOT_MS - 60_000
    assert store.client.pttl(store.keys.router("R1").answers) <= SLOTS * SLOT_MS
