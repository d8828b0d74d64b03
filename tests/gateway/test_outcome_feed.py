"""`GET /v1/outcomes`: a key follows what becomes of the events of its sources, and of no others."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from gateway.api import connections
from gateway.api.api_keys import KeyScope
from tests import builders
from tests.gateway.asking import refusal
from tests.worker.desk import Desk
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import EffectReport, Outcome
from worker.store.commits import ServiceCommit
from worker.store.feed import Feed

pytestmark = pytest.mark.redis

NOC = "urn:isp:noc"


def say(gateway, number, state="accepted", source=builders.SOURCE, **more):
    at_ms = gateway.store.records.now_ms()
    event = EventRef(f"{source}{number}", f"e-{number}", source, "t")
    word = Outcome(event, "S", state, at_ms=at_ms, **more)
    gateway.store.records.commit([ServiceCommit("", outcomes=[word])], at_ms)


def asked(client, **query):
    answer = client.get("/v1/outcomes", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(page):
    return [(each["data"]["event"], each["data"]["state"]) for each in page["outcomes"]]


def test_pages_follow_each_other(gateway):
    for number in range(5):
        say(gateway, number)
    client = gateway.client()
    first = asked(client, most=3)
    assert (len(first["outcomes"]), first["more"]) == (3, True)
    second = asked(client, most=3, cursor=first["next"])
    assert seen(first) + seen(second) == [(f"e-{n}", "accepted") for n in range(5)]
    say(gateway, 0, "applied", router="R1")
    assert seen(asked(client, cursor=second["next"])) == [("e-0", "applied")]


def test_each_outcome_is_a_cloudevent_with_a_unique_id(gateway):
    say(gateway, 1)
    say(gateway, 1, "applied")
    page = asked(gateway.client())
    ids = {each["id"] for each in page["outcomes"]}
    assert len(ids) == 2
    assert [each["type"] for each in page["outcomes"]] == [
        "leasewire.outcome.accepted.v1",
        "leasewire.outcome.applied.v1",
    ]
    for each in page["outcomes"]:
        body = json.dumps(each).encode()
        event = from_structured_event(
            HTTPMessage({"Content-Type": "application/cloudevents+json"}, body)
        )
        assert event.get_source() == "urn:leasewire:acme"


def test_a_key_reads_outcomes_of_its_own_sources_only(gateway):
    say(gateway, 1)
    say(gateway, 2, source=NOC)
    assert seen(asked(gateway.client())) == [("e-1", "accepted")]
    both = gateway.client(sources=(builders.SOURCE, NOC))
    assert len(asked(both)["outcomes"]) == 2
    assert seen(asked(both, source=NOC)) == [("e-2", "accepted")]
    answer = gateway.client().get("/v1/outcomes", params={"source": NOC})
    document = refusal(answer, 403, "source-not-allowed")
    assert f"not a source of this key; it has {builders.SOURCE}" in document["detail"]
    refusal(gateway.client(KeyScope.PUBLISH).get("/v1/outcomes"), 403, "scope-missing")


def test_a_wait_beyond_its_bounds_is_answered_with_them(gateway):
    answer = gateway.client().get("/v1/outcomes", params={"wait": 9999})
    message = "wait: Input should be less than or equal to 30"
    assert message in refusal(answer, 400, "malformed")["detail"]


def test_a_waiting_caller_is_answered_when_an_outcome_comes(gateway):
    client = gateway.client()
    cursor = asked(client, cursor="latest")["next"]
    found = []
    waiter = threading.Thread(target=lambda: found.append(asked(client, cursor=cursor, wait=20)))
    waiter.start()
    say(gateway, 1)
    waiter.join(10)
    assert seen(found[0]) == [("e-1", "accepted")]


def test_cursor_latest_starts_with_the_next_outcome(gateway):
    say(gateway, 1)
    client = gateway.client()
    page = asked(client, cursor="latest")
    assert page["outcomes"] == []
    say(gateway, 2)
    assert seen(asked(client, cursor=page["next"])) == [("e-2", "accepted")]


def test_a_cursor_that_is_too_old_is_answered_410(gateway):
    say(gateway, 1)
    client = gateway.client()
    cursor = asked(client)["next"]
    say(gateway, 2)
    gateway.store.feed.trim(gateway.store.records.now_ms() + 40 * 86_400_000)
    answer = client.get("/v1/outcomes", params={"cursor": cursor})
    document = refusal(answer, 410, "cursor-too-old")
    assert "/v1/services/" in document["detail"]


@pytest.mark.parametrize("cursor", ["x", "1", "-1-0", "1-0x", "9" * 40 + "-0"])
def test_an_invalid_cursor_is_refused(gateway, cursor):
    refusal(gateway.client().get("/v1/outcomes", params={"cursor": cursor}), 400, "malformed")


def test_a_mistyped_source_reads_that_it_is_unknown(gateway):
    typo, other = "urn:isp:bss:tset", "urn:isp:bss:tets"
    desk = Desk(gateway.store)
    desk.send(builders.activated(id_="e-1", source=typo), builders.activated(source=other))
    (notified,) = asked(gateway.client(sources=[typo]))["outcomes"]
    assert (notified["data"]["event"], notified["data"]["state"]) == ("e-1", "rejected")
    assert (
        notified["data"]["detail"] == f"no source {typo!r} in the inventory: add it under [sources]"
    )
    assert seen(asked(gateway.client())) == []


def test_effective_is_data_beside_the_sentence_effective_by(gateway):
    say(gateway, 1, "applied", effective_by="lease-time 1800s")
    (notified,) = asked(gateway.client())["outcomes"]
    data = notified["data"]
    assert data["effective_by"].endswith("by the end of the lease time of 30m")
    latest = datetime.fromisoformat(data["at"]) + timedelta(minutes=30)
    assert data["effective"]["rung"] == "lease-time"
    assert datetime.fromisoformat(data["effective"]["by"]) == latest


def test_what_does_not_act_yet_has_its_rung_reason_and_until_when(gateway):
    until_ms = gateway.store.records.now_ms() + 60_000
    report = EffectReport(
        "not-acting-yet", "address", until_ms - 59_000, 1_000, "keeps-old-lease", "wait", until_ms
    )
    say(gateway, 1, "not-acting-yet", effective_by="reconfigure 1800s", effect=report)
    (notified,) = asked(gateway.client())["outcomes"]
    assert notified["type"] == "leasewire.outcome.not-acting-yet.v1"
    effect = notified["data"]["effect"]
    assert (effect["rung"], effect["kind"], effect["reason"]) == (
        "reconfigure",
        "address",
        "keeps-old-lease",
    )
    assert effect["after_s"] == 1
    assert datetime.fromisoformat(effect["until"]) > datetime.fromisoformat(effect["at"])


def test_a_poll_ends_when_its_key_is_revoked(gateway, monkeypatch):
    made, looked, read = gateway.key("read"), threading.Event(), Feed.read

    def noted(*arguments, **more):
        looked.set()
        return read(*arguments, **more)

    monkeypatch.setattr(Feed, "read", noted)
    with ThreadPoolExecutor(1) as pool:
        client = gateway.client_of(made.token)
        poll = pool.submit(client.get, "/v1/outcomes", params={"wait": 20})
        assert looked.wait(10)
        before = time.monotonic()
        gateway.keys.revoke(made.key.id, "ann")
        refusal(poll.result(25), 401, "unauthorized")
    assert time.monotonic() - before < 10


def test_one_key_may_not_hold_every_connection(gateway, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 12)
    client = gateway.client("read")
    with ThreadPoolExecutor(4) as pool:
        before = time.monotonic()
        polls = [pool.submit(client.get, "/v1/outcomes", params={"wait": 5}) for _ in range(4)]
        first = next(as_completed(polls))
        assert first.result().is_success
        assert time.monotonic() - before < 4  # the fourth is answered at once
        assert all(each.result().is_success for each in polls)
