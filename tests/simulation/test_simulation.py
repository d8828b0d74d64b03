"""`make simulate` in its short form: the same seed does the same, and what it did holds."""

import subprocess
import sys

import pytest

from tests.faults.faulty_redis import faketime
from tests.needs import missing

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def clock_that_can_be_set():
    if faketime() is None:
        missing("libfaketime is needed, from the package of that name, or FAKETIME_DIR")


def simulate(*options):
    command = [sys.executable, "-m", "tests.simulation", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_seed_does_the_same_in_each_run():
    """One with a rollback of Redis, and one with kills and connections that break."""
    first, second = (simulate("--seed", 12, "--count", 2) for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "digest" in first.stdout
    assert first.stdout.split("digest")[1].split() == second.stdout.split("digest")[1].split()
