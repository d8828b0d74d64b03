"""The watchdog ends a silent worker, and no other."""

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.runtime.watchdog import EVERY_S, Watchdog
from worker.store.connection import connect

pytestmark = pytest.mark.redis

SILENT_S = 8.0


class Time:
    now = 100.0

    def __call__(self):
        return self.now


def dog_of(client, queues, clock, ended):
    return Watchdog(client, queues, 1, SILENT_S, clock=clock, end=lambda: ended.append(clock.now))


@pytest.fixture
def watched(valkey):
    ended = []
    clock = Time()
    with valkey.client() as client:
        dog = dog_of(client, ["q1", "q2"], clock, ended)
        yield dog, clock, client, ended


def look_after(dog, clock, seconds):
    """Looks at its pace until so much time has gone by."""
    until = clock.now + seconds
    while clock.now < until:
        clock.now = min(until, clock.now + EVERY_S)
        dog.check()


def test_silent_with_work_and_a_free_slot_ends(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    client.lpush("q2", "message")
    look_after(dog, clock, SILENT_S - 1)
    assert ended == []
    look_after(dog, clock, 2)
    assert ended


def test_an_idle_worker_lives(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    for _ in range(5):
        look_after(dog, clock, SILENT_S)
    client.lpush("q1", "message")
    look_after(dog, clock, SILENT_S - 1)
    assert ended == []


def test_a_busy_worker_lives(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    client.lpush("q1", "one", "two")
    dog._on_begin()
    for _ in range(5):
        look_after(dog, clock, SILENT_S)
    dog._on_end()
    look_after(dog, clock, SILENT_S - 1)
    assert ended == []
    look_after(dog, clock, 2)
    assert ended


def test_a_worker_that_begins_tasks_lives(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    client.lpush("q1", "message")
    for _ in range(5):
        look_after(dog, clock, SILENT_S - 1)
        dog._on_begin()
        dog._on_end()
    assert ended == []


def test_before_it_is_ready_nothing_is_expected(watched):
    dog, clock, client, ended = watched
    client.lpush("q1", "message")
    look_after(dog, clock, 10 * SILENT_S)
    assert ended == []


def test_one_that_stood_still_gets_the_whole_time_anew(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    client.lpush("q1", "message")
    look_after(dog, clock, 2)
    clock.now += 60  # SIGSTOP, or a machine that was asleep
    dog.check()
    look_after(dog, clock, SILENT_S - 1)
    assert ended == []
    look_after(dog, clock, 2)
    assert len(ended) > 0


def test_one_that_was_told_to_end_may_finish_what_it_has(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    client.lpush("q1", "one", "two")
    dog._on_begin()
    dog._on_shutdown()
    dog._on_end()
    look_after(dog, clock, 3 * SILENT_S)
    assert ended == []


def test_while_redis_is_away_nobody_is_to_blame(own_valkey):
    ended = []
    clock = Time()
    with connect(own_valkey.url) as client:
        client.set_retry(Retry(NoBackoff(), 0))
        client.lpush("q1", "message")
        dog = dog_of(client, ["q1"], clock, ended)
        dog._on_ready()
        look_after(dog, clock, SILENT_S - 1)
        own_valkey.kill()
        look_after(dog, clock, 2)
        own_valkey.start()
        look_after(dog, clock, SILENT_S - 1)
        assert ended == []
        look_after(dog, clock, 2)
        assert ended
