"""Redis fails over to another machine: what was accepted is there, and all goes on by itself."""

from datetime import UTC, datetime

import pytest

from producers.connection import open_publisher
from producers.errors import PublishFailed
from tests.faults.load import Load, activated
from tests.installation import PREFIX, Installation
from tests.sentinels import Sentinels
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


class Watched(Installation):
    """An installation whose Redis is watched by Sentinels."""

    def make_valkey(self, directory):
        """Which Valkey it is."""
        return Sentinels(directory)


def test_nothing_that_two_machines_have_is_lost_with_one(short_directory):
    with Watched(short_directory) as here:
        nodes = here.valkey
        here.start_workers("events", "routers")
        with open_publisher(
            nodes.url, clock=lambda: datetime.now(UTC), prefix=PREFIX, min_replicas=1
        ) as publisher:
            load = Load(publisher)
            load.start()
            try:
                eventually(lambda: len(here.rows("R1")) > 20, "work goes on", within_s=30)
                former, rows = nodes.primary(), len(here.rows("R1"))
                # It answers nobody, and closes no connection: who waits for it waits.
                nodes.freeze(former)
                eventually(lambda: nodes.primary() not in (0, former), "failover", within_s=30)
                eventually(lambda: len(here.rows("R1")) > rows + 50, "work goes on", within_s=40)
            finally:
                load.ends.set()
                load.join()
        here.wait_until_settled(60)
        assert [event["id"] for event in load.taken if here.outcome(event) is None] == []
        assert {f"SVC-{n + 1}" for n in range(len(load.taken))} <= here.rows("R1").keys()
        status = here.leasewire("status")
        assert "Redis" in status.stdout, status


def test_too_few_replicas_are_a_failure_of_the_publisher(valkey_server, prefix):
    with (
        open_publisher(
            valkey_server.url, clock=lambda: datetime.now(UTC), prefix=prefix, min_replicas=1
        ) as publisher,
        pytest.raises(PublishFailed, match="0 of 1 replicas of Redis confirmed the events"),
    ):
        publisher.publish([activated(1)])
