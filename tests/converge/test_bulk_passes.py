"""Bulk marks are left to passes of their own, which take turns; live ones do not wait for them."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts import names
from producers.connection import open_publisher
from tests import builders
from tests.leasewire.conftest import LEASES
from tests.waiting import eventually
from worker.compute_gate import ComputeGate
from worker.convergence.concurrency import (
    IDLE_BESIDE_LIVE_S,
    IDLE_S,
    LIVE_FOR_S,
    MOST_BESIDE_LIVE,
    Bulk,
)
from worker.store.batches import MOST_BULK, Conclusion, batch_of

LONG_S = 20


@pytest.fixture
def say(world, valkey, prefix):
    with open_publisher(valkey.url, clock=lambda: datetime.now(UTC), prefix=prefix) as publisher:

        def publish(numbers, lane):
            events = [
                builders.activated(
                    f"SVC-{n}",
                    router="R1",
                    server=None,
                    mac=f"00:00:5E:00:54:{n:02X}",
                    ipv4=f"223.203.225.{n + 1}",
                )
                for n in numbers
            ]
            publisher.publish(events, lane=lane)
            world.accept.run([], lane)

        yield publish


def services(world):
    return {row["comment"].rpartition(":")[2] for row in world.r1.rows(LEASES)}


@pytest.mark.redis
@pytest.mark.router
def test_a_live_event_does_not_wait_for_the_bulk_of_its_router(world, say):
    later = []
    converge = replace(world.converge, bulk=Bulk(later.append))
    say([1], names.QUEUE_BULK)
    converge.run("R1")
    converge.run("R1")
    assert services(world) == set()
    assert len(later) == 1, "a router waits for one bulk pass at a time"
    say([2], names.QUEUE_EVENTS)
    converge.run("R1")
    assert services(world) == {"SVC-2"}
    later.pop()()
    assert services(world) == {"SVC-1", "SVC-2"}
    converge.run("R1")
    assert later == [], "nothing is left"


@pytest.mark.redis
@pytest.mark.router
def test_a_bulk_pass_works_through_all_batches(world, say):
    many = range(1, 2 * MOST_BULK + 10)
    say(many, names.QUEUE_BULK)
    world.converge.run("R1")
    assert services(world) == {f"SVC-{n}" for n in many}


@pytest.mark.redis
def test_a_batch_has_all_live_marks_or_a_few_bulk_ones(store):
    routers, live = store.routers, [f"LIVE-{n:03}" for n in range(70)]
    routers.add_work("R1", [f"BULK-{n:03}" for n in range(70)], 2)
    routers.add_work("R1", live)
    acquired = routers.acquire("R1", "aa", 500)
    assert [work_item.service_id for work_item in acquired.work_items] == live
    assert routers.conclude(
        "R1", "aa", [Conclusion(each, "confirmed") for each in acquired.work_items]
    )
    taken = [work_item.service_id for work_item in routers.next_batch("R1", "aa", 500).work_items]
    assert taken == [f"BULK-{n:03}" for n in range(MOST_BULK)]
    routers.add_work("R1", ["LATE"])
    assert [each.service_id for each in routers.next_batch("R1", "aa", 500).work_items] == ["LATE"]


@pytest.mark.parametrize(
    ("most", "most_bulk", "full"),
    [(2, MOST_BULK, True), (500, 2, True), (500, 3, False), (500, 0, False)],
)
def test_a_batch_is_full_that_might_have_had_more(most, most_bulk, full):
    raw = [(service, "v", 2, None, None, "[]", None, 0, 0) for service in ("A", "B")]
    assert batch_of(raw, most, most_bulk)[1] is full


def test_a_worker_that_ends_begins_no_more_of_them():
    later, passes = [], []
    bulk = Bulk(later.append)
    bulk.add("R1", lambda router, _: passes.append(router))
    bulk.end()
    later.pop()()
    assert passes == []


def test_a_batch_has_fewer_bulk_marks_while_live_events_come():
    now = [100.0]
    bulk = Bulk(clock=lambda: now[0])
    assert bulk.most() == MOST_BULK
    bulk.live_came()
    assert bulk.most() == MOST_BESIDE_LIVE < MOST_BULK
    now[0] += LIVE_FOR_S
    assert bulk.most() == MOST_BULK


@pytest.mark.redis
@pytest.mark.router
def test_a_bulk_pass_beside_live_events_takes_few_at_once(world, say):
    sizes = []

    class Noting:
        def __getattr__(self, name):
            return getattr(world.context.store.routers, name)

        def conclude(self, router, lock_id, ends):
            sizes.append(len(ends))
            return world.context.store.routers.conclude(router, lock_id, ends)

    store = replace(world.context.store, routers=Noting())
    converge = replace(world.converge, store=store, bulk=Bulk())
    say(range(1, 2 * MOST_BULK), names.QUEUE_BULK)
    converge.bulk.live_came()
    converge.run("R1")
    assert sizes == [MOST_BESIDE_LIVE], "and ends with the batch: the router is free for live ones"
    passes = 1
    while sum(sizes) < 2 * MOST_BULK - 1:
        converge.run("R1")
        passes += 1
    assert max(sizes) == MOST_BESIDE_LIVE
    assert passes == len(sizes)


def test_bulk_passes_step_back_while_live_events_come():
    now, items, later, order = [100.0], [0], [], []

    def clock():
        items[0] += 1
        return now[0]

    bulk = Bulk(later.append, clock)
    waiting, answered = threading.Event(), threading.Event()

    def asks_a_router(name, turn):
        order.append(name)
        with turn.outside():
            waiting.set()
            assert answered.wait(LONG_S)

    def works_on(name):
        bulk.add(name, asks_a_router if name == "R1" else lambda name, _: order.append(name))
        thread = threading.Thread(target=later.pop())
        thread.start()
        return thread

    threads = [works_on("R1")]
    assert waiting.wait(LONG_S)
    bulk.live_came()
    now[0] += (IDLE_S + IDLE_BESIDE_LIVE_S) / 2
    threads.append(works_on("R2"))
    before = items[0]
    eventually(lambda: items[0] > before + 5, "it has looked whether it may begin")
    assert order == ["R1"]
    now[0] += IDLE_BESIDE_LIVE_S
    eventually(lambda: order == ["R1", "R2"], "another begins in the end")
    now[0] += LIVE_FOR_S
    threads.append(works_on("R3"))
    now[0] += IDLE_S
    eventually(lambda: order == ["R1", "R2", "R3"], "and soon when no live events come any more")
    answered.set()
    for thread in threads:
        thread.join(LONG_S)


def test_who_has_begun_goes_on_before_others_begin():
    gate, order = ComputeGate(), []
    begun, answered, ending = threading.Event(), threading.Event(), threading.Event()

    def asks_a_router():
        with gate.turn() as turn:
            begun.set()
            with turn.outside():
                assert answered.wait(LONG_S)
            order.append("goes on")

    def computes(name):
        with gate.turn():
            order.append(name)
            assert ending.wait(LONG_S)

    first = threading.Thread(target=asks_a_router)
    first.start()
    assert begun.wait(LONG_S)
    second = threading.Thread(target=computes, args=("second",))
    second.start()
    eventually(lambda: order == ["second"], "another computes meanwhile")
    third = threading.Thread(target=computes, args=("third",))
    third.start()
    answered.set()
    eventually(lambda: gate.waiting, "the first has its answer")
    ending.set()
    for thread in (first, second, third):
        thread.join(LONG_S)
    assert order == ["second", "goes on", "third"]


def test_one_computes_at_a_time():
    gate, lock, now, most = ComputeGate(), threading.Lock(), [0], [0]

    def works():
        for _ in range(20):
            with gate.turn() as turn:
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                with lock:
                    now[0] -= 1
                with turn.outside():
                    pass

    threads = [threading.Thread(target=works) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] == 1
