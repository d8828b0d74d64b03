"""A Redis behind TLS with the users of `deploy/redis/`: they have the rights that are needed."""

import subprocess
from datetime import UTC, datetime

import pytest
import redis
from kombu import Connection
from kombu.exceptions import OperationalError

from contracts.broker import broker_url
from producers.connection import open_publisher
from producers.errors import PublishFailed
from tests import builders
from tests.installation import SERVER, Installation
from tests.store.secured import make_certificate, set_users, tls_in_front_of
from tests.waiting import eventually
from worker.store.connection import connect

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

PASSWORD = "aSecret-of-Redis-91"


def clock():
    return datetime.now(UTC)


@pytest.mark.parametrize("home_made", [False, True])
def test_each_way_to_redis_takes_an_authority_as_openssl_makes_it(
    short_directory, valkey_server, prefix, home_made
):
    authority, certificate = make_certificate(short_directory, home_made=home_made)
    with tls_in_front_of(valkey_server.socket, certificate) as port:
        url, ca_file = f"rediss://localhost:{port}/0", str(authority)
        with connect(url, ca_file=ca_file) as client:
            assert client.ping()
        with open_publisher(url, clock=clock, prefix=prefix, ca_file=ca_file) as publisher:
            assert publisher.publish([builders.activated()])
        transport = "worker.runtime.transport:Transport"
        with Connection(broker_url(url, ca_file=ca_file), transport=transport) as celery:
            assert celery.default_channel.client.ping()
        with (
            Connection(broker_url(url), transport=transport) as untrusting,
            pytest.raises(OperationalError, match="certificate verify failed"),
        ):
            untrusting.ensure_connection(max_retries=1)


def test_all_parts_work_over_tls_with_no_more_rights_than_those_of_deploy(short_directory):
    authority, certificate = make_certificate(short_directory)
    secret = short_directory / "redis-password"
    secret.write_text(PASSWORD + "\n")
    with (
        Installation(short_directory) as here,
        here.valkey.client() as first,
        tls_in_front_of(here.valkey.socket, certificate) as port,
    ):
        set_users(first, PASSWORD)
        admin = redis.Redis(
            unix_socket_path=str(here.valkey.socket), username="test", password="any"
        )
        url = f"rediss://localhost:{port}/0"
        here.environ_more |= {
            "LEASEWIRE_REDIS_URL": url,
            "LEASEWIRE_REDIS_USERNAME": "leasewire",
            "LEASEWIRE_REDIS_PASSWORD_FILE": str(secret),
            "LEASEWIRE_REDIS_CA_FILE": str(authority),
        }
        here.start_workers("events", "routers")
        login = {"username": "leasewire-publisher", "password": PASSWORD}
        with open_publisher(url, clock=clock, ca_file=str(authority), **login) as publisher:
            [receipt] = publisher.publish([builders.activated(server=SERVER, ipv4="223.203.225.9")])
            assert receipt.notified, "the publisher may also put messages into the queues"
        eventually(lambda: here.rows("R1"), "the row", within_s=20)
        said = [
            here.leasewire(*message.split())
            for message in (
                "publish suspended --service SVC-1",
                "status",
                "plan",
                f"backup {short_directory}/all.backup",
            )
        ]
        assert [each.returncode for each in said] == [0, 0, 0, 0], said
        eventually(
            lambda: here.rows("R1")["SVC-1"][0].get("block-access") in ("yes", "true"),
            "suspended",
            within_s=20,
        )
        assert admin.acl_log() == [], "something was denied"

        with (
            open_publisher(url, clock=clock, **login) as untrusting,
            pytest.raises(PublishFailed, match="certificate verify failed"),
        ):
            untrusting.publish([builders.activated("SVC-3")])

        ps = subprocess.run(
            ["/bin/ps", "axww", "-o", "args"], capture_output=True, text=True, check=True
        )
        notified = here.log_text() + ps.stdout + "".join(each.stdout + each.stderr for each in said)
        assert PASSWORD not in notified
