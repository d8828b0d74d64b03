"""Every way in which a request to hand in events is refused."""

import json
import time

import pytest
import structlog

from contracts.identity import event_key
from contracts.names import journal_body
from tests import builders
from tests.gateway.asking import BATCH, STRUCTURED, post, post_batch, refusal
from tests.waiting import eventually

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("name", ["specversion", "id", "time", "source", "type"])
def test_required_attributes_are_not_filled_in(gateway, name):
    event = builders.mac_changed()
    del event[name]
    document = refusal(post(gateway.client(), event), 422, "invalid-event")
    assert [f"/{name}", "missing"] in [[e["pointer"], e["code"]] for e in document["errors"]]


def test_an_unknown_event_type_has_its_own_problem(gateway):
    event = builders.mac_changed() | {"type": "leasewire.service.painted.v1"}
    refusal(post(gateway.client(), event), 422, "unsupported-type")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", STRUCTURED),
        (b"\xff\xfe", STRUCTURED),
        (b"{}", BATCH),
        (b"[", BATCH),
        (b"[]", BATCH),
        (b'[{"a":1} {}]', BATCH),
        (b"{", {"Content-Type": "application/json", "ce-specversion": "1.0"}),
        (b'{},"id":"x"', {"Content-Type": "application/json", "ce-specversion": "1.0"}),
    ],
)
def test_invalid_json_is_malformed(gateway, body, headers):
    refusal(gateway.client().post("/v1/events", content=body, headers=headers), 400, "malformed")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {},
        {"Content-Type": "application/cloudevents+json; charset=latin-1"},
        STRUCTURED | {"Content-Encoding": "gzip"},
    ],
)
def test_other_content_types_are_refused(gateway, headers):
    answer = gateway.client().post("/v1/events", content=b"{}", headers=headers)
    refusal(answer, 415, "unsupported-media-type")


def test_too_much_is_refused(gateway):
    client = gateway.client()
    large = builders.mac_changed() | {"note": "x" * 65_536}
    refusal(post(client, large), 413, "too-large")
    many = [builders.mac_changed(f"SVC-{n}") for n in range(501)]
    refusal(post_batch(client, many), 413, "too-large")
    refusal(post_batch(client, ["x" * 1_048_576]), 413, "too-large")
    assert "index" in refusal(post_batch(client, [large]), 413, "too-large")["errors"][0]
    assert gateway.journaled() == 0


def test_an_array_of_numbers_is_refused_at_once(gateway):
    before = time.monotonic()
    body = b"[" + b"1," * 500_000 + b"1]"
    answer = gateway.client().post("/v1/events", content=body, headers=BATCH)
    refusal(answer, 413, "too-large")
    assert time.monotonic() - before < 5


