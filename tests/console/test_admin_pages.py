"""Audit, calendar, sources, API keys and people, over a running gateway."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.console.people import Role
from tests import builders
from tests.console.conftest import csrf_of, post
from worker.intake.accept import Accept

pytestmark = pytest.mark.redis

DAY_MS = 86_400_000


@pytest.fixture
def fold(console):
    """Folds events as a worker does."""
    inventory = console.context.inventory
    accept = Accept(console.store, inventory.sources, {})
    return lambda *events: accept.run(events, "events")


def in_days(console, days):
    at_s = console.store.records.now_ms() / 1000 + days * 86_400
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def entries(console, kind=""):
    return [entry for entry in console.store.audit.entries() if kind in ("", entry.kind)]


def test_the_audit_trail_is_filtered_and_exported(console):
    audit = console.store.audit
    audit.record("ann", "router.paused", "tower-7", "=cmd()")
    audit.record("bob (console)", "service.purged", "0f", '<img src="x">')
    page = console.viewer.get("/console/audit").text
    assert "tower-7" in page
    assert "&lt;img" in page
    assert "<img" not in page
    chosen = console.viewer.get("/console/audit.json", params={"by": "BOB"}).json()
    assert [entry["what"] for entry in chosen["entries"]] == ["service.purged"]
    assert not chosen["more"]
    page = console.viewer.get("/console/audit", params={"kind": "router", "by": "ann"}).text
    assert "/console/audit.csv?by=ann&amp;kind=router" in page
    file = console.viewer.get("/console/audit.csv", params={"kind": "router"})
    assert "attachment" in file.headers["content-disposition"]
    assert [*csv.reader(io.StringIO(file.text))][1][4] == "'=cmd()"
    lines = console.viewer.get("/console/audit.ndjson").text.splitlines()
    assert [json.loads(line)["by"] for line in lines] == ["bob (console)", "ann"]
    old = console.viewer.get("/console/audit.json", params={"until": "2020-01-01 06:00"})
    assert old.json()["entries"] == []
    wrong = console.viewer.get("/console/audit", params={"from": "yesterday"})
    assert (wrong.status_code, "2026-12-01 06:00" in wrong.text) == (400, True)


def test_pages_of_the_trail_follow_each_other(console):
    for number in range(30):
        console.store.audit.record("ann", "router.paused", f"R{number}")
    first = console.viewer.get("/console/audit.json").json()
    assert (len(first["entries"]), first["more"]) == (25, True)
    assert "page=2" in console.viewer.get("/console/audit").text
    second = console.viewer.get("/console/audit.json", params={"page": 2}).json()
    assert [entry["subject"] for entry in second["entries"]][-1] == "R0"
    assert not second["more"]


def test_who_is_cut_off_is_shown_by_day_and_may_be_withdrawn(console, fold):
    fold(*(builders.activated(f"SVC-{n}", mac=builders.mac(n)) for n in (1, 2, 3)))
    cut = builders.suspended("SVC-1", revision=2, effective_at=in_days(console, 2))
    fold(
        cut,
        builders.event("resumed", "SVC-2", revision=2, effective_at=in_days(console, 2)),
        builders.cancelled("SVC-3", revision=2, effective_at=in_days(console, 40)),
    )
    document = console.viewer.get("/console/calendar.json").json()
    assert [event["service"] for event in document["events"]] == ["SVC-1", "SVC-2"]
    day = document["days"][2]
    assert {name: day[name] for name in ("cut_off", "resumed", "moved", "other")} == {
        "cut_off": 1,
        "resumed": 1,
        "moved": 0,
        "other": 0,
    }
    chosen = {"list": "cut_off", "day": day["day"]}
    (event,) = console.viewer.get("/console/calendar.json", params=chosen).json()["events"]
    assert event["cuts_off"]
    wrong = console.viewer.get("/console/calendar", params={"day": "2020-01-01"})
    assert wrong.status_code == 400
    assert "Withdraw" not in console.viewer.get("/console/calendar").text

    place = {"id": "SVC-1", "key": event["key"]}
    assert console.viewer.get("/console/calendar/withdraw", params=place).status_code == 403
    page = console.operator.get("/console/calendar/withdraw", params=place).text
    assert cut["id"] in page
    refused = post(console.operator, "/console/calendar/withdraw", **place)
    assert "Give a reason" in refused.text
    done = post(console.operator, "/console/calendar/withdraw", **place, reason="paid <today>")
    assert "Withdrawn for service SVC-1" in done.text
    journal = console.store.client.hgetall(console.store.keys.journal("events").body)
    (withdrawal,) = map(json.loads, journal.values())
    assert withdrawal["data"]["withdraws"] == [cut["id"]]
    assert withdrawal["actor"] == "the-operator (console)"
    fold(withdrawal)
    document = console.viewer.get("/console/calendar.json").json()
    assert [event["service"] for event in document["events"]] == ["SVC-2"]
    ended = console.viewer.get("/console/calendar.json", params={"list": "ended"}).json()
    assert [event["state"] for event in ended["events"]] == ["withdrawn"]
    (entry,) = entries(console, "service")
    assert (entry.what, entry.subject) == ("service.schedule_withdrawn", "SVC-1")
    assert entry.detail.endswith("paid <today>")
    again = post(console.operator, "/console/calendar/withdraw", **place, reason="again")
    assert "Nothing was changed" in again.text
    assert len(entries(console, "service")) == 1


def test_sources_count_their_services_without_reading_them(console, fold):
    fold(*(builders.activated(f"SVC-{n}", mac=builders.mac(n)) for n in (1, 2, 3)))
    fold(builders.cancelled("SVC-3", revision=2))
    (cli, ours) = console.viewer.get("/console/sources.json").json()["sources"]
    assert (ours["source"], ours["services"], ours["events"]) == (builders.SOURCE, 2, 4)
    assert cli["services"] == 0
    page = console.viewer.get("/console/sources").text
    assert builders.SOURCE in page
    assert "/console/keys" not in page


def test_a_key_is_shown_once_and_revoked(console):
    assert console.operator.get("/console/keys").status_code == 403
    form = {"name": "billing", "sources": builders.SOURCE, "scope-publish": "1", "rate": "5"}
    refused = post(console.admin, "/console/keys/create", **form | {"sources": "no uri"})
    assert "No key was created" in refused.text
    assert post(console.operator, "/console/keys/create", **form).status_code == 403
    made = post(console.admin, "/console/keys/create", **form)
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    token = re.search(r"lw_[0-9a-f]{12}_[\w-]+", made.text)[0]
    secret = re.search(r"whsec_[\w+/=]+", made.text)[0]
    event = builders.activated("SVC-1")
    posted = console.browser().post(
        "/v1/events", json=event, headers={"Authorization": f"Bearer {token}"}
    )
    assert posted.status_code in (200, 202), posted.text
    listed = console.admin.get("/console/keys")
    assert "billing" in listed.text
    client = console.store.client
    kept = [client.xrange(console.store.keys.audit), console.admin.get("/console/keys.json").text]
    kept += [client.hgetall(key) for key in client.scan_iter("*session*")]
    for shown in (token, token.rpartition("_")[2], secret):
        assert shown not in str(kept)
        assert shown not in listed.text
        assert shown not in str(made.history)
    key = token.split("_")[1]
    page = console.admin.get("/console/keys/revoke", params={"id": key}).text
    assert "Revoke the key of billing" in page
    assert "is revoked" in post(console.admin, "/console/keys/revoke", id=key).text
    assert console.admin.get("/console/keys/revoke", params={"id": key}).status_code == 404
    what = [(entry.what, entry.by) for entry in entries(console, "key")]
    assert what == [
        ("key.revoked", "the-admin (console)"),
        ("key.created", "the-admin (console)"),
    ]


def test_who_is_removed_while_somebody_changes_the_role_stays_removed(console, monkeypatch):
    person = console.person("ann", "viewer")
    removed = []

    def remove_first(found, **changes):
        removed.append(console.people.remove("ann"))
        return replace(found, **changes)

    monkeypatch.setattr("gateway.console.people.replace", remove_first)
    assert not console.people.set_role(person.name, Role.ADMIN)
    assert (removed, console.people.all()) == ([True], [])


def test_admins_change_people(console):
    assert console.operator.get("/console/people").status_code == 403
    document = console.admin.get("/console/people.json")
    assert [person["name"] for person in document.json()["people"]] == ["the-admin", "the-operator"]
    assert "password" not in document.text
    alone = post(console.admin, "/console/person/remove", id="the-admin")
    assert "is the last admin" in alone.text
    alone = post(console.admin, "/console/person/role", id="the-admin", role="viewer")
    assert "is the last admin" in alone.text
    raised = post(console.admin, "/console/person/role", id="the-operator", role="admin")
    assert "the-operator is admin now" in raised.text
    assert console.operator.get("/console/people").status_code == 200
    post(console.admin, "/console/person/end-sessions", id="the-operator")
    assert console.operator.get("/console/people").status_code == 303
    viewer = console.viewer
    form = {"id": "the-admin", "csrf": csrf_of(viewer)}
    assert viewer.post("/console/person/remove", data=form).status_code == 403
    post(console.admin, "/console/person/remove", id="the-viewer")
    assert viewer.get("/console/audit").status_code == 303
    assert post(console.admin, "/console/person/remove", id="nobody").status_code == 200
    assert [entry.what for entry in entries(console, "person")] == [
        "person.removed",
        "person.sessions_ended",
        "person.role_changed",
    ]
