"""Workers on two hosts: clocks that differ and jump, hosts that are cut off or frozen."""

from contextlib import contextmanager

import pytest

from tests.builders import activated, mac_changed
from tests.hosts import FAKETIME, OnHosts
from tests.installation import SERVER
from tests.namespaces import need_namespaces
from tests.needs import missing
from tests.waiting import eventually

pytestmark = [
    *(pytest.mark.e2e, pytest.mark.redis, pytest.mark.router),
    pytest.mark.timeout(300),
]
AT_ONCE = 6
"""Services of one round, on two routers; each write takes 20 ms there."""


def mac(number, device):
    return f"00:00:5E:{device:02X}:{number // 256:02X}:{number % 256:02X}"


class Rounds:
    """Events, one round after the other: new services, and other devices for those of late.

    What a host has in its hands is thus outdated by the next round.

    Args:
        here: the installation.
    """

    def __init__(self, here):
        self.here = here
        self.events = []
        self.services = self.number = 0

    def publish(self):
        """Publish a round; returns its services by router."""
        new = {router: set() for router in self.here.control}
        self.number += 1
        since = max(1, self.services - 2 * AT_ONCE + 1)
        events = [
            mac_changed(f"SVC-{number}", mac(number, self.number), revision=self.number)
            for number in range(since, self.services + 1)
        ]
        for _ in range(AT_ONCE):
            self.services += 1
            number, name = self.services, f"SVC-{self.services}"
            router = f"R{number % 2 + 1}"
            new[router].add(name)
            row = {"server": SERVER, "router": router, "mac": mac(number, self.number)}
            row["ipv4"] = f"100.64.{number // 250}.{number % 250 + 1}"
            events.append(activated(name, revision=self.number, **row))
        self.here.publisher.publish(events)
        self.events += events
        return new

    def published_and_written(self):
        """Publish a round and wait until its services have their rows."""
        new = self.publish()
        rows = self.here.rows
        eventually(
            lambda: all(services <= rows(router).keys() for router, services in new.items()),
            "the others write",
            within_s=90,
        )


@contextmanager
def writing(here, rounds, host, other):
    """A host has writes in its hands, and the other host stands still meanwhile."""
    notes = [here.store.keys.router(router).inflight for router in here.control]
    here.freeze(other)
    rounds.publish()

    def in_flight():
        if here.client.exists(*notes):
            return True
        if here.settled():  # they were too quick to be seen
            rounds.publish()
        return False

    eventually(in_flight, f"{host} has writes in flight", within_s=60)
    yield
    here.thaw(other)


@pytest.fixture
def two_hosts(short_directory):
    need_namespaces()
    if not FAKETIME.exists():
        missing("libfaketime is not installed")
    slow = ["--service-ms", "20", "--latency-ms", "2"]
    with OnHosts(short_directory, routers=2, simulator=slow) as here:
        here.set_clock("south", 3600)
        for name in here.hosts:
            here.start_workers_on(name)
        eventually(lambda: len(here.store.heartbeats.workers()) == 4, "all run", within_s=90)
        yield here


def test_no_host_doubles_or_loses_anything(two_hosts):
    here, rounds = two_hosts, Rounds(two_hosts)
    rounds.published_and_written()
    clocks = {sign.process.host: sign.process.clock_ms for sign in here.store.heartbeats.seen()}
    assert abs(clocks["north"]) < 60_000
    assert clocks["south"] > 3_500_000

    here.set_clock("south", -3600)
    rounds.published_and_written()

    # frozen for longer than its locks last, with writes in its hands
    with writing(here, rounds, "north", "south"):
        here.freeze("north")
    rounds.published_and_written()
    here.thaw("north")

    for what in ("redis", "routers"):
        with writing(here, rounds, "north", "south"):
            here.cut("north", what)
        rounds.published_and_written()
        here.connect("north", what)

    here.wait_until_settled(120)
    assert here.differences(rounds.events) == []
    assert here.without_final_outcome(rounds.events) == []
    assert here.double_entries() == []
    assert here.ended() == []
