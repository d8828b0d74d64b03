import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import redis

from contracts.identity import event_key
from contracts.names import TASK_ACCEPT, journal_body, journal_due, journal_notified
from contracts.parse import parse_event
from producers.connection import open_publisher
from producers.errors import BatchViolation, KeyRefused, PublishFailed
from producers.journal_transport import CHECK_EVERY_S, Headroom, JournalTransport
from producers.publisher import Publisher
from producers.transport import MAX_MESSAGE_BYTES
from tests.celery_client import stock_app

pytestmark = pytest.mark.redis

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
SOURCE = "urn:isp:bss:acme"
PASSWORD = "p@ss/word:1"


def mac_changed(number, **changes):
    return {
        "id": f"e-{number}",
        "source": SOURCE,
        "type": "leasewire.service.mac_changed.v1",
        "time": "2026-11-24T10:00:00Z",
        "data": {"service_id": f"SVC-{number}", "revision": 1, "mac": "0000.5e00.5302"},
    } | changes


def key(number):
    return event_key(SOURCE, f"e-{number}")


class Lane:
    """What a lane holds, read with a plain client."""

    def __init__(self, server, prefix, name="events"):
        self.client = server.client()
        self.prefix = prefix
        self.name = name

    @property
    def bodies(self):
        return self.client.hgetall(journal_body(self.prefix, self.name))

    @property
    def due(self):
        return dict(self.client.zrange(journal_due(self.prefix, self.name), 0, -1, withscores=True))

    @property
    def messages(self):
        return self.client.llen(self.prefix + self.name)

    def end_ring(self):
        self.client.delete(journal_notified(self.prefix, self.name))


@pytest.fixture
def lane(valkey, prefix):
    lane = Lane(valkey, prefix)
    yield lane
    lane.client.close()


@pytest.fixture
def publisher(valkey, prefix):
    publisher = open_publisher(valkey.url, clock=lambda: NOW, prefix=prefix)
    yield publisher
    publisher.close()


def test_the_events_of_one_call_stand_in_their_order(publisher, lane):
    publisher.publish([mac_changed(number) for number in range(500)])
    order = [key(number) for number in range(500)]
    assert list(lane.due) == order
    moments = lane.due.values()
    assert max(moments) - min(moments) < 1


def receive(server, prefix, queue="events"):
    """Take one message off a queue as a worker does: with kombu."""
    app = stock_app(server.url, prefix)
    with app.connection_for_read() as connection:
        message = connection.SimpleQueue(queue).get(timeout=5)
        message.ack()
    app.close()
    return message


def test_a_published_event_is_in_the_journal_and_a_message_calls_for_it(
    publisher, valkey, lane, prefix
):
    (receipt,) = publisher.publish([mac_changed(1)])
    assert (receipt.event_id, receipt.source) == ("e-1", SOURCE)
    assert receipt.event_key == key(1)
    assert receipt.notified
    assert not receipt.id_reused
    event = json.loads(lane.bodies[key(1)])
    assert event["data"]["mac"] == "00:00:5E:00:53:02"
    assert parse_event(event).data.service_id == "SVC-1"
    message = receive(valkey, prefix)
    arguments, keywords, _ = message.payload
    assert arguments == [[], "events"]  # the journal holds it, and a purge finds it there
    assert keywords == {}
    assert message.headers["task"] == TASK_ACCEPT
    assert message.headers["ignore_result"] is True
    assert message.delivery_info == {"exchange": "", "routing_key": "events"}
    ids = {message.headers["id"], message.properties["correlation_id"], message.delivery_tag}
    assert len(ids) == 1


def test_an_entry_is_due_at_once_by_the_servers_clock(publisher, lane):
    def server_ms():
        seconds, microseconds = lane.client.time()
        return seconds * 1000 + microseconds // 1000

    before = server_ms()
    publisher.publish([mac_changed(number) for number in range(500)])
    after = server_ms()
    # not a millisecond later: the message is there at once, and who takes it looks once
    assert all(before - 1 <= due <= after for due in lane.due.values())
    assert max(lane.due.values()) < after


def test_no_two_messages_have_one_id(publisher, valkey, lane, prefix):
    ids = set()
    for number in range(20):
        publisher.publish([mac_changed(number)])
        lane.end_ring()
        ids.add(receive(valkey, prefix).headers["id"])
    assert len(ids) == 20


def test_while_a_message_is_pending_no_other_is_sent(publisher, lane):
    first, second = publisher.publish([mac_changed(1)]) + publisher.publish([mac_changed(2)])
    assert (first.notified, second.notified) == (True, False)
    assert lane.messages == 1
    assert lane.bodies.keys() == {key(1), key(2)}
    lane.end_ring()
    assert publisher.publish([mac_changed(3)])[0].notified
    assert lane.messages == 2


def test_a_notification_expires_by_itself(publisher, lane, prefix):
    publisher.publish([mac_changed(1)])
    assert 0 < lane.client.pttl(journal_notified(prefix, "events")) <= 2000


