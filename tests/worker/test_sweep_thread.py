"""The sweep of one worker on a real queue, while Redis goes away and comes back."""

import pytest
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts import names
from tests.signs import heartbeat
from tests.store.passing_time import let_pass
from tests.waiting import eventually
from tests.worker.desk import Desk
from worker.runtime.sweep import Sweep
from worker.store.store import open_store

pytestmark = pytest.mark.redis


@pytest.fixture
def store(own_valkey):
    with own_valkey.client() as client:
        client.set_retry(Retry(NoBackoff(), 1))  # its own next round is its retry
        yield open_store(client, "lw:")


@pytest.fixture
def sweep(store):
    sweep = Sweep(store, 2000, heartbeat(store), lambda: False)
    yield sweep
    sweep.stop()


def queued(store, name):
    return store.client.llen(store.keys.queue(name))


def test_a_cancelled_service_of_a_newer_worker_does_not_end_this_one(store, sweep):
    store.client.set(store.keys.record("SVC-NEW"), '1|{"format":99}')
    store.client.zadd(store.keys.tombstones, {"SVC-NEW": 1})
    with structlog.testing.capture_logs() as logs:
        sweep.once()
    assert [line["event"] for line in logs] == ["sweep.left_to_newer"]
    assert store.client.exists(store.keys.record("SVC-NEW"))


def test_what_it_rings_for_stands_in_the_queues_and_is_not_rung_for_again(store, sweep):
    Desk(store).publish("an event", "another")
    store.routers.add_work("R1", ["S"], 0, 1)
    for _ in range(30):
        let_pass(store, 1000)
        sweep.once()
    assert store.heartbeats.workers() == ["events@here:1"]
    assert queued(store, names.QUEUE_EVENTS) == 1
    assert queued(store, names.QUEUE_ROUTERS) == 1
    assert queued(store, names.QUEUE_BULK) == 0


def test_it_outlives_redis(store, sweep, own_valkey):
    sweep.start()
    eventually(store.heartbeats.workers, "its first round")
    store.client.config_set("appendfsync", "always")  # nothing is lost, however busy the disk is
    with structlog.testing.capture_logs() as lines:
        own_valkey.kill()
        eventually(lambda: lines, "it says that Redis is away")
        own_valkey.start()
        Desk(store).publish("an event")
        let_pass(store, 10_000)
        eventually(lambda: queued(store, names.QUEUE_EVENTS), "it goes on, its scripts loaded anew")
    assert [line["event"] for line in lines] == ["store.unavailable"]
