"""Redis is gone for good: snapshots of the BSS build it anew, and no customer is cut off."""

import pytest

from tests import builders
from tests.installation import SERVER, Installation, end
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

SERVICES = 12


def block(number):
    return {
        "server": SERVER,
        "mac": builders.mac(number),
        "ipv4": f"198.51.100.{number}",
        "revision": 5,
    }


def test_a_lost_redis_is_rebuilt_from_snapshots_without_a_write(short_directory):
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        services = range(1, SERVICES + 1)
        here.publisher.publish([builders.activated(f"SVC-{n}", **block(n)) for n in services])
        eventually(lambda: len(here.rows("R1")) == SERVICES, "every row", within_s=20)
        here.wait_until_settled()
        for worker in here.workers:
            end(worker.process)
        here.workers.clear()
        here.client.flushall()
        before = here.rows("R1")
        written = here.control["R1"].journal()

        here.start_workers("events", "routers")
        here.publisher.publish([builders.snapshot("SVC-1", **block(1))])
        eventually(
            lambda: here.store.views.state("R1").state == "blocked",
            "too many orphans",
            within_s=20,
        )
        message = here.store.views.state("R1").message
        assert "11 of 12 rows" in message
        assert "services that this Redis does not know" in message
        assert here.rows("R1") == before

        here.publisher.publish([builders.snapshot(f"SVC-{n}", **block(n)) for n in services])
        eventually(lambda: here.store.views.state("R1").state == "up", "served again", within_s=20)
        here.wait_until_settled()
        assert here.rows("R1") == before
        assert here.control["R1"].journal() == written, "every row was right as it stood"