def test_one_message_calls_for_all_events_of_a_call(publisher, lane):
    receipts = publisher.publish(mac_changed(number) for number in range(1201))
    assert len(lane.bodies) == len(lane.due) == 1201
    assert [receipt.notified for receipt in receipts] == [True] * 500 + [False] * 701
    assert lane.messages == 1


def test_large_events_are_written_by_smaller_calls(publisher, lane):
    events = [mac_changed(number, filler="x" * 60_000) for number in range(40)]
    first = [receipt for receipt in publisher.publish(events) if receipt.notified]
    assert len(lane.bodies) == 40
    assert len(first) == MAX_MESSAGE_BYTES // 60_300


def test_the_bulk_lane_has_a_journal_and_a_queue_of_its_own(publisher, valkey, lane, prefix):
    publisher.publish([mac_changed(1)])
    (receipt,) = publisher.publish([mac_changed(2)], lane="bulk")
    bulk = Lane(valkey, prefix, "bulk")
    assert receipt.notified
    assert (lane.bodies.keys(), bulk.bodies.keys()) == ({key(1)}, {key(2)})
    assert receive(valkey, prefix, "bulk").payload[0][1] == "bulk"
    bulk.client.close()


def test_an_event_in_the_journal_is_left_as_it_is(publisher, lane):
    publisher.publish([mac_changed(1)])
    lane.client.zadd(journal_due(lane.prefix, "events"), {key(1): 5})
    before = lane.bodies
    (receipt,) = publisher.publish([mac_changed(1, traceparent="00-x")])
    assert not receipt.id_reused
    assert lane.bodies == before
    assert lane.due == {key(1): 5}


@pytest.mark.parametrize("decode", [True, False])
def test_an_id_reused_for_another_event_is_reported_and_not_sent(valkey, lane, prefix, decode):
    client = redis.Redis.from_url(valkey.url, decode_responses=decode)
    with Publisher(JournalTransport(client, prefix=prefix), clock=lambda: NOW) as publisher:
        publisher.publish([mac_changed(1)])
        receive(valkey, prefix)
        lane.end_ring()
        other = mac_changed(1, subject="service/SVC-9")
        other["data"] = other["data"] | {"service_id": "SVC-9"}
        reused, fine = publisher.publish([other, mac_changed(2)])
    assert (reused.id_reused, reused.notified) == (True, False)
    assert (fine.id_reused, fine.notified) == (False, True)
    assert "SVC-9" not in lane.bodies[key(1)]


def test_an_event_with_a_revision_may_be_published_again_at_another_time(publisher, lane):
    event = {k: v for k, v in mac_changed(1).items() if k != "id"}
    (one,) = publisher.publish([event])
    (two,) = publisher.publish([event | {"time": "2026-11-24T09:00:00Z"}])
    assert two.event_key == one.event_key
    assert not two.id_reused
    assert len(lane.bodies) == 1


def test_the_same_event_twice_in_a_call_is_written_once(publisher, lane):
    one, two = publisher.publish([mac_changed(1), mac_changed(1)])
    assert one == two
    assert len(lane.bodies) == 1


def test_a_broken_event_keeps_the_whole_call_out(publisher, lane):
    events = [
        mac_changed(0),
        mac_changed(1, data={"service_id": "SVC-1", "mac": "zz", "x": 1}),
        json.dumps(mac_changed(2))[:-1],
        mac_changed(0, data={"service_id": "SVC-0", "revision": 9, "mac": "00:00:5E:00:53:99"}),
    ]
    with pytest.raises(BatchViolation) as raised:
        publisher.publish(events)
    assert [(index, p.pointer, p.code) for index, p in raised.value.problems] == [
        (1, "/data/mac", "mac-format"),
        (1, "/data/x", "unknown-field"),
        (2, "", "malformed-json"),
        (3, "/id", "event-id-reused"),
    ]
    assert "event 1: /data/mac is not a MAC" in str(raised.value)
    assert lane.client.keys(lane.prefix + "*") == []


def test_nothing_is_written_for_no_events(publisher, lane):
    assert publisher.publish([]) == []
    assert lane.client.keys(lane.prefix + "*") == []


def test_an_unreachable_redis_is_reported(prefix):
    publisher = open_publisher("redis://127.0.0.1:1", clock=lambda: NOW, prefix=prefix)
    with pytest.raises(PublishFailed, match="cannot be reached: start it") as raised:
        publisher.publish([mac_changed(1)])
    assert raised.value.receipts == ()
    publisher.close()


def test_a_wrong_password_is_reported_without_the_password(own_valkey, prefix):
    with own_valkey.client() as client:
        client.config_set("requirepass", PASSWORD)
    publisher = open_publisher(
        own_valkey.url, clock=lambda: NOW, prefix=prefix, password=PASSWORD + "x"
    )
    with pytest.raises(KeyRefused, match="refuses the login") as raised:
        publisher.publish([mac_changed(1)])
    assert PASSWORD not in str(raised.value) + repr(raised.value)
    publisher.close()


