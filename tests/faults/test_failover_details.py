"""What makes a failover quick, part by part: no worker ends, and nobody stays with the former."""

import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import celery.worker.state
import kombu.utils.functional
import pytest
import redis
from celery.exceptions import WorkerShutdown
from kombu import Connection, Queue
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

import producers.connection
import producers.resend
import worker.runtime.transport
import worker.store.failover
from contracts.broker import broker_url
from contracts.names import journal_body
from leasewire.host.embedded import EmbeddedServer
from producers.accepted import AcceptedInMemory
from producers.connection import open_publisher
from producers.errors import PublishFailed
from producers.journal_transport import JournalTransport
from producers.publisher import Publisher
from tests.faults.load import activated
from tests.store.over_tcp import open_port
from worker.errors import StoreUnavailable
from worker.runtime.celery_app import celery_settings, make_app
from worker.settings import Settings
from worker.store.connection import connect

pytestmark = pytest.mark.redis


def publisher_of(url, prefix="lw:"):
    return open_publisher(url, clock=lambda: datetime.now(UTC), prefix=prefix)


@contextmanager
def silent_sentinel():
    """A Sentinel that takes connections and answers nobody; gives its port and who came."""
    came = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        yield listener.getsockname()[1], came
        while True:
            try:
                came.append(listener.accept()[0])
            except TimeoutError:
                break
        for client in came:
            client.close()


def test_a_sentinel_that_does_not_answer_is_asked_once_by_a_publisher():
    with silent_sentinel() as (port, came), pytest.raises(PublishFailed):
        publisher_of(f"sentinel://127.0.0.1:{port}/leasewire/0").publish([activated(1)])
    assert len(came) == 1


def test_a_sentinel_that_does_not_answer_is_not_asked_again_by_celery():
    with silent_sentinel() as (port, came):
        url = f"sentinel://127.0.0.1:{port}/leasewire/0"
        settings = celery_settings(Settings.load({"LEASEWIRE_REDIS_URL": url}))
        options = settings["broker_transport_options"]
        with (
            Connection(broker_url(url), transport_options=options) as connection,
            pytest.raises(connection.connection_errors),
        ):
            connection.connect()
    assert len(came) <= 2  # kombu asks for each of its two pools


SAID = {
    "leasewire": {
        "ip": "10.0.0.1",
        "port": 6379,
        "num-other-sentinels": 2,
        "is_master": True,
        "is_sdown": False,
        "is_odown": False,
    }
}
"""What a Sentinel says of the primary."""


@pytest.mark.parametrize("kind", [producers.connection._Sentinels, worker.store.failover.Sentinels])  # noqa: SLF001 - both are used
def test_who_asks_skips_no_sentinel_though_another_thread_changes_their_order(kind):
    sentinels, asks = kind([]), []

    def first():
        if not asks:
            asks.append("another thread")
            assert sentinels.discover_master("leasewire") == ("10.0.0.1", 6379)
        raise redis.ConnectionError("it is down")

    each = [SimpleNamespace(sentinel_masters=asked) for asked in (first, lambda: SAID, first)]
    sentinels.sentinels = [*each]
    assert sentinels.discover_master("leasewire") == ("10.0.0.1", 6379)
    assert sentinels.sentinels[0] is each[1]
    assert set(map(id, sentinels.sentinels)) == set(map(id, each))


def test_a_channel_whose_connection_is_gone_ends_no_worker(own_valkey):
    """Celery closes it after a lost connection, when its transport may have been closed before."""
    with Connection(broker_url(own_valkey.url)) as connection:
        connection.transport_cls = worker.runtime.transport.Transport
        queue = Queue("queue", channel=connection.default_channel)
        queue.declare()
        connection.Producer(channel=queue.channel).publish({}, routing_key="queue")
        assert queue.get() is not None  # taken, and not acknowledged
        connection.transport.client = None
        connection.close()


def without_replicas(server):
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)


