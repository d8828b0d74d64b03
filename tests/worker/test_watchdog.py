"""The watchdog ends a silent worker, and no other."""

import pytest

from worker.runtime.watchdog import SILENT_S, Watchdog

pytestmark = pytest.mark.redis


class Time:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def watched(valkey):
    ended = []
    clock = Time()
    with valkey.client() as client:
        dog = Watchdog(client, ["q1", "q2"], 1, clock, lambda: ended.append(clock.now))
        yield dog, clock, client, ended


def look_after(dog, clock, seconds):
    clock.now += seconds
    dog.look()


def test_silent_with_work_and_a_free_slot_ends(watched):
    dog, clock, client, ended = watched
    dog._on_ready()
    client.lpush("q2", "message")
    look_after(dog, clock, SILENT_S - 1)
    assert ended == []
    look_after(dog, clock, 2)
    assert ended == [clock.now]


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


def test_while_redis_is_away_nobody_is_to_blame(own_valkey):
    ended = []
    clock = Time()
    with own_valkey.client() as client:
        client.lpush("q1", "message")
        dog = Watchdog(client, ["q1"], 1, clock, lambda: ended.append(clock.now))
        dog._on_ready()
        own_valkey.kill()
        look_after(dog, clock, 2 * SILENT_S)
        own_valkey.start()
        look_after(dog, clock, SILENT_S - 1)
        assert ended == []
        look_after(dog, clock, 2)
        assert ended
