"""The short form of `make failovers`: a killed machine, with WAIT."""

import json
import subprocess
import sys

import pytest

from tests.failovers.machines import APART, need

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

SILENT = ": 70"
"""A worker whose watchdog ended it; a busy machine may be slower than it waits."""


@pytest.mark.timeout(300)  # 20 seconds, and much more where others use the processors
def test_nothing_is_lost_unseen_or_doubled_when_redis_fails_over():
    need()
    short = ["--failovers", "1", "--without-wait", "0", "--events-a-second", "45"]
    done = subprocess.run(
        [*APART, sys.executable, "-m", "tests.failovers", *short, "--back-within", "40"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()  # among what this process logs itself
    reports = [json.loads(line) for line in lines if line.startswith("{")]
    assert [report["phase"] for report in reports] == ["with-wait"], done.stderr
    assert reports[0]["violations"] == []
    assert [w for w in reports[0]["restarted workers"] if not w.endswith(SILENT)] == []
