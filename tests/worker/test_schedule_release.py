"""The schedule on a real store: who is due, when, and once."""

from datetime import UTC, datetime

import pytest

from tests.builders import activated, cancelled, event, ipv4, mac
from tests.waiting import eventually
from tests.worker.desk import Desk
from worker.core.service.history import line_from_json
from worker.runtime.tasks import release_due
from worker.store.schedule import RELEASE_MS
from worker.store.store import open_store

pytestmark = pytest.mark.redis

DAY_MS = 86_400_000
SOON_MS = 300


def moment(ms):
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def plan(code, revision, at_ms, service_id="SVC-1"):
    return event(
        "plan_changed",
        service_id,
        revision=revision,
        plan={"code": code},
        effective_at=moment(at_ms),
    )


def due_of(desk, service_id="SVC-1"):
    return desk.store.client.zscore(desk.store.keys.schedule, service_id)


@pytest.fixture
def now_ms(store):
    return store.records.now_ms()


def test_the_index_says_when_the_next_event_takes_effect(desk, now_ms):
    first, second = plan("P", 2, now_ms + DAY_MS), plan("Q", 3, now_ms + 2 * DAY_MS)
    desk.send(activated(), second)
    assert due_of(desk) == now_ms + 2 * DAY_MS
    desk.send(first)
    assert due_of(desk) == now_ms + DAY_MS
    assert desk.state(first) == "scheduled"
    assert desk.outcome(first).effective_at_ms == now_ms + DAY_MS
    desk.send(event("schedule_withdrawn", revision=None, withdraws=[first["id"]]))
    assert due_of(desk) == now_ms + 2 * DAY_MS
    desk.send(cancelled(revision=9))
    assert due_of(desk) is None
    assert desk.state(second) == "superseded"
    assert desk.counters["scheduled"] == 2


def test_nobody_is_named_before_the_time_by_redis_clock(desk, store, now_ms):
    desk.send(activated(), plan("P", 2, now_ms + SOON_MS))
    while not (taken := store.schedule.take(10)):
        assert store.records.now_ms() < now_ms + 10_000
    assert taken == ["SVC-1"]
    assert store.records.now_ms() >= now_ms + SOON_MS


def test_who_was_named_is_named_again_when_nothing_came_of_it(desk, store, now_ms):
    late = plan("P", 2, now_ms + SOON_MS)
    desk.send(activated(), late)
    eventually(lambda: store.schedule.take(10) == ["SVC-1"], "it is due")
    assert store.schedule.take(10) == []  # left to whoever took it, who dies
    store.client.zincrby(store.keys.schedule, -RELEASE_MS, "SVC-1")
    release_due(desk.accept)
    assert desk.record().value("plan") == {"code": "P"}
    assert desk.state(late) == "accepted"
    assert desk.queued() == {"SVC-1": 0}
    assert due_of(desk) is None


def test_two_workers_release_an_event_once(desk, store, now_ms):
    late = plan("P", 2, now_ms + SOON_MS)
    desk.send(activated(), late)
    eventually(lambda: store.records.now_ms() >= now_ms + SOON_MS, "it is due")
    desk.accept.release(["SVC-1"])
    before = store.records.read(["SVC-1"])
    Desk(store).accept.release(["SVC-1"])
    assert store.records.read(["SVC-1"]) == before
    assert desk.counters["released"] == 1


def test_an_entry_of_the_index_that_nothing_stands_behind_goes(desk, store):
    desk.send(activated())
    store.client.zadd(store.keys.schedule, {"SVC-1": 1, "SVC-unknown": 1})
    release_due(desk.accept)
    assert store.schedule.size() == 0
    assert not store.client.exists(store.keys.record("SVC-unknown"))


def test_one_that_cannot_be_released_holds_up_no_other(desk, store, now_ms):
    events = [activated(f"SVC-{n}", mac=mac(n), ipv4=ipv4(n)) for n in range(1, 6)]
    later = [plan("P", 2, now_ms + SOON_MS, f"SVC-{n}") for n in range(1, 6)]
    desk.send(*events, *later)
    store.client.set(store.keys.record("SVC-3"), '7|{"format":99}')
    eventually(lambda: store.records.now_ms() >= now_ms + SOON_MS, "they are due")
    release_due(desk.accept)
    plans = [desk.record(f"SVC-{n}").value("plan") for n in (1, 2, 4, 5)]
    assert plans == [{"code": "P"}] * 4
    assert due_of(desk, "SVC-3") > now_ms + SOON_MS  # and is tried again


def test_the_record_and_not_the_index_says_when(desk, store, now_ms):
    desk.send(activated(), plan("P", 2, now_ms + DAY_MS))
    store.client.zadd(store.keys.schedule, {"SVC-1": 1})
    release_due(desk.accept)
    assert desk.record().value("plan") is None
    assert due_of(desk) == now_ms + DAY_MS


def test_the_schedule_survives_a_crash_of_redis(own_valkey):
    with own_valkey.client() as client:
        store = open_store(client, "lw:")
        desk = Desk(store)
        now_ms = store.records.now_ms()
        late = plan("P", 2, now_ms + 2_500)
        desk.send(activated(), late)
        eventually(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, "on disk")
        own_valkey.kill()
        own_valkey.start()
        assert desk.record().schedule.next_ms >= now_ms + 2_500
        released_at = []

        def released():
            release_due(desk.accept)
            if desk.record().schedule.pending:
                return False
            released_at.append(store.records.now_ms())
            return True

        eventually(released, "it takes effect")
        assert released_at[0] >= now_ms + 2_500
        assert line_from_json(client.lindex(store.keys.history("SVC-1"), 0))["what"] == "released"
