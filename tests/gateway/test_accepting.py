"""`POST /v1/events` and `/v1/validate`: what is taken in."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.names import journal_body
from tests import builders
from tests.gateway.asking import post, post_batch, refusal
from worker.intake.accept import Accept

pytestmark = pytest.mark.redis


def test_an_event_is_in_the_journal_when_202_is_answered(gateway):
    event = builders.mac_changed(id_="e-1")
    answer = post(gateway.client(), event)
    assert answer.status_code == 202
    assert answer.json() == {
        "receipts": [
            {
                "id": "e-1",
                "source": builders.SOURCE,
                "status": "accepted",
                "duplicate": False,
                "status_url": "/v1/events/e-1",
            }
        ]
    }
    assert answer.headers["location"] == "/v1/events/e-1"
    key = journal_body(gateway.context.settings.key_prefix, "events")
    (body,) = gateway.store.client.hvals(key)
    assert json.loads(body)["id"] == "e-1"
    status = gateway.client().get(answer.headers["location"])
    assert status.status_code == 200
    assert status.json()["state"] == "journaled"


def test_plain_json_is_read_as_structured(gateway):
    answer = gateway.client().post("/v1/events", json=builders.mac_changed())
    assert answer.status_code == 202


def test_binary_mode_says_the_same_event(gateway):
    event = builders.mac_changed(id_="e-1")
    headers = {f"ce-{name}": value for name, value in event.items() if isinstance(value, str)}
    headers.pop("ce-datacontenttype")
    answer = gateway.client().post("/v1/events", json=event["data"], headers=headers)
    assert answer.status_code == 202, answer.text
    key = journal_body(gateway.context.settings.key_prefix, "events")
    (body,) = gateway.store.client.hvals(key)
    assert json.loads(body)["data"] == event["data"]
    assert json.loads(body)["subject"] == "service/SVC-1"


def test_a_batch_is_accepted_as_a_whole(gateway):
    events = [builders.mac_changed(f"SVC-{n}", id_=f"e-{n}") for n in range(500)]
    answer = post_batch(gateway.client(), events)
    assert answer.status_code == 202
    assert [each["id"] for each in answer.json()["receipts"]] == [f"e-{n}" for n in range(500)]
    assert gateway.journaled() == 500


def test_one_invalid_event_refuses_the_whole_batch(gateway):
    events = [builders.mac_changed("SVC-1"), builders.mac_changed("SVC-2", mac="ff:ff:ff:ff:ff:ff")]
    document = refusal(post_batch(gateway.client(), events), 422, "invalid-event")
    (error,) = document["errors"]
    assert (error["index"], error["pointer"], error["code"]) == (1, "/data/mac", "mac-group")
    assert "ff:ff" not in json.dumps(document)
    assert gateway.journaled() == 0


def test_a_repeated_request_is_a_duplicate(gateway):
    client, event = gateway.client(), builders.mac_changed(id_="e-1")
    post(client, event)
    again = post(client, event)
    assert again.status_code == 202
    assert again.json()["receipts"][0]["duplicate"]
    assert gateway.journaled() == 1


def test_a_reused_id_is_reported(gateway):
    client = gateway.client()
    post(client, builders.mac_changed(id_="e-1"))
    other = builders.mac_changed(id_="e-1", mac=builders.mac(9))
    document = refusal(post(client, other), 422, "event-id-reused")
    assert document["errors"][0]["pointer"] == "/id"
    batch = post_batch(client, [other, builders.mac_changed("SVC-2", id_="e-2")])
    assert [each["status"] for each in batch.json()["receipts"]] == ["rejected", "accepted"]


@pytest.mark.parametrize("headers", [{}, {"Prefer": "wait=5"}])
def test_a_reused_id_is_reported_after_the_first_event_left_the_journal(gateway, headers):
    """What was applied long ago must not be what a BSS takes for its new event's state."""
    client, first = gateway.client(), builders.activated(id_="e-1")
    post(client, first)
    Accept(gateway.store, gateway.context.inventory.sources, {}).run((), "events")
    assert gateway.journaled() == 0
    other = builders.activated(id_="e-1", mac=builders.mac(9))
    document = refusal(post(client, other, **headers), 422, "event-id-reused")
    assert document["errors"][0]["pointer"] == "/id"
    assert gateway.journaled() == 0
    batch = post_batch(client, [other, builders.mac_changed(id_="e-2")])
    assert [each["status"] for each in batch.json()["receipts"]] == ["rejected", "accepted"]
    assert batch.json()["receipts"][0]["reason"] == "event-id-reused"
    again = post(client, first)
    assert again.status_code == 202
    assert again.json()["receipts"][0]["duplicate"]


def test_two_events_with_one_id_at_once_are_told_apart(gateway):
    events = [builders.mac_changed(id_="e-1", mac=builders.mac(n)) for n in range(1, 9)]
    clients = [gateway.client() for _ in events]
    with ThreadPoolExecutor(8) as pool:
        codes = [each.status_code for each in pool.map(post, clients, events)]
    assert sorted(codes) == [202] + [422] * 7


def test_what_arrives_together_is_one_message(gateway):
    clients = [gateway.client() for _ in range(16)]
    for client in clients:  # connected, and the keys read
        client.get("/healthz")
    events = [builders.mac_changed(f"SVC-{n}") for n in range(64)]
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda n: post(clients[n % 16], events[n]).status_code, range(64)))
    assert set(done) == {202}
    assert gateway.journaled() == 64
    # The first rings; as nobody takes its message, none of the others does.
    assert gateway.store.client.llen(gateway.store.keys.queue("events")) == 1


def test_validating_changes_nothing(gateway):
    client = gateway.client("read")
    event = builders.mac_changed(mac="0000.5e00.5302")
    answer = post(client, event, "/v1/validate")
    assert answer.status_code == 200
    assert answer.json()["events"][0]["data"]["mac"] == "00:00:5E:00:53:02"
    wrong = builders.mac_changed(mac="x")
    refusal(post(client, wrong, "/v1/validate"), 422, "invalid-event")
    assert gateway.journaled() == 0


def test_prefer_wait_ends_in_time(gateway):
    before = time.monotonic()
    answer = post(gateway.client(), builders.mac_changed(), Prefer="respond-async, wait=1")
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert 0.9 < time.monotonic() - before < 5


def test_events_sent_to_two_gateways_at_once_are_taken_once(valkey, gateway_at):
    events = [builders.mac_changed(id_=f"e-{n}", revision=n) for n in range(1, 21)]
    with gateway_at(valkey.url) as here, gateway_at(valkey.url) as there:
        token = here.key().token
        clients = [here.client_of(token), there.client_of(token)]

        def send(client):
            return [post(client, event).json()["receipts"][0]["duplicate"] for event in events]

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(send, clients))
        assert [sorted(pair) for pair in zip(*found, strict=True)] == [[False, True]] * 20
        assert there.journaled() == 20
