"""Routers whose whole table takes longer than a read may take; queries of rows still work."""

import pytest

from tests import builders
from tests.small_installation import LEASES, SmallInstallation, activated
from worker.store.router_admin import FULL_READ_GOOD_MS

pytestmark = [pytest.mark.redis, pytest.mark.router]

FOREIGN = 1_500
HOUR_MS = 3_600_000


@pytest.fixture
def here():
    """Some 150 kB of rows of others, at 60 kB/s when it is slow; a read may take a second."""
    with SmallInstallation(1, settings={"READ_TIMEOUT_S": "1"}) as here:
        for n in range(FOREIGN):
            place = f"{n >> 8:02X}:{n & 255:02X}"
            row = {"mac-address": f"02:10:00:{place}:01", "address": f"10.0.{n >> 8}.{n & 255}"}
            here.r["R1"].add_row(LEASES, row)
        here.say(activated())
        here.drain()
        yield here


def slow(here, *, is_slow=True):
    here.sessions.close_all()
    here.r["R1"].set_faults(trickle_bytes_per_s=60_000 if is_slow else 0)


def surveyed_ms(here, ago_ms=None):
    """When the table was looked through; or have that be so long ago."""
    key = here.store.keys.fleet.full_reads
    if ago_ms is not None:
        here.client.hset(key, "R1", here.store.records.now_ms() - ago_ms)
    return int(here.client.hget(key, "R1"))


def open_alerts(here):
    return [each.name for each in here.store.alerts.all_open()]


def others(here):
    rows = here.rows("R1", all_=True)
    return [row for row in rows if row["mac-address"].startswith("02:10:")]


def test_events_go_on_though_the_daily_look_at_all_rows_takes_too_long(here):
    before = others(here)
    surveyed_ms(here, FULL_READ_GOOD_MS)
    slow(here)
    here.say(event := builders.mac_changed(revision=2))
    here.drain()
    assert here.outcome(event).startswith("applied")
    assert here.store.views.state("R1").state == "up"
    assert open_alerts(here) == ["table-not-read|R1"]
    due_in_ms = surveyed_ms(here) + FULL_READ_GOOD_MS - here.store.records.now_ms()
    assert HOUR_MS - 60_000 < due_in_ms <= HOUR_MS
    here.say(event := builders.mac_changed(mac=builders.mac(3), revision=3))
    here.drain()  # on an hour like any other it is not tried
    assert here.outcome(event).startswith("applied")
    slow(here, is_slow=False)
    surveyed_ms(here, FULL_READ_GOOD_MS)
    here.say(builders.mac_changed(mac=builders.mac(4), revision=4))
    here.drain()
    assert open_alerts(here) == []
    assert others(here) == before
    assert len(before) == FOREIGN


def test_a_report_that_takes_too_long_is_put_off_as_well(here):
    slow(here)
    here.client.sadd(here.store.keys.reports.asked, "R1")
    here.say(event := builders.mac_changed(revision=2))
    here.drain()
    assert here.outcome(event).startswith("applied")
    assert here.store.views.state("R1").state == "up"
    assert open_alerts(here) == ["table-not-read|R1"]
    now_ms = here.store.records.now_ms()
    due_ms = here.client.zscore(here.store.keys.reports.due, "R1")
    assert HOUR_MS - 60_000 < due_ms - now_ms <= HOUR_MS


def test_a_router_that_was_restarted_is_looked_through_whatever_it_takes(here):
    """It may have lost its rows: without that look nothing is written."""
    slow(here)
    here.client.hset(here.store.keys.router("R1").full_read, "booted", 1)
    here.say(event := builders.mac_changed(revision=2))
    here.drain()
    assert here.outcome(event) == "accepted"
    state = here.store.views.state("R1")
    assert state.state == "unreachable"
    assert "reading all leases: not complete after 1 s" in state.message
