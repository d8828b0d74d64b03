"""How many Redis commands and router sentences an event costs, alone and in a batch of 100.

Counts do not depend on the machine, so they hold what `docs/performance.md` says. Who makes an
event cheaper lowers them here; who adds a round trip says there what it buys.
"""

from collections import Counter
from datetime import UTC, datetime

import pytest

from producers.connection import open_publisher
from tests import builders
from tests.calls import lose_calls
from tests.leasewire.conftest import LEASES, world
from worker.store.connection import Scripts

__all__ = ["world"]

pytestmark = [pytest.mark.redis, pytest.mark.router]

BATCH = 100


def events(first, count):
    return [
        builders.activated(
            f"SVC-{n}",
            router="R1",
            server="dhcp-vlan-32",
            mac=f"00:00:5E:00:54:{n:02X}",
            ipv4=f"100.64.0.{n}",
        )
        for n in range(first, first + count)
    ]


class Counted:
    """The Redis commands by name, those of scripts too, and the sentences at the router."""

    def __init__(self, world):
        self._client, self._router = world.context.store.client, world.r1

    def __enter__(self):
        self._client.config_resetstat()
        self._router.reset_counters()
        return self

    def __exit__(self, *_):
        found = self._client.info("commandstats")
        self.redis = {
            name.removeprefix("cmdstat_"): each["calls"]
            for name, each in found.items()
            if name not in ("cmdstat_info", "cmdstat_config|resetstat")
        }
        self.router = self._router.counters()


@pytest.fixture
def by_script(monkeypatch):
    """Script -> how many commands it ran: what the server counted meanwhile, but for its call."""
    found, run = Counter(), Scripts.run

    def calls(client):
        stats = client.info("commandstats")
        known = ("cmdstat_evalsha", "cmdstat_script|load")
        return sum(each["calls"] for name, each in stats.items() if name not in known)

    def counted(self, name, *args, **how):
        before = calls(self._client)
        answer = run(self, name, *args, **how)
        found[name] += calls(self._client) - before - 1  # the INFO that counted before
        return answer

    monkeypatch.setattr(Scripts, "run", counted)
    return found


@pytest.fixture
def ways(world, valkey, prefix):
    """Takes events all the way: publishes, folds and applies them; what each part cost."""
    with open_publisher(valkey.url, clock=lambda: datetime.now(UTC), prefix=prefix) as publisher:

        def take(said):
            with Counted(world) as published:
                publisher.publish(said)
            with Counted(world) as folded:
                world.accept.run([], "events")
            with Counted(world) as applied:
                world.converge.run("R1")
            lose_calls(world.context.store)
            return published, folded, applied

        world.r1.add_row("/ip/dhcp-server/network", {"address": "100.64.0.0/10"})
        take(events(1, 1))  # logs in, takes the first looks, loads the scripts
        yield take


def scripts_and_commands(counted):
    return counted.redis["evalsha"], sum(counted.redis.values())


def test_one_event(ways):
    published, folded, applied = map(scripts_and_commands, (counts := ways(events(2, 1))))
    assert (published[0], folded[0], applied[0]) == (1, 2, 4)
    assert published[1] <= 8
    # Two of these keep an answer that gets lost (`take:*`).
    assert folded[1] <= 46
    assert applied[1] <= 47
    assert counts[2].router == {f"{LEASES}/print": 2, f"{LEASES}/add": 1}


def test_a_batch_takes_hardly_more_calls_than_one_event(ways):
    published, folded, applied = map(scripts_and_commands, (counts := ways(events(2, BATCH))))
    assert (published[0], folded[0], applied[0]) == (1, 3, 5)
    assert published[1] <= 2.1 * BATCH
    assert folded[1] <= 2.8 * BATCH
    assert applied[1] <= 2.7 * BATCH
    assert counts[2].router == {f"{LEASES}/print": 2, f"{LEASES}/add": BATCH}


FOLD, PASS = ("take_journal", "commit"), ("acquire", "begin_writing", "conclude", "next_batch")


@pytest.mark.parametrize(("count", "most"), [(1, 79), (50, 5.7 * 50)])
def test_what_scripts_call(ways, by_script, count, most):
    """Inside scripts a command costs a microsecond or two: the most of Redis's processor time."""
    by_script.clear()
    ways(events(2, count))
    assert by_script.keys() == {*FOLD, *PASS}
    assert sum(by_script.values()) <= most, by_script
    assert by_script["commit"] <= 26 + 2 * count
    assert by_script["conclude"] <= 14 + 2 * count
