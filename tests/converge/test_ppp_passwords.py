"""Passwords are in clear on the router and nowhere else; a change of keys writes nothing."""

import json

import pytest
from structlog.testing import capture_logs

from contracts.sealing import SEALED
from leasewire.sources.export import snapshot_of
from producers.fields import event_of
from producers.files.writing import flat_fields
from tests import builders
from tests.ppp import PppInstallation, activated, key, login, ppp_changed
from worker.admin.plan_documents import plan_parts
from worker.admin.service_documents import service_document
from worker.convergence.full_read import read_fully
from worker.core.full_read.drift import differences

pytestmark = [pytest.mark.redis, pytest.mark.router]

FIRST, OTHER = "correct horse 7", "battery staple 8"


@pytest.fixture
def here(tmp_path):
    with PppInstallation(tmp_path) as here:
        here.know()
        yield here


def everything_in(client):
    """All that Redis holds, as text."""
    texts = []
    for name in client.scan_iter():
        match client.type(name):
            case "string":
                texts.append(client.get(name))
            case "hash":
                texts += [text for pair in client.hgetall(name).items() for text in pair]
            case "list":
                texts += client.lrange(name, 0, -1)
            case "set":
                texts += client.smembers(name)
            case "zset":
                texts += client.zrange(name, 0, -1)
            case "stream":
                texts.append(json.dumps(client.xrange(name)))
    return "\n".join([*client.scan_iter(), *texts])


def test_no_password_is_in_redis_in_logs_or_in_what_people_see(here):
    with capture_logs() as logged:
        here.apply(activated(1, ppp=login(1, FIRST)))
        here.apply(ppp_changed(1, password=OTHER))
        scheduled = ppp_changed(1, password=FIRST, revision=3)
        scheduled["data"]["effective_at"] = "2027-06-01T00:00:00Z"
        here.say(here.seal(scheduled))
        here.r["R1"].set_row("/ppp/secret", here.secret(1)[".id"], {"password": FIRST})
        session = here.sessions.open("R1")
        found = read_fully(here.store, session, "R1", here.policies["R1"].held_in(session.entries))
        here.sessions.give_back("R1", session)
    (drift,) = found.drift
    assert (drift.field, drift.wanted) == ("password", "***")
    plan = plan_parts(found.plan)
    shown = json.dumps(
        [
            service_document(here.store.views.service("SVC-1", ["R1"]), here.store),
            plan,
            drift.found,
            here.store.views.service("SVC-1", ["R1"]).history,
        ]
    )
    assert shown.count("***") > 3
    logs = repr(logged)
    for text in (everything_in(here.client), shown, logs):
        assert FIRST not in text
        assert OTHER not in text
    assert SEALED not in shown, shown[max(0, shown.find(SEALED) - 200) : shown.find(SEALED)]
    assert "SVC-1" in logs


def test_a_password_in_clear_in_the_journal_is_rejected_and_not_kept(here):
    event = activated(2, ppp=login(2, FIRST))
    here.say(event)
    assert here.outcome(event).startswith("rejected: not-sealed")
    assert FIRST not in everything_in(here.client)
    (dead_letter,) = here.store.dead_letters.all()
    assert "user2@isp" in dead_letter.body


def test_another_key_writes_nothing_and_ends_no_session(here):
    event = activated(3, plan={"code": "gold"})
    here.apply(event)
    here.r["R1"].ppp_login(*login(3).values(), redials=True)
    (before,) = here.sessions_of(3)
    old = here.key_file.read_text()
    here.key_file.write_text(f"{old}\n{key()}")
    here.load()
    new = here.key_file.read_text().split()
    here.key_file.write_text("\n".join(reversed(new)))
    here.load()
    written = len(here.r["R1"].journal())
    here.store.routers.add_work("R1", ["SVC-3"])
    here.drain()
    session = here.sessions.open("R1")
    found = read_fully(here.store, session, "R1", here.policies["R1"].held_in(session.entries))
    here.sessions.give_back("R1", session)
    assert differences(found.plan) == []
    # a resync brings the same password, sealed by the new key
    again = here.apply(activated(3, plan={"code": "gold"}, revision=2))
    assert here.outcome(again).startswith("applied")
    assert len(here.r["R1"].journal()) == written
    assert here.sessions_of(3)[0]["session-id"] == before["session-id"]
    here.apply(ppp_changed(3, password=OTHER, revision=3))
    assert here.secret(3)["password"] == OTHER


def test_what_is_exported_is_sealed_and_comes_back_the_same(here):
    here.apply(activated(4, ppp=login(4, FIRST)))
    data = snapshot_of(here.record("SVC-4"))
    assert FIRST not in json.dumps(data)
    made = event_of(flat_fields(data))
    assert made["data"]["service"] == data["service"]
    event = builders.event("snapshot", "SVC-4", revision=2, service=made["data"]["service"])
    assert here.outcome(here.apply(event)) == "applied: already-current"
    assert here.secret(4)["password"] == FIRST
