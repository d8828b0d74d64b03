"""`make simulate` in its short form: the same seed does the same, and what it did holds."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from shutil import which

import pytest

from tests.faults.broken import BUILDS
from tests.faults.put_back import BUGS
from tests.needs import missing
from tests.simulation.out_of_reach import OUT_OF_REACH

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

SEEDS = 1041
"""From here on five: kills, pauses, what lands late, replicas that lag, events of a later date."""
SMALL = "40b510666b18c7716cfc8acbd3a39843"


@pytest.fixture(autouse=True)
def clock_that_can_be_set():
    if which("cc") is None:
        missing("a C compiler is needed, for the clock of Redis")


def simulate(*options):
    command = [sys.executable, "-m", "tests.simulation", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def digest(ran):
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.split("\ndigest ")[1].split()


def test_a_seed_does_the_same_in_each_run():
    """In one process and in two, which keep each other waiting; each with its folder and pids.

    Of the product no digest is written down, as each change of its calls would change it: here and
    in CI two runs are compared.
    """
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(simulate, "--seed", SEEDS, "--count", 5, "--processes", processes)
            for processes in (1, 2)
        ]
    alone, shared = (digest(run.result()) for run in runs)
    assert alone == shared


def test_a_small_history_is_the_same_everywhere():
    """With Python 3.11 and 3.13, on each machine; only changes of the scheduler change it."""
    command = [sys.executable, "-m", "tests.simulation.small"]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert ran.stdout.split("\n")[0] == SMALL, ran.stdout + ran.stderr


def test_reasons_are_of_broken_builds_that_there_are():
    assert OUT_OF_REACH.keys() < {*BUGS, *BUILDS}


def test_a_history_is_cut_off_at_a_point():
    ran = simulate("--seed", 1018, "--steps", 50)
    assert digest(ran)
    assert "1 histories, 50 points" in ran.stdout


def test_what_once_failed_and_new_histories_hold():
    """New ones each day, for fifteen seconds; SIMULATION_SEED has those of another day."""
    seed = os.environ.get("SIMULATION_SEED", date.today().toordinal() * 100_000)  # noqa: DTZ011 - any
    new = ("--seed", seed, "--count", 10**6, "--seconds", 15)
    ran = simulate("--corpus", *new, "--processes", 1)
    assert ran.returncode == 0, f"SIMULATION_SEED={seed}\n{ran.stdout}{ran.stderr}"
