"""`leasewire plan` shows what a pass would write, and writes nothing itself."""

import pytest

from tests.builders import activated, cancelled, ipv4, mac, mac_changed
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_plan_shows_add_change_and_removal_and_writes_nothing(world, leasewire):
    world.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    world.say(
        activated("SVC-A", server=None),
        activated("SVC-B", server=None, mac=mac(2), ipv4=ipv4(20)),
    )
    world.converge.run("R1")
    world.say(
        mac_changed("SVC-A", mac(9)),
        cancelled("SVC-B"),
        activated("SVC-C", server=None, mac=mac(3), ipv4=ipv4(30)),
    )
    before = world.r1.journal()
    text = leasewire("plan", "R1")
    assert text.code == 4
    lines = text.out.splitlines()
    assert lines[0] == "R1: 3 services, 2 rows; 3 to write, 0 waiting"
    assert f"mac-address {mac(1)} -> {mac(9)}" in lines[1]
    assert [line[:7] for line in lines[1:]] == ["~ SVC-A", "- SVC-B", "+ SVC-C"]
    (planned,) = leasewire("plan", "R1", "--json").document["routers"]
    assert sorted(o["do"] for o in planned["operations"]) == ["add", "remove", "set"]
    assert world.r1.journal() == before
    world.converge.run("R1")
    done = leasewire("plan", "R1")
    assert (done.code, done.out) == (0, "R1: 2 services, 2 rows; nothing to write\n")


def test_plan_shows_drift_of_a_service_that_nobody_marked(world, leasewire):
    world.say(activated("SVC-A", server=None))
    world.converge.run("R1")
    (row,) = world.r1.rows(LEASES)
    world.r1.set_row(LEASES, row[".id"], {"address": ipv4(77)})
    shown = leasewire("plan", "R1")
    assert shown.code == 4
    assert f"address {ipv4(77)} -> {ipv4(10)}" in shown.out


def test_service_whose_address_another_holds_waits_in_the_plan(world, leasewire):
    world.say(activated("SVC-B", server=None, mac=mac(2)))
    world.say(activated("SVC-A", server=None))
    world.converge.run("R1")
    shown = leasewire("plan", "R1")
    assert shown.code == 0
    assert "? SVC-A: waits (claim-held)" in shown.out
    (planned,) = leasewire("plan", "R1", "--json").document["routers"]
    assert "SVC-B" in planned["waiting"][0]["detail"]


def test_row_without_its_tag_is_still_known_for_ours(world, leasewire):
    world.say(activated("SVC-A", server=None))
    world.converge.run("R1")
    (row,) = world.r1.rows(LEASES)
    world.r1.set_row(LEASES, row[".id"], {"comment": "by hand"})
    shown = leasewire("plan", "R1")
    assert shown.code == 4
    assert '-> "leasewire:acme:SVC-A by hand"' in shown.out
    assert "! SVC-A: tag-lost" in shown.out


def test_row_made_by_hand_in_the_way_is_named(world, leasewire):
    world.r1.add_row(LEASES, {"address": ipv4(10), "mac-address": mac(7), "comment": "mine"})
    world.say(activated("SVC-A", server=None))
    shown = leasewire("plan", "R1")
    assert shown.code == 0
    assert "waits (foreign-row)" in shown.out
    assert "mine" in shown.out


def test_every_router_is_planned_and_one_out_of_reach_decides_the_exit_code(world, leasewire):
    world.say(activated("SVC-A", server=None))
    world.r2.power_off()
    shown = leasewire("plan")
    assert shown.code == 3
    assert "+ SVC-A: add" in shown.out
    assert "router R2 is unreachable" in shown.err
    first, second = leasewire("plan", "--json").document["routers"]
    assert len(first["operations"]) == 1
    assert second["error"]["cause"] == "unreachable"


def test_router_that_refuses_us_is_told_with_advice(world, leasewire):
    world.r1.set_faults(refuse_login=True)
    shown = leasewire("plan", "R1")
    assert shown.code == 1
    assert "blocked (login-refused)" in shown.err
    (planned,) = leasewire("plan", "R1", "--json").document["routers"]
    assert planned["error"]["advice"]


def test_unknown_router_is_told(world, leasewire):
    shown = leasewire("plan", "R9")
    assert shown.code == 2
    assert "there is no router R9\n" in shown.err
    assert "there is no router R11; did you mean R1?" in leasewire("plan", "R11").err
