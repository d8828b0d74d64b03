"""The samples for integrators, run as they stand, in each language whose interpreter is here."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from importlib.resources import files

import pytest

from contracts.identity import event_key
from contracts.webhook_signature import new_secret, sign
from gateway.api import outcome_waiter, state_routes
from gateway.api.states import EVENT_STATES
from tests import builders
from tests.gateway.test_reading import fold
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import Outcome
from worker.store.commits import ServiceCommit

pytestmark = pytest.mark.redis

FOLDER = files("gateway.api") / "samples"
INTERPRETERS = {"client.py": sys.executable, "client.js": "node", "client.php": "php"}


@pytest.fixture(params=sorted(INTERPRETERS))
def command(request):
    interpreter = shutil.which(INTERPRETERS[request.param])
    if interpreter is None:
        pytest.skip(f"there is no {INTERPRETERS[request.param]} here")
    return [interpreter, str(FOLDER / request.param)]


@pytest.fixture
def environment(gateway):
    return {
        "PATH": os.environ["PATH"],
        "LEASEWIRE_URL": gateway.url,
        "LEASEWIRE_KEY": gateway.key().token,
        "WEBHOOK_SECRET": new_secret(),
    }


def test_an_event_is_published_and_waited_for(gateway, command, environment, monkeypatch):
    """The answer to the event itself comes too early; the sample asks until it knows."""
    event, asked, look = (
        builders.activated("SVC-1", id_="e-1"),
        threading.Event(),
        state_routes.find_events,
    )

    def noted(*arguments):
        asked.set()
        return look(*arguments)

    monkeypatch.setattr(outcome_waiter, "MOST_S", 0.1)
    monkeypatch.setattr(state_routes, "find_events", noted)
    with subprocess.Popen(
        [*command, "publish"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as sample:
        sample.stdin.write(json.dumps(event))
        sample.stdin.close()
        assert asked.wait(20), "it does not ask again"
        fold(gateway, event)
        at_ms = gateway.store.records.now_ms()
        key = event_key(event["source"], "e-1")
        ref = EventRef(key, "e-1", event["source"], event["type"])
        said = Outcome(ref, "SVC-1", "applied", at_ms=at_ms)
        records = gateway.store.records
        generation = records.read(["SVC-1"])["SVC-1"].generation
        records.commit([ServiceCommit("SVC-1", generation, outcomes=[said])], at_ms)
        assert sample.stdout.read() == "applied\n"
        assert sample.wait(30) == 0


def test_what_is_wrong_with_an_event_is_shown(command, environment):
    event = builders.activated("SVC-1", mac="01:00:5E:00:53:01")
    done = subprocess.run(
        [*command, "publish"],
        input=json.dumps(event),
        capture_output=True,
        env=environment,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "invalid-event" in done.stderr


@pytest.mark.parametrize(
    ("change", "ago_s", "code"), [("", 0, 0), (" ", 0, 1), ("", 301, 1), ("", -310, 1)]
)
def test_a_webhook_is_checked(command, environment, change, ago_s, code):
    body, now_s = '{"data": "Zürich"}'.encode(), int(time.time()) - ago_s
    signature = "v1,AAAA " + sign(environment["WEBHOOK_SECRET"], "outcome-1-0", now_s, body)
    done = subprocess.run(
        [*command, "verify", "outcome-1-0", str(now_s), signature],
        input=body + change.encode(),
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("name", sorted(INTERPRETERS))
def test_a_sample_knows_every_final_state_of_an_event(name):
    text = (FOLDER / name).read_text()
    for state, said in EVENT_STATES.items():
        if state != "acting":  # of the feed alone
            assert ((f'"{state}"' in text) or (f"'{state}'" in text)) == said.final, state
