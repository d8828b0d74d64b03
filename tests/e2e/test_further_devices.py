"""A service with several devices, with real workers and commands."""

import json

import pytest

from tests import builders
from tests.builders import mac
from tests.installation import LEASES, SERVER, Installation

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

QUEUES = "/queue/simple"
POLICY = {"R1": {"rates": '"queue"'}}
PLANS = '[plans.HOME]\nrate_limit = "5M/20M"\n'


def ipv4(number):
    return f"223.203.225.{number}"


def row_of(here, member):
    (row,) = [
        row
        for row in here.control["R1"].rows(LEASES)
        if row.get("comment") == f"leasewire:tests:{member}"
    ]
    return row["mac-address"], row["address"]


def test_a_service_gets_a_device_replaces_it_and_loses_it(short_directory):
    with Installation(short_directory, menu=LEASES, inventory=POLICY, tables=PLANS) as here:
        router = here.control["R1"]
        here.add_foreign("R1", ipv4(30), mac(30))
        foreign = router.rows(LEASES)
        here.start_workers("events", "routers")
        told = ("--service", "SVC-1", "--source", builders.SOURCE, "--wait", "20", "--revision")

        def say(name, revision, *options):
            done = here.leasewire("publish", name, *told, str(revision), *options)
            assert done.returncode == 0, done.stdout + done.stderr

        first = ("--mac", mac(1), "--address", ipv4(10), "--plan", "HOME")
        say("activated", 1, "--router", "R1", "--server", SERVER, *first)
        say("device-added", 2, "--number", "2", "--mac", mac(2), "--address", ipv4(12))
        assert row_of(here, "SVC-1/2") == (mac(2), ipv4(12))
        (queue,) = router.rows(QUEUES)
        assert queue["target"] == f"{ipv4(10)}/32,{ipv4(12)}/32"
        for number in (1, 2):
            assert router.device(mac(number), server=SERVER)["address"] == ipv4(8 + 2 * number)
        here.restart_workers("events", "routers")
        say("device-added", 3, "--number", "2", "--mac", mac(3), "--address", ipv4(12))
        assert row_of(here, "SVC-1/2") == (mac(3), ipv4(12))
        assert router.device(mac(3), server=SERVER)["address"] == ipv4(12)
        asked = here.leasewire("why", mac(3))
        assert f"SVC-1/2: all is well: device {mac(3)} has {ipv4(12)}" in asked.stdout
        both = here.leasewire("why", "SVC-1").stdout
        assert (both.count("all is well"), both.count("WHAT HAPPENED")) == (2, 1)
        shown = json.loads(here.leasewire("services", "show", "SVC-1", "--json").stdout)
        assert shown["registers"]["device2"]["value"]["mac"] == mac(3)
        assert shown["routers"][0]["devices"]["2"]["address"] == ipv4(12)
        assert here.leasewire("plan", "R1").returncode == 0
        assert here.leasewire("drift", "R1").returncode == 0
        say("device-removed", 4, "--number", "2")
        assert row_of(here, "SVC-1") == (mac(1), ipv4(10))
        assert len(router.rows(LEASES)) == len(foreign) + 1
        (queue,) = router.rows(QUEUES)
        assert queue["target"] == f"{ipv4(10)}/32"
        refused = here.leasewire("publish", "device-added", *told, "5", "--number", "9")
        assert refused.returncode == 2
        assert "--number 9 must be at most 8" in refused.stderr
        say("cancelled", 6)
        assert router.rows(LEASES) == foreign
