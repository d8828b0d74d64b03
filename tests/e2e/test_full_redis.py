"""Redis fills up: intake ends at 80 %, the workers drain what is there, and all goes on."""

import re
import time

import pytest

from producers.errors import PublishFailed
from producers.journal_transport import CHECK_EVERY_S
from tests import builders
from tests.installation import SERVER, Installation, not_in_mac_server
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

SERVICES = 100


def activated(number):
    return builders.activated(
        f"SVC-{number}",
        server=SERVER,
        mac=builders.mac(number),
        ipv4=f"100.64.0.{number}",
        id_=f"a{number}",
    )


def unchanged(here):
    return here.store.views.counters().get("unchanged", 0)


def lasting(here):
    """The memory that is in use, without what waits for a busy disk or for clients."""
    found = here.client.info("memory")
    return found["used_memory"] - found["mem_aof_buffer"] - found["mem_clients_normal"]


def refused(here, event):
    """Whether publishing is refused, once the publisher has looked again."""
    time.sleep(CHECK_EVERY_S)  # how long it may go by what it saw last
    try:
        here.publisher.publish([event])
    except PublishFailed as error:
        return str(error)
    return ""


def test_intake_ends_at_80_percent_while_the_workers_drain(short_directory):
    with Installation(short_directory) as here:
        for number in range(400):
            here.client.set(f"ballast:{number}", "x" * 100_000)
        here.publisher.publish([activated(n) for n in range(1, SERVICES + 1)])
        here.client.config_set("maxmemory", int(lasting(here) / 0.82))
        assert "of its maxmemory: from 80% on no events are taken" in refused(here, activated(200))
        status = here.leasewire("status")
        assert status.returncode == 2
        assert "from 80% on intake is refused" in status.stdout
        here.start_workers("events", "routers")
        eventually(lambda: len(here.rows("R1")) == SERVICES, "every row", within_s=30)
        here.wait_until_settled()
        assert refused(here, activated(200)), "what was drained is still kept, as records"
        here.client.delete(*(f"ballast:{number}" for number in range(200)))
        assert not refused(here, activated(200))
        eventually(
            lambda: "SVC-200" in here.rows("R1"), "the event after there was room", within_s=20
        )


@not_in_mac_server  # intake does not know where a router with `entries = auto` keeps them
def test_a_hundred_snapshots_that_change_nothing_leave_a_counter_and_no_write(short_directory):
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1)])
        eventually(lambda: here.rows("R1"), "the row", within_s=20)
        here.wait_until_settled()
        before = here.leasewire("services", "show", "SVC-1").stdout
        written = here.control["R1"].journal()
        prints = here.control["R1"].counters()
        for revision in range(2, 102):
            block = activated(1)["data"]["service"]
            here.publisher.publish(
                [builders.event("snapshot", "SVC-1", revision=revision, service=block)]
            )
        # One that a message and the journal both bring may be counted twice.
        eventually(lambda: unchanged(here) >= 100, "all were counted", within_s=20)
        here.wait_until_settled()
        least = unchanged(here)
        said = int(re.search(r"unchanged (\d+)", here.leasewire("status").stdout)[1])
        assert least <= said <= unchanged(here), "a message under way may bring one once more"
        assert "superseded" not in here.store.views.counters()
        assert here.control["R1"].journal() == written
        assert here.control["R1"].counters() == prints
        after = here.leasewire("services", "show", "SVC-1").stdout
        assert after.splitlines()[-4:] == before.splitlines()[-4:], "the same history"
        assert "snapshot" not in here.leasewire("services", "events", "SVC-1").stdout


@not_in_mac_server  # it shows no devices
def test_why_and_status_speak_of_a_whole_installation(short_directory):
    with Installation(short_directory) as here:
        here.control["R1"].add_row("/ip/dhcp-server/network", {"address": "100.64.0.0/10"})
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1)])
        eventually(lambda: here.rows("R1"), "the row", within_s=20)
        here.wait_until_settled()
        here.device("R1", builders.mac(1))
        well = here.leasewire("why", here.device_name(builders.mac(1)))
        assert well.returncode == 0, well.stdout + well.stderr
        for part in ("all is well", "event a1", "applied a1", "device bound"):
            assert part in well.stdout
        eventually(lambda: here.leasewire("status").returncode == 0, "all is well", within_s=20)
        eventually(here.store.samples.memory, "a sweep took a sample", within_s=20)
