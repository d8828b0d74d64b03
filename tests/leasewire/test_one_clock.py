"""All hosts go by Redis's clock, whatever their own say."""

import time

import pytest

from tests.builders import event
from worker.store import heartbeat
from worker.store.heartbeat import RedisClock
from worker.version import installed_version

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_events_of_operators_have_redis_time(world, monkeypatch):
    """Else those of a host whose clock is behind would be superseded by earlier ones of another."""
    monkeypatch.setattr(heartbeat.Heartbeats, "now_ms", lambda _: 1_000_000_000_250)
    without_time = event("suspended", revision=None, source="urn:leasewire:cli")
    del without_time["time"]
    with world.context.publisher() as publisher:
        (complete,) = publisher.check([without_time])
    assert complete.event["time"].startswith("2001-09-09T01:46:40.25")


def test_the_clock_of_redis_goes_on_though_that_of_the_host_jumps(monkeypatch):
    clock = RedisClock()
    assert abs(clock.now_ms() / 1000 - time.time()) < 60
    clock.learn(5_000)
    began = time.monotonic()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    shown_ms = clock.now_ms()
    assert 5_000 <= shown_ms <= 5_000 + (time.monotonic() - began) * 1000 + 1_000
    assert clock.now().timestamp() < 100


def test_a_host_says_how_far_its_clock_is_from_redis(world, monkeypatch):
    store = world.context.store
    now = time.time
    monkeypatch.setattr(heartbeat.time, "time", lambda: now() - 3_600)
    store.heartbeats.give(heartbeat.this_process("gateway"))
    ((process, _),) = store.heartbeats.seen()
    assert -3_700_000 < process.clock_ms < -3_500_000
    assert (process.version, process.formats["history"]) == (installed_version(), [2])