def test_a_pipeline_that_a_primary_refuses_waits_as_a_command_does(own_valkey):
    without_replicas(own_valkey)
    with connect(own_valkey.url) as client, client.pipeline() as pipe:
        pipe.set("key", "value")
        with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
            pipe.execute()


class OneSentinel:
    """Names always the same server, and counts who asks."""

    def __init__(self, port):
        self.port, self.asked = port, 0

    def discover_master(self, _name):
        self.asked += 1
        return "127.0.0.1", self.port


def test_a_publisher_asks_sentinel_again_after_each_failure(own_valkey):
    sentinel = OneSentinel(open_port(own_valkey))
    without_replicas(own_valkey)
    pool = SentinelConnectionPool("leasewire", sentinel, retry=Retry(NoBackoff(), 0))
    transport = JournalTransport(redis.Redis(connection_pool=pool), prefix="lw:")
    with Publisher(transport, clock=lambda: datetime.now(UTC)) as publisher:
        for number in range(1, 4):
            with pytest.raises(PublishFailed, match="NOREPLICAS"):
                publisher.publish([activated(number)])
            assert sentinel.asked == number


def test_a_publisher_leaves_a_former_primary_that_is_silent(own_valkey, tmp_path, monkeypatch):
    monkeypatch.setattr(producers.resend, "LOOKS_EVERY_S", 0.05)
    monkeypatch.setattr(producers.resend, "_ANSWERS_S", 0.2)
    sentinel = OneSentinel(open_port(own_valkey))
    options = {"retry": Retry(NoBackoff(), 0), "socket_timeout": None}  # it would wait for ever
    client = redis.Redis(connection_pool=SentinelConnectionPool("leasewire", sentinel, **options))
    resend = producers.resend.Resend(client, AcceptedInMemory(), prefix="lw:", keep_s=30)
    transport = JournalTransport(client, prefix="lw:", resend=resend)
    former = own_valkey.pid
    with EmbeddedServer(tmp_path) as other:
        publisher = Publisher(transport, clock=lambda: datetime.now(UTC))
        publisher.publish([activated(1)])
        os.kill(former, signal.SIGSTOP)
        try:

            def publish():
                with suppress(PublishFailed):  # or it began when Sentinel named the other one
                    publisher.publish([activated(2)])

            waits = threading.Thread(target=publish, daemon=True)
            waits.start()
            sentinel.port = open_port(other)
            waits.join(timeout=30)
            assert not waits.is_alive(), "it still waits"
            publisher.publish([activated(2)])
            publisher.close()
        finally:
            os.kill(former, signal.SIGCONT)
        with other.client() as there:
            assert there.hlen(journal_body("lw:", "events")) == 2  # the first was sent again


def test_celery_tries_again_soon_however_long_redis_was_away(monkeypatch):
    """By itself it would wait two seconds more each time, up to half a minute."""
    settings = Settings.load({"LEASEWIRE_REDIS_URL": "redis://127.0.0.1:1/0"})
    waited = []
    monkeypatch.setattr(kombu.utils.functional, "sleep", lambda _seconds: None)
    with make_app(settings).connection_for_read() as connection, suppress(OperationalError):
        connection.ensure_connection(lambda _error, seconds: waited.append(seconds), 20)
    assert waited[0] == 1
    assert max(waited) == waited[-1] == 4


@pytest.mark.timeout(20)
def test_what_celery_sends_at_its_start_is_given_up_when_the_worker_is_to_end(
    own_valkey, monkeypatch
):
    """Else it outlives its supervisor, and never takes another password from its file."""
    app = make_app(Settings.load({"LEASEWIRE_REDIS_URL": own_valkey.url}))
    with (
        own_valkey.client() as client,
        app.connection_for_write() as connection,
        app.events.Dispatcher(connection) as dispatcher,
    ):
        dispatcher.send("worker-online", retry=True)
        client.config_set("requirepass", "another")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        monkeypatch.setattr(celery.worker.state, "should_stop", 0)
        with pytest.raises(WorkerShutdown):
            dispatcher.send("worker-online", retry=True)
