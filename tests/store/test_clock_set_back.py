"""Redis's clock is set back by hours: all goes on as if no time had gone by."""

import pytest

from contracts import names
from tests.builders import activated, mac
from tests.calls import lose_calls
from tests.signs import give_signs, heartbeat
from tests.store.passing_time import let_pass, set_back
from tests.worker.desk import Desk
from worker.core.policy.circuit import RouterState
from worker.runtime.sweep import Sweep
from worker.store.alerts import AlertChange
from worker.store.batches import Busy
from worker.store.schedule import RELEASE_MS
from worker.watching.maintenance import CLOCK_ALERT_MS, Maintenance

pytestmark = pytest.mark.redis

HOURS_MS = 5 * 3_600_000
LEASE_MS = 30_000
NOTIFIED_MS = 10_000


@pytest.fixture
def sent():
    """The queues into which canaries were put."""
    return []


@pytest.fixture
def sweep(store, sent):
    """A round of a worker's sweep."""
    look = Maintenance(store, sent.append, 3_600_000, {}).check
    return Sweep(store, 2000, heartbeat(store), lambda: False, maintain=look).once


def due(store, router="R1"):
    """Services that the next pass takes."""
    taken = store.routers.acquire(router, "anybody", 500)
    store.routers.next_batch(router, "anybody", 0)
    return sorted(work_item.service_id for work_item in taken.work_items)


def notified(store):
    """Routers for which a round or two ring, a second between them."""
    found = []
    for _ in range(2):
        let_pass(store, 1000)
        lose_calls(store)
        found += store.routers.sweep(0).routers
    return found


def test_a_parked_router_is_tried_when_its_wait_is_over(store, sweep):
    sweep()
    store.routers.add_work("R1", ["S"])
    store.routers.acquire("R1", "aa", 500)
    store.routers.open_circuit("R1", "aa", 60_000, RouterState("unreachable"))
    set_back(store, HOURS_MS)
    sweep()
    let_pass(store, 57_000)
    assert notified(store) == []
    let_pass(store, 2_000)
    assert notified(store) == ["R1"]
    assert due(store) == ["S"]


@pytest.mark.parametrize("priority", range(4))
def test_marks_are_due_as_before(store, sweep, priority):
    sweep()
    store.routers.add_work("R1", ["now"], priority)
    store.routers.add_work("R1", ["later"], priority, 60_000)
    set_back(store, HOURS_MS)
    sweep()
    let_pass(store, NOTIFIED_MS)  # the message of before is lost
    assert notified(store) == ["R1"]
    assert due(store) == ["now"]
    let_pass(store, 60_000)
    assert due(store) == ["later", "now"]


def test_what_a_person_holds_is_due_once_it_is_released(store, sweep):
    sweep()
    store.routers.add_work("R1", ["S"])
    store.fleet.pause("R1", "new firmware", "bob")
    set_back(store, HOURS_MS)
    sweep()
    store.fleet.resume("R1", "bob")
    assert notified(store) == ["R1"]
    assert due(store) == ["S"]


def test_the_lease_of_a_worker_that_is_gone_ends(store, sweep):
    sweep()
    store.routers.add_work("R1", ["S"])
    store.routers.acquire("R1", "gone", 500)
    set_back(store, HOURS_MS)
    sweep()
    let_pass(store, 2 * LEASE_MS)
    assert notified(store) == ["R1"]
    assert due(store) == ["S"]


def test_a_worker_that_holds_a_router_goes_on(store, sweep):
    sweep()
    store.routers.add_work("R1", ["S"])
    store.routers.acquire("R1", "alive", 500)
    set_back(store, HOURS_MS)
    sweep()
    assert store.routers.begin_writing("R1", "alive", (), ["S"]) is not None
    assert store.client.pttl(store.keys.router("R1").lock) <= LEASE_MS
    assert store.routers.acquire("R1", "another", 500) == Busy()


def test_a_second_look_is_neither_early_nor_hours_late(store, sweep):
    """Writes of a lost worker may land for twice the lease after another took over."""
    sweep()
    store.routers.add_work("R1", ["S"])
    store.routers.acquire("R1", "gone", 500)
    store.routers.begin_writing("R1", "gone", (), ["S"])
    let_pass(store, LEASE_MS)
    taken = store.routers.acquire("R1", "next", 500)
    assert [work_item.service_id for work_item in taken.work_items] == ["S"]
    set_back(store, HOURS_MS)
    sweep()
    ((_, note),) = store.client.hgetall(store.keys.router("R1").inflight).items()
    left = int(note.split("|")[1]) - store.records.now_ms()
    assert left == pytest.approx(2 * LEASE_MS, abs=2000)


@pytest.mark.parametrize("lane", names.LANES)
def test_journal_entries_are_taken_and_their_order_stays(store, sweep, lane):
    sweep()
    due_key = names.journal_due(store.keys.prefix, lane)
    now = store.records.now_ms()
    for n in range(5):
        store.client.hset(names.journal_body(store.keys.prefix, lane), f"e{n}", "{}")
        store.client.zadd(due_key, {f"e{n}": now + n / 2048})
    store.client.set(
        names.journal_notified(store.keys.prefix, lane), "1", px=2000
    )  # its call is lost
    set_back(store, HOURS_MS)
    sweep()
    let_pass(store, 3000)
    assert store.routers.sweep(2000).lanes == [lane]
    assert [each.key for each in store.journal.take(lane, [], 500).entries] == [
        f"e{n}" for n in range(5)
    ]


