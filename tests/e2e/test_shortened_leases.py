"""A dated change acts within the shortened lease time, whatever dies meanwhile, on real parts."""

import json
from datetime import UTC, datetime

import pytest

from tests import builders
from tests.installation import SERVER, Installation, in_leases
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, in_leases]

MAC = builders.mac(1)
OLD, NEW = "223.203.225.101", "223.203.225.111"
SHORT_S = 3
KEYS = {"R1": {"shorten_leases": f'"{SHORT_S}s"'}}


class Phone:
    """A simulated device: it renews after half of its lease time, as DHCP clients do.

    Attributes:
        address: that it has; empty: none.
        lease_s: of its lease.
        moved_at_ms: when it got another address than its first one.
    """

    def __init__(self, here):
        self._here = here
        self._renews_at_ms = 0
        self.address, self.lease_s, self.moved_at_ms = "", 0, 0
        self.renew()

    def renew(self):
        answer = self._here.control["R1"].device(MAC, server=SERVER, requested=self.address)
        if answer["kind"] != "ack":
            answer = self._here.control["R1"].device(MAC, server=SERVER)
        now_ms = self._here.store.records.now_ms()
        if self.address and answer["address"] != self.address:
            self.moved_at_ms = now_ms
        self.address, self.lease_s = answer["address"], answer["lease_s"]
        self._renews_at_ms = now_ms + self.lease_s * 500

    def live(self):
        """Renew if it is time to; returns its address."""
        if self._here.store.records.now_ms() >= self._renews_at_ms:
            self.renew()
        return self.address


def row(here):
    (row,) = here.rows("R1")["SVC-1"]
    return row


def kill_and_restart(here):
    for worker in here.workers:
        worker.process.kill()
        worker.process.wait()
    here.workers.clear()
    here.start_workers("events", "routers")


def began(here, theirs):
    """A service with a device that has its lease for an hour."""
    (server,) = (r for r in here.control["R1"].rows("/ip/dhcp-server") if r["name"] == SERVER)
    here.control["R1"].set_row("/ip/dhcp-server", server[".id"], {"lease-time": "1h"})
    here.start_workers("events", "routers")
    here.publisher.publish(
        [builders.activated("SVC-1", router="R1", server=SERVER, mac=MAC, ipv4=OLD)]
    )
    eventually(lambda: "SVC-1" in here.rows("R1"), "it is active", within_s=20)
    here.wait_until_settled()
    if theirs:
        here.control["R1"].set_row(here.menu, row(here)[".id"], {"lease-time": theirs})
    return Phone(here)


def moves(here, in_s):
    """An address change that takes effect in some seconds, and when that is."""
    due_ms = here.store.records.now_ms() + in_s * 1000
    address = {"mode": "static", "ipv4": NEW}
    moment = datetime.fromtimestamp(due_ms / 1000, UTC).isoformat()
    change = builders.event(
        "address_changed", "SVC-1", revision=2, address=address, effective_at=moment
    )
    here.publisher.publish([change])
    return change, due_ms


def shortened(here):
    return row(here).get("lease-time") == f"{SHORT_S}s"


@pytest.mark.parametrize("theirs", ["", "2h"], ids=["of the server", "set by others"])
def test_a_dated_address_acts_within_the_short_time_though_the_lease_is_long(
    short_directory, theirs
):
    with Installation(short_directory, inventory=KEYS) as here:
        phone = began(here, theirs)
        assert (phone.address, phone.lease_s) == (OLD, 7200 if theirs else 3600)
        change, due_ms = moves(here, 12)
        eventually(lambda: shortened(here), "it is shortened", within_s=10)
        phone.renew()  # as it does within its first lease time
        assert phone.lease_s == SHORT_S
        eventually(lambda: phone.live() == NEW, "it moved", within_s=30)
        outcome = here.outcome(change)
        assert outcome.state == "applied"
        assert due_ms <= phone.moved_at_ms <= outcome.at_ms + SHORT_S * 1000
        eventually(lambda: row(here).get("lease-time", "") == theirs, "it is put back", within_s=30)
        assert here.store.records.now_ms() >= outcome.at_ms + 2 * SHORT_S * 1000 - 1000
        here.wait_until_settled()
        phone.renew()
        assert (phone.address, phone.lease_s) == (NEW, 7200 if theirs else 3600)
        assert here.client.zcard(here.store.keys.schedule) == 0
        assert here.leasewire("plan", "R1").returncode == 0


def test_neither_kills_nor_an_outage_leave_a_lease_short(short_directory):
    with Installation(short_directory, inventory=KEYS) as here:
        began(here, "2h")
        change, due_ms = moves(here, 10)
        eventually(lambda: shortened(here), "it is shortened", within_s=8)
        kill_and_restart(here)
        here.control["R1"].power_off()
        eventually(
            lambda: here.store.records.now_ms() > due_ms + 2 * SHORT_S * 1000,
            "the event is over",
            within_s=30,
        )
        kill_and_restart(here)
        here.control["R1"].power_on()
        eventually(lambda: row(here)["address"] == NEW, "it moved", within_s=30)
        kill_and_restart(here)
        eventually(lambda: row(here).get("lease-time") == "2h", "it is put back", within_s=40)
        eventually(lambda: here.outcome(change).state == "applied", "applied", within_s=20)


def test_a_shortened_lease_is_shown_and_a_withdrawn_event_puts_it_back(short_directory):
    with Installation(short_directory, inventory=KEYS) as here:
        began(here, "")
        change, _ = moves(here, 600)
        eventually(lambda: shortened(here), "it is shortened", within_s=10)
        event = json.loads(here.leasewire("events", "show", change["id"], "--json").stdout)
        assert event["events"][0]["lease"].startswith(f"shortened to {SHORT_S}s until ")
        assert "lease" in here.leasewire("services", "show", "SVC-1").stdout
        assert f"lease shortened to {SHORT_S}s until" in here.leasewire("plan", "R1").stdout
        assert here.leasewire("drift", "R1").returncode == 0  # ours, and as written
        here.publisher.publish(
            [builders.event("schedule_withdrawn", "SVC-1", revision=None, withdraws=[change["id"]])]
        )
        eventually(lambda: "lease-time" not in row(here), "it is put back", within_s=10)
        assert row(here)["address"] == OLD
