"""Imports over HTTP go by the lane bulk, and hold up nobody."""

import pytest

from contracts.names import journal_body
from tests import builders
from tests.gateway.asking import post, post_batch, refusal

pytestmark = pytest.mark.redis

BULK = "/v1/events?lane=bulk"


def events(first, end):
    return [builders.mac_changed(f"SVC-{n}", id_=f"e-{n}") for n in range(first, end)]


def test_bulk_events_have_their_own_journal_and_queue(gateway):
    client = gateway.client()
    answer = post_batch(client, events(0, 3), BULK)
    assert answer.status_code == 202
    assert [each["status"] for each in answer.json()["receipts"]] == ["accepted"] * 3
    assert (gateway.journaled("bulk"), gateway.journaled()) == (3, 0)
    redis, keys = gateway.store.client, gateway.store.keys
    assert (redis.llen(keys.queue("bulk")), redis.llen(keys.queue("events"))) == (1, 0)
    assert client.get(answer.json()["receipts"][0]["status_url"]).json()["state"] == "journaled"

    assert post(client, builders.mac_changed(), "/v1/events?lane=events").status_code == 202
    assert (gateway.journaled("bulk"), gateway.journaled()) == (3, 1)
    again = post(client, events(0, 1)[0], BULK)
    assert again.json()["receipts"][0]["duplicate"]


@pytest.mark.parametrize("lane", ["", "routers", "Bulk"])
def test_an_unknown_lane_is_refused_before_anything_is_accepted(gateway, lane):
    answer = post(gateway.client(), builders.mac_changed(), f"/v1/events?lane={lane}")
    assert "lane" in refusal(answer, 400, "malformed")["detail"]
    assert gateway.journaled() == gateway.journaled("bulk") == 0


def test_a_full_bulk_lane_closes_nothing_else_until_it_is_drained_below_80_percent(
    valkey, gateway_at
):
    with gateway_at(valkey.url, bulk_limit=10) as gateway:
        client = gateway.client()
        assert post_batch(client, events(0, 10), BULK).status_code == 202
        answer = post(client, events(10, 11)[0], BULK)
        assert "journal of bulk has 10" in refusal(answer, 503, "overloaded")["detail"]
        assert 5 <= int(answer.headers["retry-after"]) <= 30
        assert post(client, builders.mac_changed()).status_code == 202
        assert client.get("/readyz").json() == {"status": "ready"}
        body = journal_body(gateway.context.settings.key_prefix, "bulk")
        keys = gateway.store.client.hkeys(body)
        gateway.store.client.hdel(body, *keys[:2])
        refusal(post(client, events(10, 11)[0], BULK), 503, "overloaded")  # 8 of 10 are 80 %
        gateway.store.client.hdel(body, keys[2])
        assert post(client, events(10, 11)[0], BULK).status_code == 202


def test_a_full_live_journal_does_not_close_the_bulk_lane(valkey, gateway_at):
    with gateway_at(valkey.url, depth_limit=1) as gateway:
        client = gateway.client()
        assert post(client, builders.mac_changed()).status_code == 202
        refusal(post(client, builders.mac_changed("SVC-2")), 503, "overloaded")
        assert post(client, builders.mac_changed("SVC-2"), BULK).status_code == 202


def test_an_import_does_not_use_up_the_rate_of_live_events(gateway):
    client = gateway.client(rate=1.0)
    assert post_batch(client, events(0, 200), BULK).status_code == 202
    refusal(post_batch(client, events(200, 201), BULK), 429, "rate-limited")
    assert post(client, builders.mac_changed()).status_code == 202


def test_the_lane_is_described(gateway):
    operation = gateway.client_of("").get("/openapi.json").json()["paths"]["/v1/events"]["post"]
    (lane,) = operation["parameters"]
    assert (lane["name"], lane["in"], lane["required"]) == ("lane", "query", False)
    assert (lane["schema"]["enum"], lane["schema"]["default"]) == (["events", "bulk"], "events")
    assert "imports" in lane["description"]
