"""A worker whose consumer is wedged is ended and started anew."""

import sys

import pytest

from tests import builders
from tests.installation import SERVER, Installation
from tests.swallowing import SwallowingProxy
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def activated(number):
    return builders.activated(
        f"SVC-{number}",
        server=SERVER,
        mac=builders.mac(number),
        ipv4=f"100.64.0.{number}",
    )


def test_a_wedged_worker_is_restarted_and_the_other_is_not(short_directory):
    settings = {"LEASEWIRE_WORKER_SILENT_S": "2", "LEASEWIRE_JOURNAL_GRACE_S": "0.3"}
    command = (sys.executable, "-m", "leasewire")
    with (
        Installation(short_directory, worker_command=command) as here,
        SwallowingProxy(here.valkey.socket) as proxy,
    ):
        here.environ_more = settings | {"LEASEWIRE_REDIS_URL": proxy.url}
        here.start_workers("worker")
        here.publisher.publish([activated(1)])
        eventually(lambda: "SVC-1" in here.rows("R1"), "all is well", within_s=30)
        eventually(
            lambda: len(here.store.heartbeats.workers()) == 2,
            "both gave a sign of life",
            within_s=30,
        )
        before = set(here.store.heartbeats.workers())
        proxy.swallow("lw:events")
        here.publisher.publish([activated(2)])
        eventually(lambda: "SVC-2" in here.rows("R1"), "a new worker took it", within_s=30)
        eventually(
            lambda: set(here.store.heartbeats.workers()) - before,
            "its first sign of life",
            within_s=30,
        )
        (new,) = set(here.store.heartbeats.workers()) - before
        assert new.startswith("events@")
        assert here.log_text().count('"worker.silent"') == 1
        assert '"code": 70' in here.log_text()
