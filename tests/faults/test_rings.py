"""Fifty services of one router pass their addresses on in a ring, and workers are killed meanwhile.

`LEASEWIRE_RINGS=10` runs ten rotations; the suite runs two.
"""

import os
import random

import pytest

from tests import builders
from tests.faults.harness import harness
from tests.installation import LEASES, SERVER
from tests.waiting import eventually
from worker.core.rows.rows import parse_tag

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.timeout(600),
]

ROTATIONS = int(os.environ.get("LEASEWIRE_RINGS", "2"))
SEED = int(os.environ.get("SEED", "20261124"))


@pytest.mark.parametrize("batch", ["500", "7"])
def test_a_cycle_of_macs_resolves_though_its_worker_is_killed(short_directory, batch):
    rng = random.Random(SEED)
    services = [f"SVC-{n}" for n in range(50)]
    with harness(short_directory, 1, None, service_ms=8) as here:
        here.environ_more = {"LEASEWIRE_BATCH_SERVICES": batch}
        here.start_workers("events", "routers", "routers")
        router = here.control["R1"]
        here.publisher.publish([say(n, n, 1) for n in range(50)])
        eventually(lambda: len(here.rows("R1")) == 50, "all have their rows", within_s=30)
        here.wait_until_settled()
        kills = 0
        for turn in range(1, ROTATIONS + 1):
            before = router.journal()[-1]["seq"]
            here.publisher.publish([say(n, (n + turn) % 50, turn + 1) for n in range(50)])
            writes = rng.randint(1, 45)
            eventually(
                lambda b=before, w=writes: len(router.journal(b)) >= w,
                "writes are under way",
                within_s=30,
            )
            here.in_flight_at_kills.clear()
            for worker in here.workers:
                if worker.kind == "routers":
                    here.kill(worker)
            kills += bool(here.in_flight_at_kills)
            wait_until_rotated(here, turn)
        here.wait_until_settled(40)
        journal = here.writes("R1")
        assert [entry["error"] for entry in journal if entry["error"]] == []
        assert here.double_entries() == []
        assert kills == ROTATIONS  # each met a ring half turned
        assert without_a_row(journal, services) == []


def say(number, address, revision):
    name = builders.activated if revision == 1 else builders.snapshot
    return name(
        f"SVC-{number}",
        revision=revision,
        router="R1",
        server=SERVER,
        mac=f"00:00:5E:00:00:{number:02X}",
        ipv4=f"100.64.0.{address + 1}",
    )


def wait_until_rotated(here, turn):
    try:
        eventually(lambda: rotated(here, turn), f"ring {turn} is turned", within_s=60)
    except AssertionError as error:
        views = here.store.views
        said = [line for line in here.log_text().splitlines() if '"debug"' not in line]
        message = f"{error}: {views.router('R1')}, {views.router_waiting('R1')}"
        raise AssertionError("\n".join([message, *said[-40:]])) from None


def rotated(here, turn):
    rows = here.rows("R1")
    return all(
        [row["address"] for row in rows.get(f"SVC-{n}", [])] == [f"100.64.0.{(n + turn) % 50 + 1}"]
        for n in range(50)
    )


def without_a_row(journal, services):
    """Moments after its first row at which a service had none."""
    rows, found = {}, []
    for entry in journal:
        if not entry["command"].startswith(LEASES):
            continue
        row_id = (entry["after"] or entry["before"])[".id"]
        had = set(rows.values())
        rows.pop(row_id, None)
        if entry["after"]:
            tag = parse_tag(entry["after"].get("comment", ""))
            rows[row_id] = tag.service_id if tag else ""
        found += [(entry["seq"], s) for s in had - set(rows.values()) if s in services]
    return found
