"""Redis's memory is used up in the middle of work and freed again: nothing is lost or stuck."""

from datetime import UTC, datetime

import pytest

from contracts import names
from producers.connection import open_publisher
from tests.small_installation import SmallInstallation, activated
from worker.errors import StoreUnavailable

pytestmark = [pytest.mark.redis, pytest.mark.router]

EVENTS = 60


def runs(work):
    """Whether it ran to its end."""
    try:
        work()
    except StoreUnavailable:
        return False
    return True


def test_eight_times_full_and_all_is_applied():
    with SmallInstallation(routers=1) as here:
        events = [activated(f"SVC-{n}", n) for n in range(1, EVENTS + 1)]
        with open_publisher(
            here.server.url, clock=lambda: datetime.now(UTC), prefix=here.prefix
        ) as publisher:
            publisher.publish(events)
        used = here.client.info("memory")["used_memory"]
        ran = []
        for n in range(8):
            here.client.config_set("maxmemory", used + (40_000 if n % 2 else 0))
            ran.append(runs(here.say))
            ran.append(runs(lambda: here.converge.run("R1")))
            here.client.config_set("maxmemory", 0)
            due = names.journal_due(here.prefix, "events")
            for key in here.client.zrange(due, 0, -1):  # what a worker took is given back
                here.client.zadd(due, {key: here.store.records.now_ms()})
            here.client.delete(here.block("R1").lock)
        assert not all(ran), "it was full at least once"
        assert {*here.client.hvals(here.store.keys.attempts)} <= {"1"}, "no event is blamed"
        here.say()
        here.drain()
        assert {here.outcome(event).partition(":")[0] for event in events} == {"applied"}
        assert len(here.rows("R1")) == EVENTS
        assert here.store.views.dead_letters() == []
        assert here.client.hlen(here.store.keys.attempts) == 0
