"""Rows with our tag of unknown services: shown, removed only when asked for, never a dead end."""

import pytest

from tests.builders import activated, ipv4, mac
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]


def orphan(world, number):
    world.r1.add_row(
        LEASES,
        {
            "mac-address": mac(number),
            "address": ipv4(number),
            "comment": f"leasewire:acme:OLD-{number} kept",
        },
    )


def state(world):
    return world.context.store.views.state("R1")


def test_one_orphan_blocks_no_router(world, leasewire):
    orphan(world, 50)
    world.say(activated("SVC-1", server=None))
    world.converge.run("R1")
    assert state(world).state == "up"
    shown = leasewire("orphans", "list", "R1")
    assert shown.code == 4
    assert "OLD-50" in shown.out
    assert leasewire("orphans", "list", "R2").code == 0


def test_removing_orphans_lets_a_blocked_router_go_on(world, leasewire):
    for number in range(50, 60):
        orphan(world, number)
    world.r1.add_row(LEASES, {"mac-address": mac(9), "address": ipv4(9), "comment": "mine"})
    world.say(activated("SVC-1", server=None))
    world.converge.run("R1")
    assert (state(world).state, state(world).cause) == ("blocked", "orphans")
    assert leasewire("orphans", "remove", "R1", "NO-SUCH", "--apply").code == 2
    assert leasewire("orphans", "remove", "R1").code == 4
    assert len(world.r1.rows(LEASES)) == 11
    one = leasewire("orphans", "remove", "R1", "OLD-50", "--apply")
    assert one.code == 0
    assert "R1: 1 row removed" in one.out
    assert leasewire("orphans", "remove", "R1", "--apply", "--actor", "ann").code == 0
    world.converge.run("R1")
    assert state(world).state == "up"
    comments = sorted(row["comment"] for row in world.r1.rows(LEASES))
    assert comments == ["leasewire:acme:SVC-1", "mine"]
    entries = leasewire("audit", "list", "--json").document["entries"]
    assert (entries[0]["by"], entries[0]["what"]) == ("ann", "router.orphans_removed")
