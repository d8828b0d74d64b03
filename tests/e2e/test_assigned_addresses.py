"""Assigned addresses with real workers, a real Redis and simulated routers: from event to row."""

import json
import signal

import pytest

from tests import builders
from tests.installation import SERVER, Installation, not_in_mac_server
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, not_in_mac_server]

POOLS = """
[pools.home]
ranges = ["198.51.100.1-198.51.100.5"]
quarantine = "1h"
"""


def assigned(number, router="R1", **more):
    return builders.activated(
        f"SVC-{number}",
        mac=builders.mac(number),
        router=router,
        server=SERVER,
        address={"mode": "assigned", "pool": "home"},
        **more,
    )


def addresses(here, *routers):
    """Service -> address of its row, where it has one."""
    found = {}
    for router in routers or ("R1", "R2"):
        for service, rows in here.rows(router).items():
            assert len(rows) == 1
            assert service not in found
            found[service] = rows[0]["address"]
    assert len(set(found.values())) == len(found)
    return found


def state(here, event):
    outcome = here.outcome(event)
    return outcome and outcome.state + (f" {outcome.reason}" if outcome.state == "waiting" else "")


def test_from_the_first_event_to_a_full_pool_and_back(short_directory):
    with Installation(short_directory, routers=2, tables=POOLS) as here:
        here.add_foreign("R1", "198.51.100.2", builders.mac(99))
        here.start_workers("events", "routers")
        events = [assigned(1), assigned(2), assigned(3, "R2"), assigned(4, "R2")]
        here.publisher.publish(events)
        eventually(
            lambda: all(state(here, event) == "applied" for event in events), "four", within_s=30
        )
        first = addresses(here)
        assert set(first.values()) == {f"198.51.100.{n}" for n in (1, 3, 4, 5)}
        late = assigned(5)
        here.publisher.publish([late])
        eventually(lambda: state(here, late) == "waiting pool-full", "the fifth", within_s=20)
        # Suspended, resumed, and all workers killed: the addresses stay.
        for worker in here.workers:
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
        changes = [
            builders.event("suspended", "SVC-1", revision=2),
            builders.event("device_swapped", "SVC-3", revision=2, device={"mac": builders.mac(33)}),
        ]
        here.publisher.publish(changes)
        here.start_workers("events", "routers")
        eventually(
            lambda: all(state(here, event) == "applied" for event in changes),
            "changes",
            within_s=30,
        )
        assert addresses(here) == first
        assert state(here, late) == "waiting pool-full"
        # A cancelled service: its address is in quarantine until a person ends it.
        gone = first["SVC-2"]
        cancelled = builders.event("cancelled", "SVC-2", revision=2)
        here.publisher.publish([cancelled])
        eventually(lambda: state(here, cancelled) == "applied", "the row is gone", within_s=20)
        assert state(here, late) == "waiting pool-full"
        shown = here.leasewire("pools", "show", "home", "--json")
        assert shown.returncode == 0, shown.stderr
        assert gone in json.dumps(json.loads(shown.stdout))
        freed = here.leasewire("pools", "free", "home", gone, "--apply")
        assert freed.returncode == 0, freed.stderr
        eventually(lambda: state(here, late) == "applied", "the fifth goes on", within_s=20)
        del first["SVC-2"]
        assert addresses(here) == first | {"SVC-5": gone}
