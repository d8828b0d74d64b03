"""The Python client and a real gateway: with Redis stopped it spools, and all arrives in order."""

import json
from datetime import UTC, datetime

import pytest

from producers import HttpTransport, Publisher, Spool
from producers.errors import EventsRefused
from producers.transport import Backoff
from tests import builders
from tests.waiting import eventually

pytestmark = pytest.mark.redis


def client(gateway, tmp_path, *, signed=False, sources=(builders.SOURCE,)):
    key = gateway.key(sources=sources, signature_required=signed)
    return Publisher(
        HttpTransport(gateway.url, key.token, signing_secret=key.key.signing_secret),
        clock=lambda: datetime.now(UTC),
        spool=Spool(tmp_path / "spool"),
        backoff=Backoff(first_s=0.05, cap_s=0.2),
    )


def event(number, service="S1"):
    return builders.mac_changed(service, revision=number, id_=f"e{number}")


def test_signed_batches_are_accepted_and_a_reused_id_is_reported(gateway, tmp_path):
    with client(gateway, tmp_path, signed=True) as publisher:
        assert len(publisher.publish([event(1), event(2)])) == 2
        again, other = publisher.publish(
            [event(1), event(2) | {"type": event(1)["type"], "data": event(3)["data"]}]
        )
        assert (again.journaled_before, again.id_reused) == (True, False)
        assert other.id_reused
    assert gateway.journaled() == 2


def test_a_source_that_the_key_does_not_have_is_refused_for_ever(gateway, tmp_path):
    with (
        client(gateway, tmp_path, sources=("urn:isp:other",)) as publisher,
        pytest.raises(EventsRefused, match="is not a source of this key"),
    ):
        publisher.publish([event(1)])
    assert gateway.journaled() == 0


def test_bulk_events_take_their_lane_out_of_the_spool_too(
    own_valkey, gateway_at, tmp_path, monkeypatch
):
    monkeypatch.setattr("gateway.api.problems._RETRY_S", (1, 1))
    with gateway_at(own_valkey.url) as gateway, client(gateway, tmp_path, signed=True) as publisher:
        publisher.publish([event(1), event(2)], lane="bulk")
        own_valkey.stop()
        assert publisher.publish([event(3)], lane="bulk")[0].spooled
        own_valkey.start()
        assert publisher.flush(20)
        assert (gateway.journaled("bulk"), gateway.journaled()) == (3, 0)


def test_with_redis_stopped_the_client_spools_and_all_arrives_in_order(
    own_valkey, gateway_at, tmp_path, monkeypatch
):
    monkeypatch.setattr("gateway.api.problems._RETRY_S", (1, 1))
    with gateway_at(own_valkey.url) as gateway, client(gateway, tmp_path) as publisher:
        assert not publisher.publish([event(1)])[0].spooled
        own_valkey.stop()
        receipts = [publisher.publish([event(n), event(n + 100, "S2")]) for n in range(2, 12)]
        assert all(each.spooled for both in receipts for each in both)
        own_valkey.start()
        assert publisher.flush(20)
        eventually(lambda: gateway.journaled() == 21, "all in the journal")
        lane = f"{gateway.context.settings.key_prefix}journal:events"
        with own_valkey.client() as redis:
            order = redis.zrange(f"{lane}:due", 0, -1)
            bodies = redis.hgetall(lane)
    ids = [json.loads(bodies[key])["id"] for key in order]
    assert [each for each in ids if int(each[1:]) < 100] == [f"e{n}" for n in range(1, 12)]
    assert [each for each in ids if int(each[1:]) > 100] == [f"e{n}" for n in range(102, 112)]