@pytest.mark.parametrize(
    "authorization", ["", "Bearer lw_nobody_nothing", "Basic abc", "Bearer", "Bearer lw_x"]
)
def test_without_a_key_nothing_is_read(gateway, authorization):
    client = gateway.client_of("")
    answer = post(client, builders.mac_changed(), Authorization=authorization)
    refusal(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_is_refused_a_second_later(gateway):
    made = gateway.key()
    client = gateway.client_of(made.token)
    assert post(client, builders.mac_changed()).status_code == 202
    gateway.keys.revoke(made.key.id, "ann")
    deadline = time.monotonic() + 5
    while (answer := post(client, builders.mac_changed())).status_code != 401:
        assert time.monotonic() < deadline
    refusal(answer, 401, "unauthorized")


def test_a_key_with_a_wrong_secret_is_refused(gateway):
    token = gateway.key().token
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    refusal(post(gateway.client_of(wrong), builders.mac_changed()), 401, "unauthorized")


def test_a_key_publishes_for_its_sources_only(gateway):
    event = builders.mac_changed(source="urn:isp:other")
    document = refusal(post(gateway.client(), event), 403, "source-not-allowed")
    assert document["errors"][0]["pointer"] == "/source"
    assert f"it has {builders.SOURCE}" in document["errors"][0]["message"]
    assert gateway.journaled() == 0


def test_an_overriding_source_needs_a_key_with_scope_override(gateway):
    event = builders.mac_changed(source="urn:isp:noc")
    refusal(post(gateway.client(sources=["urn:isp:noc"]), event), 403, "source-not-allowed")
    override = gateway.client("publish", "override", sources=["urn:isp:noc"])
    assert post(override, event).status_code == 202


def test_an_override_names_the_key_as_actor(gateway):
    """Else a key could sign with any person's name."""
    made = gateway.key("publish", "override", sources=["urn:isp:noc", builders.SOURCE])
    client = gateway.client_of(made.token)
    said = {"actor": "alice@noc"}
    events = [
        builders.mac_changed(id_="e-1", source="urn:isp:noc") | said,
        builders.mac_changed("SVC-2", id_="e-2") | said,
    ]
    assert post_batch(client, events).status_code == 202
    body = journal_body(gateway.context.settings.key_prefix, "events")
    kept = [json.loads(each) for each in gateway.store.client.hvals(body)]
    actors = {each["id"]: each["actor"] for each in kept}
    assert actors == {"e-1": f"key {made.key.id} (test)", "e-2": "alice@noc"}
    again = post(client, builders.mac_changed(id_="e-1", source="urn:isp:noc"))
    assert again.json()["receipts"][0]["duplicate"]


def test_to_publish_needs_the_scope(gateway):
    refusal(post(gateway.client("read"), builders.mac_changed()), 403, "scope-missing")


def test_a_rate_limited_key_is_told_when_to_retry(gateway):
    client = gateway.client(rate=1.0)
    assert post_batch(client, [builders.mac_changed(f"SVC-{n}") for n in range(5)]).is_success
    answer = post(client, builders.mac_changed("SVC-6"))
    refusal(answer, 429, "rate-limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert post(gateway.client(), builders.mac_changed("SVC-6")).status_code == 202


def test_a_deep_journal_closes_intake_until_it_is_drained_below_80_percent(valkey, gateway_at):
    with gateway_at(valkey.url, depth_limit=10) as gateway:
        both = [builders.SOURCE, "urn:isp:other"]  # neither holds more than its half
        client = gateway.client(sources=both)
        events = [
            builders.mac_changed(f"SVC-{n}", id_=f"e-{n}", source=both[n % 2]) for n in range(10)
        ]
        assert post_batch(client, events).status_code == 202
        more = builders.mac_changed("SVC-10")
        answer = post(client, more)
        refusal(answer, 503, "overloaded")
        assert 5 <= int(answer.headers["retry-after"]) <= 30
        refusal(client.get("/readyz"), 503, "overloaded")
        body = journal_body(gateway.context.settings.key_prefix, "events")
        keys = [event_key(each["source"], each["id"]) for each in events]
        gateway.store.client.hdel(body, *keys[:2])
        refusal(post(client, more), 503, "overloaded")  # 8 of 10 are 80 %
        gateway.store.client.hdel(body, keys[2])
        assert post(client, more).status_code == 202
        assert client.get("/readyz").json() == {"status": "ready"}


def test_the_backlog_of_a_source_closes_intake_for_that_one(valkey, gateway_at):
    def said(number, source):
        return builders.mac_changed(f"SVC-{number}", id_=f"e-{number}", source=source)

    mine, theirs = builders.SOURCE, "urn:isp:other"
    with gateway_at(valkey.url, depth_limit=10) as gateway:
        loud, other = gateway.client(), gateway.client(sources=[theirs])
        events = [said(n, mine) for n in range(5)]
        assert post_batch(loud, events).status_code == 202
        document = refusal(post(loud, said(5, mine)), 503, "overloaded")
        assert "of this source" in document["detail"]
        assert post(other, said(6, theirs)).status_code == 202
        assert loud.get("/readyz").is_success
        body = journal_body(gateway.context.settings.key_prefix, "events")
        gateway.store.client.hdel(body, *(event_key(mine, f"e-{n}") for n in range(2)))
        eventually(lambda: post(loud, said(5, mine)).status_code == 202, "it is let in again")


def test_without_redis_the_answer_is_503_with_retry_after(own_valkey, gateway_at):
    with gateway_at(own_valkey.url) as gateway:
        client = gateway.client()
        assert post(client, builders.mac_changed()).status_code == 202
        own_valkey.stop()
        for answer in (
            post(client, builders.mac_changed()),
            client.get("/v1/events/e-1"),
            client.get("/readyz"),
        ):
            refusal(answer, 503, "overloaded")
            assert 5 <= int(answer.headers["retry-after"]) <= 30
            assert str(own_valkey.socket) not in answer.text
        assert client.get("/healthz").json() == {"status": "alive"}
        own_valkey.start()
        assert post(client, builders.mac_changed()).status_code == 202


def test_a_redis_that_refuses_the_gateway_is_reported_to_callers_and_log(own_valkey, gateway_at):
    with gateway_at(own_valkey.url) as gateway, own_valkey.client() as admin:
        client = gateway.client()
        assert post(client, builders.mac_changed()).status_code == 202
        admin.acl_setuser("default", enabled=True, reset_passwords=True, passwords=["+another"])
        admin.client_kill_filter(skipme=True, user="default")
        with structlog.testing.capture_logs() as lines:
            for answer in (
                post(client, builders.mac_changed()),
                client.get("/v1/events/e-1"),
                client.get("/readyz"),
            ):
                document = refusal(answer, 503, "overloaded")
            assert "refuses this gateway" in document["detail"]
        notified = [line for line in lines if line["event"] == "store.refused"]
        assert notified[0]["log_level"] == "error"
        assert "password" in notified[0]["advice"]
        admin.acl_setuser("default", enabled=True, nopass=True)
        assert post(client, builders.mac_changed()).status_code == 202


def test_a_full_redis_is_503(own_valkey, gateway_at):
    with gateway_at(own_valkey.url) as gateway:
        client = gateway.client()
        gateway.store.client.config_set("maxmemory", "1mb")
        refusal(post(client, builders.mac_changed()), 503, "overloaded")
        gateway.store.client.config_set("maxmemory", "0")
        deadline = time.monotonic() + 5
        while post(client, builders.mac_changed()).status_code != 202:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "path", ["/v1/events/", "/v1/services/", "/v1/services/SVC-1/", "/v1/schemas/", "/docs/"]
)
def test_a_path_with_a_trailing_slash_is_not_found(gateway, path):
    refusal(gateway.client().get(path), 404, "not-found")


def test_an_event_posted_with_a_trailing_slash_is_not_found(gateway):
    refusal(gateway.client().post("/v1/events/", json=builders.mac_changed()), 404, "not-found")
    assert gateway.journaled() == 0
