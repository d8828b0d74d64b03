"""The demo tells the truth: all holds, or it says what does not; and nothing is left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from leasewire.host.demo import CheckFailedError, Story
from leasewire.host.demo_stage import running
from tests.forking import Forked, forked_if_ours
from tests.installation import names_both

pytestmark = [pytest.mark.redis, pytest.mark.router, pytest.mark.e2e, names_both]

DEADLINE_S = 60


@pytest.fixture
def temporary():
    """Where the demo makes its directory; short, as Unix sockets need."""
    directory = Path(tempfile.mkdtemp(prefix="lw-"))
    yield directory
    shutil.rmtree(directory)


def start(temporary, how=Forked):
    return how(
        [sys.executable, "-m", "leasewire", "demo"],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(directory):
    """Ids of processes that work with a directory, where the system tells.

    It tells with which variables and arguments a process began, of a fork those of another; so
    what files it has open counts too.
    """
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        for file in (process / "environ", process / "cmdline", *process.glob("fd/*")):
            with suppress(OSError):
                text = (
                    str(file.readlink())
                    if file.parent.name == "fd"
                    else file.read_text(errors="replace")
                )
                if str(directory) in text:
                    found.add(int(process.name))
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
    assert not processes_of(temporary)


def test_interrupted_demo_leaves_nothing(temporary):
    demo = start(temporary)
    for line in demo.stdout:
        if line.startswith("The router is switched off"):
            break
    assert len(processes_of(temporary)) >= 5  # `up`, Valkey, the router, both workers
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 130
    assert list(temporary.iterdir()) == []
    assert not processes_of(temporary)


def test_a_failed_check_reports_what_was_found(temporary, quiet_logging, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", forked_if_ours)
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
    demo = start(deep, subprocess.Popen)
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert demo.returncode == 1, out
    assert "the simulated router did not start" in err
    (logs,) = deep.iterdir()
    assert f"Its logs are in {logs}" in err
    assert not processes_of(temporary)
