"""Policies, holds and serials with real workers: nothing is written until a person says so."""

import pytest

from tests import builders
from tests.installation import SECRETS, SERVER, Installation, not_in_mac_server
from tests.refusals import refused
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def activated(number, router="R1"):
    return builders.activated(
        f"SVC-{number}",
        router=router,
        server=None,
        mac=f"00:00:5E:00:{number >> 8:02X}:{number & 255:02X}",
        ipv4=f"100.64.{number >> 8}.{number & 255}",
    )


@not_in_mac_server  # its rows have no server
def test_workers_of_a_changed_policy_write_nothing_until_apply(short_directory):
    with Installation(short_directory, routers=2) as here:
        here.start_workers("events", "routers")
        here.publisher.publish([activated(1), activated(2, "R2")])
        eventually(lambda: here.rows("R1") and here.rows("R2"), "both are written", within_s=20)
        here.wait_until_settled()
        key, field, then, now = (
            ("ppp_service", "service", "pppoe", "any")
            if here.menu == SECRETS
            else ("dhcp_server", "server", SERVER, "all")
        )
        here.inventory = {"R1": {key: f'"{now}"'}}
        here.write_inventory()
        here.restart_workers("events", "routers")
        before = here.control["R1"].journal()
        here.publisher.publish([activated(3), activated(4, "R2")])
        eventually(lambda: "SVC-4" in here.rows("R2"), "the other router goes on", within_s=20)
        eventually(
            lambda: here.store.views.state("R1").state == "policy-changed",
            "R1 waits",
            within_s=20,
        )
        assert here.control["R1"].journal() == before
        assert here.leasewire("routers", "apply").returncode == 4
        assert here.control["R1"].journal() == before
        done = here.leasewire("routers", "apply", "R1", "--apply")
        assert done.returncode == 0, done.stderr
        eventually(lambda: len(here.rows("R1")) == 2, "the backlog is written", within_s=20)
        here.wait_until_settled()
        written = [row.get(field, now) for rows in here.rows("R1").values() for row in rows]
        assert written == [now, now]
        assert [row[field] for row in here.rows("R2")["SVC-4"]] == [then]


def test_pausing_in_the_middle_of_a_backlog_stops_writing_and_resuming_drains_it(
    short_directory,
):
    with Installation(short_directory) as here:
        here.environ_more = {"LEASEWIRE_BATCH_SERVICES": "10", "LEASEWIRE_WRITE_WINDOW": "1"}
        here.control["R1"].set_faults(service_ms=100)
        here.start_workers("events", "routers")
        here.publisher.publish([activated(n) for n in range(1, 151)])
        eventually(lambda: len(here.rows("R1")) >= 10, "the backlog is being written", within_s=20)
        assert here.leasewire("routers", "pause", "R1", "--reason", "test").returncode == 0
        lease = here.store.keys.router("R1").lock
        eventually(
            lambda: not here.client.exists(lease), "nobody can be at it any more", within_s=10
        )
        written = len(here.rows("R1"))
        assert written < 150
        held = here.control["R1"].journal()
        here.publisher.publish([activated(n) for n in range(151, 161)])
        eventually(
            lambda: here.store.views.router("R1").queued >= 160 - written,
            "all is marked",
            within_s=20,
        )
        assert here.control["R1"].journal() == held
        here.control["R1"].clear_faults()
        assert here.leasewire("routers", "resume", "R1").returncode == 0
        eventually(lambda: len(here.rows("R1")) == 160, "the backlog is written", within_s=30)
        here.wait_until_settled()
        adds = here.control["R1"].counters()[f"{here.menu}/add"]
        assert adds == 160
        assert refused(here.control["R1"]) == {}
