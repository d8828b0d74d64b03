"""The hourly report tells of pools that are nearly full and of certificates that end soon."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import mac
from tests.full_read.test_hourly_reports import make_due

pytestmark = [pytest.mark.redis, pytest.mark.router]

POOL = "/ip/pool"
SERVER = "dhcp-vlan-32"


@pytest.fixture
def report(world):
    """The next report; returns what is open then."""

    def go(converge=world.converge):
        make_due(world)
        converge.run("R1")
        return {(each.kind, each.subject) for each in world.context.store.alerts.all_open()}

    return go


def resize(world, last):
    (row,) = [each for each in world.r1.rows(POOL) if each["name"] == "pool-vlan-32"]
    ranges = f"223.203.225.100-223.203.225.{last}"
    world.r1.set_row(POOL, row[".id"], {"ranges": ranges})


def test_a_pool_is_told_from_nine_tenths_on_until_it_is_under_eight(world, report):
    resize(world, 109)
    for number in range(1, 9):
        world.r1.device(mac(number), server=SERVER)
    assert report() == set()
    world.r1.device(mac(9), server=SERVER)
    notified = {("pool-nearly-full", "R1 pool-vlan-32")}
    assert report() == notified
    (alert,) = world.context.store.alerts.all_open()
    message = "router R1, pool pool-vlan-32 of dhcp-vlan-32: 9 of 10 addresses are in use"
    assert alert.text == message
    world.r1.device_release(mac(9), server=SERVER)
    assert report() == notified  # four fifths
    world.r1.device_release(mac(8), server=SERVER)
    assert report() == set()


def test_a_pool_behind_it_ends_the_alert(world, report):
    resize(world, 101)
    for number in (1, 2):
        world.r1.device(mac(number), server=SERVER)
    assert report() == {("pool-nearly-full", "R1 pool-vlan-32")}
    world.r1.add_row(POOL, {"name": "more", "ranges": "223.203.225.200-223.203.225.220"})
    (row,) = [each for each in world.r1.rows(POOL) if each["name"] == "pool-vlan-32"]
    world.r1.set_row(POOL, row[".id"], {"next-pool": "more"})
    assert report() == set()


def test_the_alert_of_a_pool_that_no_server_gives_from_ends(world, report):
    resize(world, 100)
    world.r1.device(mac(1), server=SERVER)
    assert report() == {("pool-nearly-full", "R1 pool-vlan-32")}
    (server,) = world.r1.rows("/ip/dhcp-server")
    world.r1.set_row("/ip/dhcp-server", server[".id"], {"address-pool": "static-only"})
    assert report() == set()


@pytest.mark.parametrize(("days", "says"), [(20, "ends on"), (-1, "ended on")])
def test_a_certificate_that_ends_is_told_until_a_newer_one_is_seen(
    world, report, edited, days, says
):
    def renew(valid_days):
        before = world.r1.fingerprint_sha256
        world.r1.new_certificate(valid_days)
        return edited((before, world.r1.fingerprint_sha256))[1]

    assert report() == set()
    assert report(renew(days)) == {("certificate-expiring", "R1")}
    (alert,) = world.context.store.alerts.all_open()
    day = datetime.now(UTC) + timedelta(days=days)
    assert alert.text == f"the certificate of router R1 {says} {day:%Y-%m-%d}"
    assert report(renew(22)) == set()
