"""The outbox in a real PostgreSQL, relayed to a small gateway, or into the journal."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime

import psycopg
import pytest

from contracts.names import journal_body
from producers import HttpTransport, Publisher
from producers.outbox.relay import AnotherRelay, OutboxRelay, ddl, open_database
from producers.transport import Backoff
from tests import builders
from tests.forking import Forked
from tests.producers.fake_gateway import FakeGateway
from tests.waiting import eventually

pytestmark = pytest.mark.redis

FAST = Backoff(first_s=0.02, cap_s=0.1)


def event(number, **changes):
    return builders.mac_changed(f"S{number % 5}", revision=number, id_=f"e{number}") | changes


@pytest.fixture
def gateway():
    with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
def relay_of(gateway):
    """Makes relays from an outbox to the gateway."""
    publishers = []

    def make(outbox, **more):
        transport = HttpTransport(gateway.url, "key", timeout_s=5)
        publishers.append(Publisher(transport, clock=lambda: datetime.now(UTC)))
        return OutboxRelay(open_database(outbox.url), publishers[-1], backoff=FAST, **more)

    yield make
    for publisher in publishers:
        publisher.close()


class Running:
    """A relay in a thread."""

    def __init__(self, relay):
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=relay.run, args=(self.stopping,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def once(relay):
    return relay.run_once(threading.Event(), lambda *_: None)


def test_the_table_may_be_made_again(outbox):
    outbox.add(event(1))
    outbox.sql(ddl())
    assert outbox.open() == ["e1"]
    assert outbox.sql(
        "SELECT position, id, source, type, subject, published_at, refused_at, refusal "
        "FROM leasewire_outbox"
    ) == [(1, "e1", builders.SOURCE, "leasewire.service.mac_changed.v1", "service/S1", *[None] * 3)]


@pytest.mark.parametrize("without", ["id", "source", "type", "data"])
def test_a_row_that_names_no_event_is_refused_by_the_database(outbox, without):
    broken = event(1)
    del broken[without]
    with pytest.raises(psycopg.IntegrityError):
        outbox.add(broken)


def test_rows_are_published_in_their_order_and_marked(outbox, relay_of, gateway):
    outbox.add(*(event(n) for n in range(1, 1202)))
    notified = []
    relay = relay_of(outbox)
    done = relay.run_once(threading.Event(), lambda *at: notified.append(at))
    assert (done.published, done.refused, done.failure) == (1201, 0, None)
    assert [i for _, i in gateway.taken] == [f"e{n}" for n in range(1, 1202)]
    assert outbox.open() == []
    assert notified == [(0, 1201), (500, 1201), (1000, 1201), (1201, 1201)]
    assert once(relay).published == 0
    assert len(gateway.requests) == 3


def test_an_event_without_a_time_is_of_when_its_row_was_written(outbox, relay_of, gateway):
    given = event(1)
    for name in ("time", "specversion", "subject", "datacontenttype"):
        del given[name]
    outbox.add(given)
    outbox.sql("UPDATE leasewire_outbox SET created_at = '2026-11-24 12:00+02'")
    assert once(relay_of(outbox)).published == 1
    assert b'"time":"2026-11-24T10:00:00Z"' in gateway.requests[0][1]


def test_a_refused_row_keeps_its_reason_and_delays_no_other(outbox, relay_of, gateway):
    gateway.never = {"e2"}
    broken = event(3)
    broken["data"] = broken["data"] | {"mac": "nonsense"}
    outbox.add(event(1), event(2), broken, event(4))
    done = once(relay_of(outbox))
    assert (done.published, done.refused) == (2, 2)
    assert gateway.ids() == ["e1", "e4"]
    refused = outbox.refused()
    assert refused["e2"].startswith("/id no")
    assert refused["e3"].startswith("/data/mac is not a MAC")
    gateway.never = set()
    outbox.sql("UPDATE leasewire_outbox SET refused_at = NULL WHERE id = 'e2'")
    assert once(relay_of(outbox)).published == 1


def test_one_relay_at_a_time_and_the_other_takes_over(outbox, relay_of, gateway):
    with Running(relay_of(outbox)) as first:
        outbox.add(event(1))
        eventually(lambda: gateway.ids() == ["e1"], "relayed")
        with pytest.raises(AnotherRelay, match="another relay is active"):
            once(relay_of(outbox))
        with Running(relay_of(outbox)):
            first.stopping.set()
            first.thread.join()
            outbox.add(event(2))
            eventually(lambda: gateway.ids() == ["e1", "e2"], "the second took over")


def test_rows_wait_while_the_way_in_or_the_database_is_away(outbox, relay_of, gateway):
    with Running(relay_of(outbox)):
        gateway.mode = "down"
        outbox.add(*(event(n) for n in range(1, 4)))
        eventually(lambda: len(gateway.requests) > 1, "tried again")
        assert len(outbox.open()) == 3
        gateway.mode = "deaf"
        eventually(lambda: gateway.taken, "taken, and not answered")
        assert len(outbox.open()) == 3
        gateway.mode = "up"
        eventually(lambda: outbox.open() == [], "queued")
        killing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        ours = f"{killing} AND application_name = 'leasewire-outbox'"
        assert outbox.sql(ours, outbox.name) == [(True,)]
        outbox.add(event(4))
        eventually(lambda: outbox.open() == [], "connected again")
    assert gateway.ids() == ["e1", "e2", "e3", "e4"]


def test_a_relay_that_is_to_end_waits_once_where_it_is_asked_to(outbox, relay_of, gateway):
    outbox.add(*(event(n) for n in range(1, 1002)))
    gateway.mode, gateway.retry_after = "busy", "1"
    done = once(relay_of(outbox))
    assert (done.published, len(gateway.requests)) == (0, 2)
    assert "busy" in str(done.failure)

    def let_in(rows, _):
        gateway.mode = "up" if rows != 500 or len(gateway.requests) > 3 else "busy"

    done = relay_of(outbox).run_once(threading.Event(), let_in)
    assert (done.published, done.failure) == (1001, None)
    assert outbox.open() == []


def test_rows_published_long_ago_are_removed(outbox, relay_of):
    outbox.add(event(1), event(2), event(3))
    once(relay_of(outbox))
    outbox.add(event(4))
    outbox.sql(
        "UPDATE leasewire_outbox SET published_at = now() - interval '31 days' WHERE id = 'e1'"
    )
    outbox.sql("UPDATE leasewire_outbox SET created_at = now() - interval '31 days'")
    once(relay_of(outbox, keep_days=0))
    assert len(outbox.sql("SELECT id FROM leasewire_outbox")) == 4
    once(relay_of(outbox))
    assert outbox.sql("SELECT id FROM leasewire_outbox ORDER BY 1") == [("e2",), ("e3",), ("e4",)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is no URL"),
        ("mysql://u@h/d", "must start with postgresql://"),
        ("postgresql://u:secret@h/d", "must hold no password"),
    ],
)
def test_a_wrong_url_is_reported(url, said):
    with pytest.raises(ValueError, match=said) as raised:
        open_database(url)
    assert "secret" not in str(raised.value)


@pytest.fixture
def command(valkey, prefix, tmp_path):
    """Starts `leasewire outbox …` with the test's Redis."""

    def start(*arguments):
        return Forked(
            [sys.executable, "-m", "leasewire", "outbox", *arguments],
            env=os.environ | {"LEASEWIRE_REDIS_URL": valkey.url, "LEASEWIRE_KEY_PREFIX": prefix},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def test_the_command_relays_into_the_journal_until_it_is_stopped(outbox, command, client, prefix):
    printed, _ = command("ddl").communicate()
    assert printed == ddl()
    outbox.add(*(event(n) for n in range(1, 4)))
    once, _ = command("relay", "--database", outbox.url, "--once").communicate()
    assert "3 rows published, 0 rejected." in once
    with command("relay", "--database", outbox.url) as process:
        outbox.add(event(4))
        eventually(
            lambda: client.hlen(journal_body(prefix, "events")) == 4,
            "all in the journal",
            within_s=30,
        )
        process.send_signal(signal.SIGTERM)
        assert "The relay has stopped." in process.communicate()[0]
        assert process.returncode == 0
    assert outbox.open() == []


def test_what_is_missing_is_printed_with_an_exit_code(outbox, command):
    outbox.sql("DROP TABLE leasewire_outbox")
    process = command("relay", "--database", outbox.url, "--once")
    assert "create the table: leasewire outbox ddl" in process.communicate()[0]
    assert process.returncode == 3
    process = command(
        "relay", "--database", outbox.url, "--once", "--gateway", "http://127.0.0.1:1"
    )
    assert "--gateway needs --key-file" in process.communicate()[0]
    assert process.returncode == 2
