"""What keys may read, and what everybody may."""

import json
from pathlib import Path

import pytest

from contracts.events import EVENT_TYPES
from tests import builders
from tests.gateway.asking import post, post_batch, refusal
from worker.intake.accept import Accept

pytestmark = pytest.mark.redis

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples" / "v1"


def fold(gateway, *events):
    """What a worker would do with what is in the journal."""
    accept = Accept(gateway.store, gateway.context.inventory.sources, {})
    accept.run(events, "events")


def test_events_are_shown_to_keys_of_their_source(gateway):
    event = builders.activated(id_="e-1")
    assert post(gateway.client(), event).status_code == 202
    fold(gateway)
    mine = gateway.client("read").get("/v1/events/e-1")
    assert (mine.status_code, mine.json()["state"]) == (200, "accepted")
    other = gateway.client("read", sources=["urn:isp:other"])
    refusal(other.get("/v1/events/e-1"), 404, "not-found")
    source = {"source": builders.SOURCE}
    refusal(other.get("/v1/events/e-1", params=source), 403, "source-not-allowed")
    ops = gateway.client("ops", sources=[])
    assert ops.get("/v1/events/e-1", params=source).json() == mine.json()
    refusal(gateway.client("publish").get("/v1/events/e-1"), 403, "scope-missing")
    refusal(gateway.client_of("").get("/v1/events/e-1"), 401, "unauthorized")


def test_a_key_of_several_sources_gets_urls_that_name_one(gateway):
    client = gateway.client(sources=[builders.SOURCE, "urn:isp:other"])
    event = builders.mac_changed(id_="e-1", source="urn:isp:other")
    url = post(client, event).headers["location"]
    assert url == "/v1/events/e-1?source=urn%3Aisp%3Aother"
    assert client.get(url).json()["source"] == "urn:isp:other"


def test_an_event_seen_before_is_a_duplicate_though_its_journal_entry_is_gone(gateway):
    client, event = gateway.client(), builders.activated(id_="e-1")
    post(client, event)
    fold(gateway)
    assert gateway.journaled() == 0
    assert post(client, event).json()["receipts"][0]["duplicate"]


def test_services_are_shown_to_keys_of_their_owner(gateway):
    fold(gateway, builders.activated("SVC-1"), builders.suspended("SVC-1"))
    for path in ("/v1/services/SVC-1", "/v1/services/SVC-1/events"):
        other = gateway.client("read", sources=["urn:isp:other"])
        refusal(other.get(path), 404, "not-found")
        refusal(gateway.client("publish").get(path), 403, "scope-missing")
        refusal(gateway.client_of("").get(path), 401, "unauthorized")
        assert gateway.client("ops", sources=[]).get(path).status_code == 200
    service = gateway.client().get("/v1/services/SVC-1").json()
    assert service["status"] == "suspended"
    assert service["registers"]["mac"]["value"] == builders.mac(1)
    refusal(gateway.client().get("/v1/services/SVC-2"), 404, "not-found")


def test_a_long_history_comes_in_pages(gateway):
    revisions = range(1, 41)
    fold(gateway, *(builders.mac_changed(mac=builders.mac(n), revision=n) for n in revisions))
    client, lines, cursor = gateway.client(), [], "0"
    while cursor:
        page = client.get("/v1/services/SVC-1/events", params={"cursor": cursor}).json()
        assert 0 < len(page["history"]) <= 25
        lines += page["history"]
        cursor = page.get("next")
    moments = [line["at"] for line in lines]
    assert moments == sorted(moments, reverse=True)
    assert len(lines) >= 40
    wrong = client.get("/v1/services/SVC-1/events", params={"cursor": "x"})
    refusal(wrong, 400, "malformed")


def test_dead_letters_need_the_scope_ops(gateway):
    for client in (gateway.client(), gateway.client("override")):
        refusal(client.get("/v1/dead-letters"), 403, "scope-missing")
        refusal(client.post("/v1/dead-letters/x/retry"), 403, "scope-missing")
        refusal(client.post("/v1/dead-letters/x/discard"), 403, "scope-missing")
    refusal(gateway.client_of("").get("/v1/dead-letters"), 401, "unauthorized")


def test_schemas_are_open_and_tagged(gateway):
    client = gateway.client_of("")
    listed = client.get("/v1/schemas").json()["schemas"]
    assert {each["type"] for each in listed} == set(EVENT_TYPES)
    for each in listed:
        answer = client.get(each["url"])
        assert answer.json()["$id"] == f"urn:leasewire:schema:{each['type']}"
        tag = answer.headers["etag"]
        again = client.get(each["url"], headers={"If-None-Match": f'"x", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(each["url"], headers={"If-None-Match": '"x"'}).status_code == 200
    refusal(client.get("/v1/schemas/x"), 404, "not-found")


def test_an_unknown_route_is_answered_with_a_problem(gateway):
    client = gateway.client()
    refusal(client.get("/v2/events"), 404, "not-found")
    answer = client.put("/v1/events")
    refusal(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/services?state=active", "unknown query parameter state: did you mean status?"),
        ("/v1/services?limit=5", "it takes cursor, most, router, status, sync"),
        ("/v1/services/SVC-1?x=1", "unknown query parameter x: it takes none"),
        ("/v1/outcomes?curser=latest", "did you mean cursor?"),
    ],
)
def test_an_unknown_query_parameter_is_refused(gateway, path, message):
    answer = gateway.client().get(path)
    refusal(answer, 400, "malformed")
    assert message in answer.json()["detail"]


def test_events_in_an_unknown_lane_are_not_taken(gateway):
    client = gateway.client()
    refusal(client.post("/v1/events?lanes=bulk", json=builders.mac_changed()), 400, "malformed")
    assert (gateway.journaled(), gateway.journaled("bulk")) == (0, 0)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/v1/services"])
def test_head_is_get_without_the_body(gateway, path):
    client = gateway.client()
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert client.head("/v1/nothing").status_code == 404
    assert client.head("/v1/events").status_code == 405
    assert gateway.client_of("").head("/v1/services").status_code == 401


def test_the_examples_of_the_document_are_accepted(gateway):
    document = gateway.client_of("").get("/openapi.json").json()
    content = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    examples = content["application/cloudevents+json"]["examples"]
    assert len(examples) == len(EVENT_TYPES)
    client = gateway.client(sources=["urn:isp:bss:example"])
    for kind in ("application/cloudevents+json", "application/cloudevents-batch+json"):
        for name, example in content[kind]["examples"].items():
            place = example.get("$ref", "").rpartition("/")[2]
            said = document["components"]["examples"][place] if place else example
            answer = client.post(
                "/v1/events", content=json.dumps(said["value"]), headers={"Content-Type": kind}
            )
            if name == "ppp_changed":  # this gateway has no keys for its password
                assert "LEASEWIRE_SECRET_KEYS_FILE" in answer.text
            else:
                assert answer.status_code == 202, (name, answer.text)


def test_the_document_names_no_code_that_is_not_a_problem(gateway):
    document = gateway.client_of("").get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, said in operation["responses"].items():
                if int(status) >= 400:
                    assert "application/problem+json" in said["content"], (path, status)


def test_reading_counts_against_the_rate(gateway):
    client = gateway.client(rate=1.0)
    assert post_batch(client, [builders.mac_changed()] * 3).status_code == 202
    refusal(client.get("/v1/events/e-1"), 429, "rate-limited")


def test_the_document_is_rendered_once_and_has_a_tag(gateway):
    client = gateway.client_of("")
    first = client.get("/openapi.json")
    assert first.json()["openapi"].startswith("3.")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
