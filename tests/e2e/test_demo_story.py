"""The demo tells the truth: all holds, or it says what does not; and nothing is left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from leasewire.host.demo import CheckFailedError, Story
from leasewire.host.demo_stage import running

pytestmark = [pytest.mark.redis, pytest.mark.router, pytest.mark.e2e]

DEADLINE_S = 60


@pytest.fixture
def temporary():
    """Where the demo makes its directory; short, as Unix sockets need."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    yield directory
    shutil.rmtree(directory)


def start(temporary):
    return subprocess.Popen(
        [sys.executable, "-m", "leasewire", "demo"],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(directory):
    """Command lines of processes that work with a directory, where the system tells."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = file.read_bytes() + file.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in text:
            found.append(text)
    return found


def test_demo_ends_well_and_leaves_nothing(temporary):
    demo = start(temporary)
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 0, out + err
    assert err == ""
    assert "223.203.225.11  00:11:22:33:44:66" in out
    assert "three events cost one add and one set" in out
    checks = re.search(r"(\d+) checks, all passed", out)
    assert int(checks[1]) == out.count("✓") > 15
    assert list(temporary.iterdir()) == []
    assert processes_of(temporary) == []


def test_interrupted_demo_leaves_nothing(temporary):
    demo = start(temporary)
    for line in demo.stdout:
        if line.startswith("The router is switched off"):
            break
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 130
    assert list(temporary.iterdir()) == []
    assert processes_of(temporary) == []


def test_a_failed_check_reports_what_was_found(temporary, quiet_logging):
    with running(temporary) as stage:
        refused = {"menu": "/ip/dhcp-server/lease", "field": "address", "value": "223.203.225.10"}
        stage.router.set_faults(refuse_values=[refused | {"text": "failure: no such luck"}])
        began = time.monotonic()
        with pytest.raises(CheckFailedError) as failed:
            Story(stage, deadline_s=6).run()
        assert time.monotonic() - began < DEADLINE_S
    assert "expected: outcome: activated SVC-A applied" in str(failed.value)
    assert "'waiting'" in str(failed.value)


def test_demo_that_cannot_be_set_up_fails_and_keeps_its_logs(temporary):
    deep = temporary / ("x" * 120)
    deep.mkdir()
    demo = start(deep)
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1, out
    assert "the simulated router did not start" in err
    (logs,) = deep.iterdir()
    assert f"Its logs are in {logs}" in err
    assert processes_of(temporary) == []
