"""The short form of `make failovers`: a killed machine with WAIT, a partition without it."""

import json
import subprocess
import sys

import pytest

from tests.failovers.machines import APART, need

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

SILENT = ": 70"
"""A worker whose watchdog ended it; a busy machine may be slower than it waits."""


@pytest.mark.timeout(300)  # half a minute, and much more where others use the processors
def test_nothing_is_lost_unseen_or_doubled_when_redis_fails_over():
    need()
    short = ["--failovers", "1", "--without-wait", "1", "--events-a-second", "45"]
    done = subprocess.run(
        [*APART, sys.executable, "-m", "tests.failovers", *short, "--back-within", "40"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()  # among what this process logs itself
    reports = [json.loads(line) for line in lines if line.startswith("{")]
    assert [report["phase"] for report in reports] == ["with-wait", "without-wait"], done.stderr
    for report in reports:
        assert report["violations"] == [], report
        assert [w for w in report["restarted workers"] if not w.endswith(SILENT)] == []
