"""A worker that is told to end leaves the bulk that waits for a turn to whoever comes next."""

import pytest

from contracts import names
from tests import builders
from tests.installation import SERVER, Installation, end
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

ROUTERS, SERVICES = 6, 240


def test_a_routers_process_ends_soon_amid_an_import_and_the_next_one_finishes_it(short_directory):
    slow = ["--latency-ms", "50", "--service-ms", "20"]
    with Installation(short_directory, ROUTERS, simulator=slow) as here:
        here.start_workers("events", "routers")
        events = [
            builders.activated(
                f"SVC-{n}",
                router=f"R{n % ROUTERS + 1}",
                server=SERVER,
                mac=builders.mac(n),
                ipv4=f"100.64.1.{n + 1}",
            )
            for n in range(SERVICES)
        ]
        here.publisher.publish(events, lane=names.QUEUE_BULK)
        eventually(
            lambda: any(here.rows(name) for name in here.control), "it has begun", within_s=30
        )
        worker = here.workers[1]
        end(worker.process)
        assert worker.process.returncode == 0, "it ended by itself, and in time"
        worker.process = here.start_process("routers")
        here.wait_until_settled(60)
        assert sum(len(here.rows(name)) for name in here.control) == SERVICES
