"""Workers are killed at random moments; every router ends equal to the fold of the events."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.harness import harness, publish_under_kills
from tests.faults.history import deliveries, history

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.timeout(240),
]

SEED = int(os.environ.get("SEED", "20261124"))


def run(  # noqa: PLR0913 - the parts of one experiment
    directory: Path,
    *,
    broken: str | None = None,
    kinds: Sequence[str] = ("events", "routers"),
    kills: int = 6,
    seconds: float = 12,
    deadline_s: float = 60,
) -> list[str]:
    """2,000 events for 300 services of 5 routers under kills; returns what does not hold."""
    rng = random.Random(SEED)
    with harness(directory, 5, broken, service_ms=4) as faulty:
        faulty.start_workers("events", "routers", "events", "routers")
        events = history(rng, list(faulty.control), services=300, events=2000)
        arriving = deliveries(rng, events, duplicates=0.2, displaced_by=60)
        publish_under_kills(faulty, rng, arriving, kills=kills, seconds=seconds, kinds=kinds)
        try:
            faulty.wait_until_settled(deadline_s)
        except AssertionError as error:
            return [str(error)]
        return [
            *faulty.differences(events),
            *(f"{event} has no final outcome" for event in faulty.without_final_outcome(events)),
            *faulty.needless_writes(),
            *faulty.double_entries(),
        ]


def test_killed_workers_do_no_harm(short_directory):
    assert run(short_directory) == []


def test_workers_killed_just_before_a_write_do_no_harm(short_directory):
    assert run(short_directory, broken="dies-before-write", kills=0, seconds=6) == []


@pytest.mark.parametrize(
    ("broken", "kinds", "kills"),
    [("confirm-before-write", ["routers"], 0), ("no-journal", ["events"], 8)],
)
def test_the_harness_fails_on_a_broken_build(short_directory, broken, kinds, kills):
    found = run(short_directory, broken=broken, kinds=kinds, kills=kills, seconds=6, deadline_s=12)
    assert found != []
