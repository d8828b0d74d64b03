"""Rows of ours that are gone: a few are written again, many only when a person says so."""

import pytest

from tests.builders import activated, cancelled, ipv4, mac, mac_changed
from tests.leasewire.conftest import LEASES
from tests.signs import give_signs

pytestmark = [pytest.mark.redis, pytest.mark.router]


def served(world, count):
    world.say(
        *(
            activated(f"SVC-{n}", server=None, mac=mac(n), ipv4=ipv4(100 + n))
            for n in range(1, count + 1)
        )
    )
    world.converge.run("R1")
    assert len(world.r1.rows(LEASES)) == count


def look_now(world):
    """Whatever the router was parked for: look at it."""
    block = world.context.store.keys.router("R1")
    world.context.store.client.delete(block.notified)
    world.converge.run("R1")


def restart(world, seconds=7200):
    """The router boots; and it is much later by Redis's clock."""
    world.r1.reboot()
    forget_sessions(world)
    key = world.context.store.keys.router("R1").full_read
    booted = int(world.context.store.client.hget(key, "booted"))
    world.context.store.client.hset(key, "booted", booted - seconds * 1000)


def forget_sessions(world):
    world.converge.sessions.close_all()


def state(world):
    return world.context.store.views.state("R1")


def writes(world):
    return [each for each in world.r1.journal() if each["session"] != "operator"]


def remove_all(world, count):
    rows = world.r1.rows(LEASES)
    world.r1.remove_row(LEASES, *(row[".id"] for row in rows[:count]))


def test_few_rows_that_are_gone_are_written_again_after_a_restart(world):
    served(world, 20)
    remove_all(world, 5)
    restart(world)
    world.say(mac_changed("SVC-20", mac(200)))
    world.converge.run("R1")
    assert len(world.r1.rows(LEASES)) == 20
    assert state(world).state == "up"


def test_many_rows_that_are_gone_wait_for_a_person(world, leasewire):
    served(world, 20)
    remove_all(world, 15)
    restart(world)
    before = writes(world)
    world.say(mac_changed("SVC-20", mac(200)))
    world.converge.run("R1")
    assert (state(world).state, state(world).cause) == ("blocked", "rebuild")
    assert "15 of 20 rows" in state(world).message
    alerts = world.context.store.alerts
    assert [each.kind for each in alerts.all_open()] == ["rebuild"]
    shown = leasewire("routers", "rebuild", "R1")
    assert shown.code == 4
    assert shown.out.count("+ SVC-") == 15
    look_now(world)
    assert writes(world) == before
    here(world)
    assert leasewire("routers", "rebuild", "R1", "--apply", "--actor", "ann").code == 0
    world.drain()
    assert len(world.r1.rows(LEASES)) == 20
    assert state(world).state == "up"
    entry = leasewire("audit", "list", "--json").document["entries"][0]
    assert entry["what"] == "router.rebuild_approved"
    # the approval was for this time
    remove_all(world, 20)
    restart(world)
    world.say(mac_changed("SVC-20", mac(201), revision=3))
    world.converge.run("R1")
    assert (state(world).state, state(world).cause) == ("blocked", "rebuild")


def test_router_without_most_rows_of_a_batch_is_looked_at_before_it_is_written_to(world):
    served(world, 20)
    remove_all(world, 20)
    before = writes(world)
    world.say(mac_changed("SVC-1", mac(200)))
    world.converge.run("R1")
    assert (state(world).state, state(world).cause) == ("blocked", "rebuild")
    assert writes(world) == before


def test_row_removed_by_hand_is_written_again_with_its_service(world):
    served(world, 20)
    remove_all(world, 1)
    world.say(mac_changed("SVC-1", mac(200)))
    world.converge.run("R1")
    assert len(world.r1.rows(LEASES)) == 20
    assert state(world).state == "up"


def test_rows_that_were_being_removed_are_not_missed(world):
    served(world, 20)
    remove_all(world, 15)
    restart(world)
    world.say(*(cancelled(f"SVC-{n}") for n in range(1, 16)))
    world.converge.run("R1")
    assert state(world).state == "up"
    assert len(world.r1.rows(LEASES)) == 5


def test_replaced_router_needs_no_other_approval(world, leasewire):
    served(world, 20)
    remove_all(world, 20)
    restart(world)
    world.r1.set_serial("OTHER-1")
    assert leasewire("routers", "replace", "R1", "--apply").code == 0
    forget_sessions(world)
    world.drain()
    assert len(world.r1.rows(LEASES)) == 20


def test_rows_that_were_removed_by_hand_are_written_when_a_person_approves(world, leasewire):
    served(world, 12)
    remove_all(world, 12)
    here(world)
    assert state(world).state == "up"
    done = leasewire("routers", "rebuild", "R1", "--apply", "--actor", "ann")
    assert done.code == 0
    assert "R1: approved; 12 services queued" in done.out
    world.drain()
    assert len(world.r1.rows(LEASES)) == 12
    assert state(world).state == "up"
    again = leasewire("routers", "rebuild", "R1", "--apply", "--actor", "ann")
    assert (again.code, "nothing to write" in again.out) == (0, True)


def test_an_approval_says_why_nothing_is_written(world, leasewire):
    served(world, 2)
    remove_all(world, 2)
    rebuild = ("routers", "rebuild", "R1", "--apply", "--actor", "ann")
    done = leasewire(*rebuild)
    assert done.code == 1
    assert "no worker that writes to routers is running" in done.err
    assert leasewire(*rebuild, "--json").document["not_written"]
    here(world)
    world.context.store.fleet.pause("R1", "upgrade", "ada")
    done = leasewire(*rebuild)
    assert done.code == 1
    assert "the router is paused (by ada: upgrade): `leasewire routers resume R1`" in done.err
    assert leasewire("routers", "resume", "R1").code == 0
    world.drain()
    assert len(world.r1.rows(LEASES)) == 2


def here(world):
    """A worker is there, which the test itself is."""
    give_signs(world.context.store, "routers@here:1")
