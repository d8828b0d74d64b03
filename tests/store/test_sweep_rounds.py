"""The sweep finds what was left behind, one worker at a time, and does not feed on itself."""

from datetime import UTC, datetime

import pytest

from contracts import names
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from tests.builders import mac, mac_changed, snapshot
from tests.calls import calls, lose_calls
from tests.store.passing_time import let_pass
from tests.worker.desk import Desk
from worker.core.policy.circuit import RouterState

pytestmark = pytest.mark.redis

EVENTS, BULK = names.LANES
GRACE_MS = 2000


@pytest.fixture
def sweep(store):
    """One round, a second after the one before; the messages of that were taken, or lost."""

    def sweep():
        let_pass(store, 1000)
        lose_calls(store)
        return store.routers.sweep(GRACE_MS)

    return sweep


def put(store, key, lane=EVENTS):
    client, prefix = store.client, store.keys.prefix
    client.hset(names.journal_body(prefix, lane), key, "{}")
    client.zadd(names.journal_due(prefix, lane), {key: store.records.now_ms()})


def test_one_worker_sweeps_at_a_time(store):
    store.routers.add_work("R1", ["S"], 0, 1)
    let_pass(store, 1000)
    assert store.routers.sweep(GRACE_MS).routers == ["R1"]
    let_pass(store, 100_000)
    lose_calls(store)
    swept_ms = int(store.client.get(store.keys.sweep))
    now_ms = store.records.now_ms()
    store.client.set(store.keys.sweep, now_ms)  # another worker swept
    assert store.routers.sweep(GRACE_MS) == ([], [], 0)
    assert swept_ms < now_ms
    let_pass(store, 1000)
    assert store.routers.sweep(GRACE_MS).routers == ["R1"]
    assert calls(store.client, store.keys.queue(names.QUEUE_ROUTERS)) == [["R1"]]


@pytest.mark.parametrize("lane", names.LANES)
def test_an_entry_that_waited_too_long_is_rung_for(store, sweep, lane):
    put(store, "a", lane)
    assert sweep().lanes == []  # not yet
    assert sweep().lanes == [lane]
    assert calls(store.client, store.keys.queue(lane)) == [[[], lane]]
    assert sweep().lanes == []  # that message is under way
    assert sweep().lanes == [lane]  # or lost


def test_an_entry_that_a_worker_has_is_not_rung_for_until_it_must_be_dead(store, sweep):
    put(store, "a")
    store.journal.take(EVENTS, [], 500)
    for _ in range(11):
        assert sweep().lanes == []
    assert sweep().lanes == [EVENTS]


def test_a_router_with_due_marks_and_no_holder_is_rung_for(store, sweep):
    store.routers.add_work("R1", ["S"], 0, 1)
    store.routers.add_work("R2", ["S"], 0, 60_000)
    assert sweep().routers == ["R1"]
    for _ in range(9):
        assert sweep().routers == []  # that message is under way
    assert sweep().routers == ["R1"]  # or lost


def test_a_router_that_is_held_or_parked_is_left_alone(store, sweep):
    for router in ("R1", "R2"):
        store.routers.add_work(router, ["S"])
        store.routers.acquire(router, "aa", 500)
        store.routers.add_work(router, ["T"])
    store.routers.open_circuit("R2", "aa", 600_000, RouterState("blocked"))
    for _ in range(20):
        assert sweep().routers == []


def test_a_round_is_bounded_and_the_next_takes_the_rest(store, sweep):
    routers = [f"R{n}" for n in range(450)]
    for router in routers:
        store.routers.add_work(router, ["S"], 0, 1)
    rounds = [sweep().routers for _ in range(4)]
    assert [len(each) for each in rounds] == [200, 200, 50, 0]
    assert sorted(name for found in rounds for name in found) == sorted(routers)


def test_messages_that_nobody_takes_do_not_pile_up(store):
    """The workers of a queue are away for a night, the sweep of the others runs on."""
    keys, client = store.keys, store.client
    put(store, "a")
    put(store, "b", BULK)
    for router in ("R1", "R2", "R3"):
        store.routers.add_work(router, ["S"], 0, 1)

    def night():
        for _ in range(60):
            let_pass(store, 1000)
            store.routers.sweep(GRACE_MS)

    for _ in range(2):
        night()
        assert client.llen(keys.queue(EVENTS)) == 1
        assert client.llen(keys.queue(BULK)) == 1
        assert 3 <= client.llen(keys.queue(names.QUEUE_ROUTERS)) <= 6
        lose_calls(store)  # they are back, and the messages lost again


def test_a_night_without_routers_workers_leaves_as_many_messages_as_routers(store):
    """Each event comes when the message for the one before counts as lost."""
    desk = Desk(store)
    for n in range(1, 41):
        let_pass(store, 60_000, ["R1", "R2"])
        router = f"R{n % 2 + 1}"
        desk.send(snapshot(f"SVC-{router}", revision=n, router=router, mac=mac(n)))
    assert len(desk.routers) <= 3
    assert {"R1", "R2"} <= set(desk.routers)


@pytest.mark.parametrize("lane", names.LANES)
def test_a_night_without_events_workers_leaves_two_messages_of_a_lane(store, lane):
    transport = JournalTransport(store.client, prefix=store.keys.prefix)
    publisher = Publisher(transport, clock=lambda: datetime.now(UTC))
    for n in range(1, 21):
        let_pass(store, 60_000)
        publisher.publish([mac_changed(revision=n)], lane=lane)
    assert store.journal.depth(lane) == 20
    assert calls(store.client, store.keys.queue(lane)) == 2 * [[[], lane]]
