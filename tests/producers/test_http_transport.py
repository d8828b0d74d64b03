"""What the gateway answers, and what becomes of it; against a small gateway on a socket."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from contracts.webhook_signature import new_secret, verify
from producers import AsyncPublisher, HttpTransport, Publisher, Spool
from producers.errors import EventsRefused, KeyRefused, PublishFailed, SpoolFailed
from producers.transport import Backoff
from tests import builders
from tests.producers.fake_gateway import FakeGateway
from tests.waiting import eventually

pytestmark = pytest.mark.redis  # sockets

FAST = Backoff(first_s=0.01, cap_s=0.05)


def event(number, service="S1"):
    return builders.mac_changed(service, revision=number, id_=f"e{number}")


@pytest.fixture
def gateway():
    with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
def publisher_of(gateway, tmp_path):
    """Makes publishers: `publisher_of(spool=True, …of the transport…)`."""
    made = []

    def make(*, spool=False, max_events=100_000, backoff=FAST, **transport):
        publisher = Publisher(
            HttpTransport(gateway.url, "lwk_secret", timeout_s=5, **transport),
            clock=lambda: datetime.now(UTC),
            spool=Spool(tmp_path / "spool", max_events=max_events) if spool else None,
            backoff=backoff,
        )
        made.append(publisher)
        return publisher

    yield make
    for publisher in made:
        publisher.close()


def test_events_go_in_batches_and_each_has_its_receipt(publisher_of, gateway):
    receipts = publisher_of().publish([event(n) for n in range(1, 502)])
    assert gateway.ids() == [f"e{n}" for n in range(1, 502)] == [r.event_id for r in receipts]
    assert not any(receipt.spooled for receipt in receipts)
    kinds = [headers["Content-Type"] for headers, _ in gateway.requests]
    assert kinds == ["application/cloudevents-batch+json", "application/cloudevents+json"]
    assert gateway.requests[0][0]["Authorization"] == "Bearer lwk_secret"


def test_each_attempt_has_a_new_signature_and_the_same_id(publisher_of, gateway):
    secret = new_secret()
    seconds = iter([1_000.0, 2_000.0])
    publisher = publisher_of(signing_secret=secret, clock=lambda: next(seconds))
    gateway.mode = "deaf"
    with pytest.raises(PublishFailed, match="did not answer"):
        publisher.publish([event(1), event(2)])
    gateway.mode = "up"
    publisher.publish([event(1), event(2)])
    found = []
    for at, (headers, body) in zip([1_000.0, 2_000.0], gateway.requests, strict=True):
        named = {name.lower(): value for name, value in headers.items()}
        assert named["webhook-timestamp"] == str(int(at))
        found.append(verify(secret, named, body, at))
    assert found[0] == found[1]


def test_a_refused_event_delays_no_other(publisher_of, gateway):
    gateway.never = {"e2"}
    for named in (True, False):
        gateway.named, gateway.taken = named, []
        with pytest.raises(EventsRefused, match="event e2: ") as raised:
            publisher_of().publish([event(n) for n in range(1, 6)])
        assert gateway.ids() == ["e1", "e3", "e4", "e5"]
        assert [receipt.event_id for receipt in raised.value.receipts] == ["e1", "e3", "e4", "e5"]


def test_a_refused_event_is_kept_in_the_dead_table(publisher_of, gateway, tmp_path):
    publisher = publisher_of(spool=True)
    gateway.never = {"e2"}
    with pytest.raises(EventsRefused):
        publisher.publish([event(1), event(2)])
    gateway.mode, gateway.never = "down", {"e4"}
    assert all(receipt.spooled for receipt in publisher.publish([event(3), event(4), event(5)]))
    gateway.mode = "up"
    assert publisher.flush(20)
    assert gateway.ids() == ["e1", "e3", "e5"]
    spool = Spool(tmp_path / "spool")
    assert [(dead.id, dead.reason) for dead in spool.dead()] == [
        ("e2", "/id no []"),
        ("e4", "/id no []"),
    ]
    spool.close()


def test_retry_after_is_obeyed(publisher_of, gateway):
    publisher = publisher_of(spool=True)
    gateway.mode, gateway.retry_after = "busy", "1"
    publisher.publish([event(1)])
    eventually(lambda: len(gateway.requests) == 2, "the drain tried once")
    tried_at = time.monotonic()
    gateway.mode = "up"
    publisher.publish([event(2)])  # does not shorten the wait
    assert publisher.flush(20)
    assert time.monotonic() - tried_at > 0.9
    assert gateway.ids() == ["e1", "e2"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("7", 7), ("soon", None), ("", None), ("Tue, 01 Jan 2019 00:00:00 GMT", 0)],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(publisher_of, gateway, said, meant):
    gateway.mode, gateway.retry_after = "busy", said
    with pytest.raises(PublishFailed, match="answers 503: busy") as raised:
        publisher_of().publish([event(1)])
    assert raised.value.retry_after_s == meant


def test_a_date_to_retry_after_counts_from_now(publisher_of, gateway):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    gateway.mode = "busy"
    gateway.retry_after = format_datetime(now + timedelta(seconds=40), usegmt=True)
    with pytest.raises(PublishFailed) as raised:
        publisher_of(clock=now.timestamp).publish([event(1)])
    assert raised.value.retry_after_s == 40


def test_a_refused_key_raises_and_keeps_what_was_spooled(publisher_of, gateway):
    publisher = publisher_of(spool=True)
    gateway.mode = "locked"
    with pytest.raises(KeyRefused, match=r"401: no such key; correct the key") as raised:
        publisher.publish([event(1)])
    assert "lwk_secret" not in repr(raised.value)
    gateway.mode = "down"
    publisher.publish([event(2)])
    gateway.mode = "locked"

    def notified():
        try:
            publisher.publish([event(3)])
        except KeyRefused:
            return True
        return False

    eventually(notified, "whoever publishes hears of the key")
    gateway.mode = "up"
    assert publisher.flush(20)
    assert gateway.ids()[0] == "e2"


def test_a_full_spool_raises_with_both_causes(publisher_of, gateway):
    publisher = publisher_of(spool=True, max_events=1, backoff=Backoff(first_s=60))
    gateway.mode = "down"
    publisher.publish([event(1)])
    with pytest.raises(SpoolFailed, match="is full") as raised:
        publisher.publish([event(2)])
    assert raised.value.receipts == ()


def test_what_is_no_gateway_is_not_believed(publisher_of, gateway):
    gateway.mode = "other"
    with pytest.raises(PublishFailed, match="without a receipt for each event"):
        publisher_of().publish([builders.mac_changed(id_="e1")])


@pytest.mark.parametrize("url", ["http://gateway.example", "http://192.0.2.1:8080", "gateway"])
def test_a_key_does_not_travel_in_plain(url):
    with pytest.raises(ValueError, match="must not be sent unencrypted: give an https:// URL"):
        HttpTransport(url, "key")


def test_an_event_loop_goes_on_while_events_are_published(publisher_of, gateway):
    async def story():
        async with AsyncPublisher(publisher_of(spool=True)) as publisher:
            gateway.mode = "down"
            (receipt,) = await publisher.publish([event(1)])
            assert receipt.spooled
            gateway.mode = "up"
            later, flushed = await asyncio.gather(
                publisher.publish([event(2)]), publisher.flush(20)
            )
            assert (later[0].event_id, flushed) == ("e2", True)

    asyncio.run(story())
    assert gateway.ids() == ["e1", "e2"]