def test_with_the_right_password_everything_works(own_valkey, prefix):
    with own_valkey.client() as client:
        client.config_set("requirepass", PASSWORD)
    publisher = open_publisher(own_valkey.url, clock=lambda: NOW, prefix=prefix, password=PASSWORD)
    assert publisher.publish([mac_changed(1)])[0].notified
    publisher.close()


def full(server, client):
    client.config_set("maxmemory", "1")


def read_only(server, client):
    client.replicaof("127.0.0.1", "1")


def disk_gone(server, client):
    client.config_set("save", "3600 1")
    shutil.rmtree(server.directory)
    client.bgsave()
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        pass


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (full, "no events are taken"),
        (read_only, "read-only replica"),
        (disk_gone, "write to its disk"),
    ],
)
def test_a_redis_that_refuses_writes_is_reported_and_nothing_is_half_done(
    own_valkey, prefix, breaks, said
):
    client = own_valkey.client()
    with Publisher(JournalTransport(client, prefix=prefix), clock=lambda: NOW) as publisher:
        client.ping()
        breaks(own_valkey, client)
        with pytest.raises(PublishFailed, match=said):
            publisher.publish([mac_changed(1), mac_changed(2)])
        assert client.keys(prefix + "*") == []
        client.config_set("save", "")  # else it would not stop
    own_valkey.directory.mkdir(exist_ok=True)


def test_from_80_percent_on_nothing_is_taken_in_until_there_is_room_again(own_valkey, prefix):
    seconds = [0.0]
    with (
        own_valkey.client() as client,
        open_publisher(own_valkey.url, clock=lambda: NOW, prefix=prefix) as publisher,
    ):
        publisher._transport._headroom = Headroom(client, lambda: seconds[0])  # noqa: SLF001 - its clock

        def publish_at(share, number):
            client.config_set("maxmemory", int(client.info("memory")["used_memory"] / share))
            seconds[0] += CHECK_EVERY_S
            return publisher.publish([mac_changed(number)])

        for number in range(100):  # in small parts: buffers must be nothing beside it
            client.set(f"ballast-{number}", "x" * 100_000)
        assert publish_at(0.75, 1)
        with pytest.raises(PublishFailed, match=r"8[0-9]% of its maxmemory.*leasewire status"):
            publish_at(0.85, 2)
        assert client.hkeys(journal_body(prefix, "events")) == [key(1)]
        assert publish_at(0.75, 3)


class FullHost:
    """A Redis without maxmemory on a host that is nearly full."""

    def info(self, section):
        return {"maxmemory": 0, "total_system_memory": 1_000, "used_memory": 850}


def test_without_maxmemory_the_hosts_memory_ends_intake(publisher, lane):
    publisher._transport._headroom = Headroom(FullHost())  # noqa: SLF001 - a host cannot be filled
    with pytest.raises(PublishFailed, match="uses 85% of its host's memory: from 80% on no events"):
        publisher.publish([mac_changed(1)])


def test_a_user_who_may_not_read_memory_figures_publishes(own_valkey, prefix):
    with own_valkey.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-info")
        client.config_set("maxmemory", 1_000_000_000)
    with open_publisher(own_valkey.url, clock=lambda: NOW, prefix=prefix) as publisher:
        assert publisher.publish([mac_changed(1)])


def test_a_journal_key_of_another_kind_stops_the_script_before_it_writes(publisher, lane, prefix):
    lane.client.set(journal_due(prefix, "events"), "not a sorted set")
    with pytest.raises(PublishFailed, match="refuses the write"):
        publisher.publish([mac_changed(1)])
    assert lane.bodies == {}


def test_what_was_written_before_a_failure_has_its_receipts(publisher, lane, prefix):
    def events():
        yield from (mac_changed(number) for number in range(501))

    class Failing:
        """The real script until its second call."""

        def __init__(self, script):
            self.script = script
            self.calls = 0

        def __call__(self, **arguments):
            self.calls += 1
            if self.calls == 2:
                lane.client.delete(journal_due(prefix, "events"))
                lane.client.set(journal_due(prefix, "events"), "x")
            return self.script(**arguments)

    publisher._transport._script = Failing(publisher._transport._script)  # noqa: SLF001 - the only way in between
    with pytest.raises(PublishFailed, match="500 events were written before") as raised:
        publisher.publish(events())
    assert len(raised.value.receipts) == len(lane.bodies) == 500


def test_many_publishers_at_once_lose_nothing_and_count_their_notifications(valkey, lane, prefix):
    def publish(thread):
        with open_publisher(valkey.url, clock=lambda: NOW, prefix=prefix) as publisher:
            return [
                receipt
                for number in range(25)
                for receipt in publisher.publish([mac_changed(thread * 100 + number)])
            ]

    with ThreadPoolExecutor(4) as pool:
        receipts = [receipt for done in pool.map(publish, range(4)) for receipt in done]
    assert lane.bodies.keys() == {receipt.event_key for receipt in receipts}
    assert len(lane.bodies) == 100
    assert lane.messages == sum(receipt.notified for receipt in receipts) > 0
