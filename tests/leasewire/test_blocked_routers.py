"""Why a router is blocked is said where one is sent to: `routers check`, `plan`, `restore`."""

import re

import pytest

from tests.builders import activated, mac
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]


def orphan(world, number):
    world.r1.add_row(
        LEASES,
        {
            "address": f"223.203.225.{50 + number}",
            "mac-address": mac(number),
            "comment": f"leasewire:acme:GONE-{number}",
        },
    )


def test_a_check_says_why_a_router_is_blocked_and_what_to_do(world, leasewire):
    for number in range(1, 5):
        orphan(world, number)
    world.say(activated("SVC-1", server=None, ipv4="223.203.225.40", mac=mac(9)))
    world.converge.run("R1")
    assert world.context.store.views.state("R1").cause == "orphans"
    checked = leasewire("routers", "check", "R1")
    assert checked.code == 1
    assert "✗ orphans: 4 of 4 rows with the tag of installation acme" in checked.out
    assert "leasewire orphans remove R1" in checked.out
    assert re.search(r"\(workers found it at 2.+, and try again at 2.+\)\n", checked.out)
    assert "(waiting services:" not in checked.out
    [line] = [
        each
        for each in leasewire("routers", "check", "R1", "--json").document["checks"]
        if each["what"] == "orphans"
    ]
    assert line["level"] == "fail"
    assert "have the BSS send snapshots" in line["advice"]


def test_a_check_says_that_a_router_is_held_or_has_another_policy(world, leasewire, edited):
    world.say(activated("SVC-1", server=None, ipv4="223.203.225.40"))
    world.converge.run("R1")
    assert leasewire("routers", "check", "R1").code == 0
    _, converge = edited(("[routers.R1]\n", '[routers.R1]\nlease_time = "10m"\n'))
    world.context.store.routers.add_work("R1", ["SVC-1"])
    converge.run("R1")
    checked = leasewire("routers", "check", "R1")
    assert checked.code == 1
    assert "policy-changed" in checked.out
    assert "routers apply R1" in checked.out
    world.context.store.fleet.pause("R1", "upgrade", "ada")
    checked = leasewire("routers", "check", "R1")
    assert checked.code == 1
    assert "✗ paused: by ada: upgrade" in checked.out
    assert "routers resume R1" in checked.out


def test_a_plan_tells_of_orphans(world, leasewire):
    orphan(world, 1)
    shown = leasewire("plan", "R1")
    assert "! 1 row with our tag, but of unknown services" in shown.out
    assert "leasewire orphans list R1" in shown.out
    assert leasewire("plan", "R1", "--json").document["routers"][0]["orphans"] == 1
    assert "orphans" not in leasewire("plan", "R2").out