def test_what_a_worker_took_from_the_journal_stays_its_own_for_as_long_as_ever(store, sweep):
    sweep()
    desk = Desk(store)
    desk.publish(activated())
    assert len(store.journal.take("events", [], 500).entries) == 1
    set_back(store, HOURS_MS)
    sweep()
    assert store.journal.take("events", [], 500).entries == []
    let_pass(store, 11_000)
    assert len(store.journal.take("events", [], 500).entries) == 1


def test_a_scheduled_event_is_not_early_and_one_that_was_taken_is_taken_again(store, sweep):
    sweep()
    hour = 3_600_000
    now = store.records.now_ms()
    store.client.zadd(store.keys.schedule, {"due": now - 1, "next week": now + 7 * 24 * hour})
    assert store.schedule.take(10) == ["due"]  # and the worker ends
    set_back(store, HOURS_MS)
    sweep()
    again = store.client.zscore(store.keys.schedule, "due") - store.records.now_ms()
    assert again <= RELEASE_MS + 1000
    left = store.client.zscore(store.keys.schedule, "next week") - store.records.now_ms()
    assert left == pytest.approx(7 * 24 * hour + HOURS_MS, abs=2000)


def test_what_is_done_now_and_then_is_done_again(store, sweep, sent):
    keys = store.keys
    sweep()
    store.notifications.claim("gone")
    store.notifications.claim_watch(["R1"], 1, 20_000)
    store.full_reads.ask(["R1"], 3_600_000)
    store.alerts.open("worker-silent", "x", "something")
    assert sent == ["events", "bulk", "routers"]  # and nobody takes them
    set_back(store, HOURS_MS)
    sweep()
    reports_look, reports_due, _ = keys.reports
    for flag in (
        keys.maintenance,
        keys.alert_check,
        keys.notifications,
        reports_look,
        keys.canary_claim,
    ):
        assert store.client.pttl(flag) <= 60_000, flag
    assert store.client.pttl(keys.canary_claim) <= 10_000
    assert store.client.pttl(keys.watched("R1")) <= 21_000
    assert store.client.zscore(reports_due, "R1") - store.records.now_ms() <= 3_600_000
    untold_ms = store.client.zscore(keys.alerts_not_notified, "worker-silent|x")
    assert untold_ms - store.records.now_ms() <= 31_000
    store.client.delete(keys.canary_claim)
    assert store.canaries.to_send() == ["events", "bulk", "routers"]


def test_it_is_told_and_done_once_and_ends_after_an_hour(store, sweep):
    sweep()
    set_back(store, HOURS_MS)
    from_ms = store.routers.sweep(2000).set_back_from_ms
    assert from_ms - store.records.now_ms() == pytest.approx(HOURS_MS, abs=2000)
    assert store.maintenance.set_back(from_ms, store.routers.lock_ms)
    assert not store.maintenance.set_back(from_ms, store.routers.lock_ms), (
        "another worker found it as well"
    )
    set_back(store, HOURS_MS)
    sweep()
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.severity) == ("clock-went-back", "warning")
    assert "by 17999 s" in alert.text or "by 18000 s" in alert.text
    (change,) = store.alerts.changes()
    assert isinstance(change, AlertChange)
    then = alert.to_json().replace(str(alert.since_ms), str(alert.since_ms - CLOCK_ALERT_MS - 1))
    store.client.hset(store.keys.alerts, alert.name, then)
    store.client.delete(store.keys.canary_claim)
    sweep()
    assert store.alerts.all_open() == []


def test_a_second_more_or_less_is_nothing(store, sweep):
    sweep()
    set_back(store, 500)
    sweep()
    assert store.alerts.all_open() == []


def test_forward_by_days_and_back_loses_no_event_and_no_mark(store, sweep):
    sweep()
    desk = Desk(store)
    desk.publish(activated("SVC-1", mac=mac(1)))
    store.journal.take("events", [], 500)  # by a worker that ends
    let_pass(store, 3 * 86_400_000)  # the clock goes ahead
    sweep()
    desk.publish(activated("SVC-2", mac=mac(2), ipv4="198.51.100.2"))
    desk.send()
    assert desk.queued().keys() == {"SVC-1", "SVC-2"}
    store.routers.add_work("R1", ["SVC-3"], 0, 60_000)
    set_back(store, 3 * 86_400_000)
    sweep()
    let_pass(store, NOTIFIED_MS)
    assert notified(store) == ["R1"]
    assert due(store) == ["SVC-1", "SVC-2"]
    let_pass(store, 60_000)
    assert due(store) == ["SVC-1", "SVC-2", "SVC-3"]


def test_a_process_that_died_is_silent_as_long_as_before(store, sweep):
    give_signs(store, "routers@gone:1", "routers@here:2")
    let_pass(store, 300_000)
    give_signs(store, "routers@here:2")
    sweep()
    set_back(store, HOURS_MS)
    sweep()
    ago = {sign.process.name: sign.ago_ms for sign in store.heartbeats.seen()}
    assert 300_000 <= ago["routers@gone:1"] < 310_000
    assert ago["routers@here:2"] < 10_000


def test_a_sign_that_comes_late_is_not_ahead_of_a_clock_that_was_set_back(store, monkeypatch):
    """It was begun before that; its process ends then, and would count for hours."""
    name = "routers@here:1"
    learn = store.heartbeats.learn_time
    monkeypatch.setattr(store.heartbeats, "learn_time", lambda: learn() + HOURS_MS)
    give_signs(store, name)
    assert store.client.zscore(store.keys.processes, name) <= store.records.now_ms()
    let_pass(store, 60_000)
    (sign,) = store.heartbeats.seen()
    assert not sign.alive
