"""`make chaos` in its short form: fewer routers and services, the same faults, checks and sets."""

import os

import pytest

from tests.faults.chaos.run import run
from tests.faults.chaos.scene import Scale

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.timeout(300),
]

SEED = int(os.environ.get("SEED", "20261124"))


@pytest.mark.parametrize("conflicting", [False, True])
def test_every_router_ends_as_wanted(short_directory, conflicting):
    scale = Scale(
        7 if conflicting else 13, 7 if conflicting else 15, 300, 900, conflicting=conflicting
    )
    table, problems = run(short_directory, SEED, scale, deadline_s=90)
    assert problems == [], table
