"""`leasewire events follow` prints each change of an outcome as it is said."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests import builders
from tests.forking import Forked
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import Outcome
from worker.store.commits import ServiceCommit

pytestmark = pytest.mark.redis


def test_each_change_is_a_line_until_it_is_stopped(valkey, store, prefix, tmp_path):
    text = f'[installation]\nid = "acme"\n[sources."{builders.SOURCE}"]\norder = "revisions"\n'
    (tmp_path / "routers.toml").write_text(text)
    for number, state in enumerate(("accepted", "applied")):
        event = EventRef("k", "e-1", builders.SOURCE, "t")
        word = Outcome(event, "SVC-1", state, at_ms=number + 1)
        store.records.commit([ServiceCommit("", outcomes=[word])], 1)
    environ = os.environ | {"LEASEWIRE_REDIS_URL": valkey.url, "LEASEWIRE_KEY_PREFIX": prefix}
    with Forked(
        [sys.executable, "-m", "leasewire", "events", "follow", "--kept", "--json"],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert [(each["event"], each["state"]) for each in lines] == [
        ("e-1", "accepted"),
        ("e-1", "applied"),
    ]
