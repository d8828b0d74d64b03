"""What waits for a router that is down costs what differs in the end, not what was said meanwhile.

`LEASEWIRE_BACKLOG=20` is the long form: 2,000 services with 10,000 events.
"""

import os
import random
import sys
import time

import pytest

from tests.faults.expected import row_of
from tests.faults.harness import harness
from tests.faults.history import history
from tests.installation import LEASES
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

TIMES = int(os.environ.get("LEASEWIRE_BACKLOG", "1"))
SERVICES, EVENTS = 100 * TIMES, 500 * TIMES


def rings(before, wanted):
    """How many rings the moves of a value among services form: each costs one more write."""
    found = 0
    for field in ("mac-address", "address"):
        holder = {row[field]: service for service, row in before.items()}
        next_of = {s: holder.get(row[field]) for s, row in wanted.items()}
        seen = set()
        for start in next_of:
            path = []
            at = start
            while at in next_of and at not in seen and next_of[at] != at:
                seen.add(at)
                path.append(at)
                at = next_of[at]
            found += at in path
    return found


@pytest.mark.timeout(60 + 60 * TIMES)
def test_a_night_of_events_costs_one_write_a_service_that_differs(short_directory, capsys):
    rng = random.Random(5)
    events = history(rng, ["R1"], SERVICES, EVENTS * 2)
    first, meanwhile = events[:EVENTS], events[EVENTS:]
    with harness(short_directory, 1, None, service_ms=0) as here:
        here.start_workers("events", "routers")
        router = here.control["R1"]
        for start in range(0, len(first), 500):
            here.publisher.publish(first[start : start + 500])
        here.wait_until_settled(60 * TIMES)
        before = {service: row for service, (row,) in here.own_rows("R1").items()}

        router.power_off()
        for start in range(0, len(meanwhile), 500):
            here.publisher.publish(meanwhile[start : start + 500])
        eventually(
            lambda: (
                here.store.views.state("R1").state == "unreachable"
                and not here.store.journal.depth("events")
            ),
            "all folded, the router known to be away",
            within_s=60 * TIMES,
        )
        listed = here.leasewire("routers", "list").stdout if TIMES > 1 else ""
        here.store.fleet.pause("R1", "to look at the plan first", "tests")
        router.power_on()
        wanted = {service: row_of(entry) for service, entry in here.expected(events)["R1"].items()}
        differ = {s for s in before.keys() | wanted.keys() if before.get(s) != wanted.get(s)}
        planned = here.leasewire("plan", "R1")
        assert planned.returncode == 4, planned.stderr
        lines = [line.split() for line in planned.stdout.splitlines()[1:]]
        # `!` is a remark on a row that is as wanted: an address in none of the DHCP networks
        named = {
            service.rstrip(":") for work_item, service, *_ in lines if work_item in ("+", "~", "-")
        }
        assert named == differ

        work_item = max((entry["seq"] for entry in router.journal()), default=0)
        began = time.monotonic()
        here.store.fleet.resume("R1", "tests")
        here.wait_until_settled(60 * TIMES)
        took_s = time.monotonic() - began
        written = [w for w in router.journal(work_item) if w["command"].startswith(LEASES)]
        assert here.differences(events) == []
        assert [w["error"] for w in written if w["error"]] == []
        assert len(written) <= len(differ) + rings(before, wanted)
    if TIMES > 1:
        with capsys.disabled():
            sys.stdout.write(
                f"\n{len(meanwhile)} events for {SERVICES} services while R1 was down: "
                f"{len(differ)} differ, {rings(before, wanted)} rings, {len(written)} lease writes "
                f"in {took_s:.1f} s\n{listed}{planned.stdout[:600]}\n"
            )
