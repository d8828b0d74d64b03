"""Redis fails over to another machine: what was accepted is there, and all goes on by itself."""

import logging
from datetime import UTC, datetime

import pytest

from producers.connection import open_publisher
from producers.errors import PublishFailed
from tests.faults.load import Load, activated
from tests.installation import PREFIX, Installation
from tests.sentinels import Sentinels
from tests.store.replicas import replica_of, silent
from tests.store.secured import make_certificate
from tests.tls_sentinels import tls_in_front_of_all
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


class Watched(Installation):
    """An installation whose Redis is watched by Sentinels."""

    def make_valkey(self, directory):
        """Which Valkey it is."""
        return Sentinels(directory)


def test_nothing_that_two_machines_have_is_lost_with_one(short_directory):
    with Watched(short_directory) as here:
        nodes = here.valkey
        here.start_workers("events", "routers")
        with open_publisher(
            nodes.url, clock=lambda: datetime.now(UTC), prefix=PREFIX, min_replicas=1
        ) as publisher:
            load = Load(publisher)
            load.start()
            try:
                eventually(lambda: len(here.rows("R1")) > 20, "work goes on", within_s=30)
                former, rows = nodes.primary(), len(here.rows("R1"))
                # It answers nobody, and closes no connection: who waits for it waits.
                nodes.freeze(former)
                eventually(lambda: nodes.primary() not in (0, former), "failover", within_s=30)
                eventually(lambda: len(here.rows("R1")) > rows + 50, "work goes on", within_s=40)
            finally:
                load.ends.set()
                load.join()
        here.wait_until_settled(60)
        assert [event["id"] for event in load.taken if here.outcome(event) is None] == []
        assert {f"SVC-{n + 1}" for n in range(len(load.taken))} <= here.rows("R1").keys()
        status = here.leasewire("status")
        assert "Redis" in status.stdout, status


def cut_off_replicas(nodes):
    """Let the primary go on alone: what it gets from now on no replica has."""
    with nodes.at(nodes.primary()) as primary:
        primary.execute_command("ACL", "SETUSER", "default", "-psync", "-sync")
        primary.client_kill_filter(_type="replica")
        eventually(lambda: not primary.info("replication")["connected_slaves"], "none follows")


def states(here, numbers):
    """Where the events of these numbers are now."""
    found = (here.outcome(activated(number)) for number in numbers)
    return {outcome and outcome.state for outcome in found}


def test_over_tls_a_publisher_sends_again_by_itself_what_a_failover_lost(short_directory, caplog):
    caplog.set_level(logging.INFO, "leasewire.publisher")
    authority, certificate = make_certificate(short_directory)
    with Watched(short_directory) as here, tls_in_front_of_all(here.valkey, certificate) as url:
        nodes = here.valkey
        here.environ_more |= {
            "LEASEWIRE_REDIS_URL": url,
            "LEASEWIRE_REDIS_CA_FILE": str(authority),
        }
        here.start_workers("events", "routers")
        with open_publisher(
            url, clock=lambda: datetime.now(UTC), prefix=PREFIX, resend_s=0.1, ca_file=authority
        ) as publisher:
            publisher.publish([activated(number) for number in range(5)])
            eventually(lambda: len(here.rows("R1")) == 5, "rows over TLS", within_s=30)
            resend = publisher._transport._resend  # noqa: SLF001 - nothing else shows it
            forgets = resend._accepted.is_empty  # noqa: SLF001 - as above
            eventually(lambda: not resend.sent and forgets(), "a replica has them")
            former = nodes.primary()
            cut_off_replicas(nodes)
            for number in range(5, 12):
                publisher.publish([activated(number)])
            eventually(lambda: len(here.rows("R1")) == 12, "work goes on", within_s=30)
            looks = resend._offsets  # noqa: SLF001 - as above
            before = len(looks)
            eventually(lambda: len(looks) >= before + 2, "it looks whether a replica has them")
            nodes.kill(former)
            eventually(lambda: nodes.primary() not in (0, former), "failover", within_s=30)
            # It has nothing to publish, and it need not.
            eventually(lambda: states(here, range(12)) == {"applied"}, "all applied", within_s=40)
        status = here.leasewire("status")
        assert "lost events" in status.stdout, status
        with (
            open_publisher(url, clock=lambda: datetime.now(UTC)) as untrusting,
            pytest.raises(PublishFailed),
        ):
            untrusting.publish([activated(20)])
    assert [(r.lost, r.known) for r in caplog.records if hasattr(r, "lost")] == [(7, 0)]


def test_too_few_replicas_are_a_failure_of_the_publisher(valkey_server, prefix):
    with (
        open_publisher(
            valkey_server.url, clock=lambda: datetime.now(UTC), prefix=prefix, min_replicas=1
        ) as publisher,
        pytest.raises(PublishFailed, match="0 of 1 replicas of Redis confirmed the events"),
    ):
        publisher.publish([activated(1)])


def test_what_no_replica_confirmed_is_not_accepted_by_publishing_it_again(own_valkey, prefix):
    """A connection that wrote nothing has nothing to wait for, so it must write."""

    def publisher():
        now = {"clock": lambda: datetime.now(UTC), "prefix": prefix}
        return open_publisher(own_valkey.url, min_replicas=1, **now)

    def publish_in_vain():
        with publisher() as one, pytest.raises(PublishFailed, match="0 of 1 replicas"):
            one.publish([activated(1)])

    flag = f"{prefix}journal:events:notified"
    with replica_of(own_valkey) as replica, own_valkey.client() as client:
        with silent(replica):
            publish_in_vain()
            client.set(flag, "1", ex=600)
            publish_in_vain()
            assert client.ttl(flag) > 500, "it is as it was"
            client.delete(flag)
            client.lpush(f"{prefix}events", "{}", "{}")  # so nobody is to be notified
            publish_in_vain()
            assert not client.exists(flag)
        with publisher() as one:
            [receipt] = one.publish([activated(1)])
        assert receipt.journaled_before
