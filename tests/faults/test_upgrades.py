"""A rolling upgrade with real workers, one of which is frozen while the store format is raised."""

import json
import signal
from itertools import count

import pytest

from tests.builders import activated, mac, mac_changed
from tests.faults.chaos.on_estate import NEWER
from tests.faults.newer import FORMAT, be_newer
from tests.installation import SERVER, Installation, Worker, end
from tests.waiting import eventually
from worker.core.service.formats import STORE_FORMATS
from worker.runtime.process import EXIT_CONFIGURATION

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, pytest.mark.timeout(120)]

SERVICES = [f"SVC-{number}" for number in range(1, 5)]


@pytest.fixture
def here(short_directory):
    undo = be_newer()  # the test reads what the newer workers write
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        yield here
    undo()


def format_of(here, service):
    first, *_ = here.client.get(here.store.keys.record(service)).split("\n")
    return json.loads(first.partition("|")[2])["format"]


def macs(here):
    return {service: row["mac-address"] for service, (row,) in here.rows("R1").items()}


def test_old_and_new_workers_side_by_side_and_a_frozen_one_that_wakes_up_too_late(here):
    here.publisher.publish(
        [
            activated(service, mac=mac(number), ipv4=f"198.51.100.{number}", server=SERVER)
            for number, service in enumerate(SERVICES, 1)
        ]
    )
    here.wait_until_settled()
    here.worker_command = (*NEWER[:-1], "worker.runtime.process")
    old_events, old_routers = here.workers
    newer = [Worker(kind, here.start_process(kind)) for kind in ("events", "routers")]
    here.workers += newer
    eventually(lambda: len(here.store.heartbeats.workers()) == 4, "both versions", within_s=30)
    here.publisher.publish([mac_changed("SVC-1", mac(11))])
    here.wait_until_settled()
    assert format_of(here, "SVC-1") in STORE_FORMATS[FORMAT - 1], "as the old ones read it"

    old_events.process.send_signal(signal.SIGSTOP)
    end(old_routers.process)
    eventually(lambda: here.store.format.found() == FORMAT, "the format is raised", within_s=20)
    revisions = count(2)

    def is_newer_with_its_next_write():
        revision = next(revisions)
        here.publisher.publish([mac_changed("SVC-2", mac(20 + revision), revision=revision)])
        here.wait_until_settled()
        return format_of(here, "SVC-2") in STORE_FORMATS[FORMAT]

    eventually(is_newer_with_its_next_write, "each worker has learned it with its next sign")
    assert here.leasewire("upgrade", "check").returncode == 1, "its command is too old"

    old_events.process.send_signal(signal.SIGCONT)
    changes = [mac_changed("SVC-2", mac(12), revision=99), mac_changed("SVC-3", mac(13))]
    here.publisher.publish(changes)
    assert old_events.process.wait(20) == 0
    assert '"event": "worker.too_old"' in here.log_text()
    here.wait_until_settled()
    assert macs(here) == dict(zip(SERVICES, map(mac, (11, 12, 13, 4)), strict=True))
    assert not here.store.views.dead_letters()

    here.worker_command = Installation.worker_command
    assert here.start_process("events").wait(20) == EXIT_CONFIGURATION
    assert f"Redis has store format {FORMAT}; this is Leasewire" in here.log_text()
