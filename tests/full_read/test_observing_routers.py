"""A router with `mode = "observe"` is planned for and not written to, until it is managed."""

import pytest

from contracts import event_key
from tests.builders import activated, cancelled, ipv4, mac, mac_changed
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]

OBSERVE = ("[routers.R1]\n", '[routers.R1]\nmode = "observe"\n')
MANAGE = tuple(reversed(OBSERVE))


def states(world, *events):
    keys = [(each["source"], each["id"]) for each in events]

    outcomes = {
        o.event_id: (o.state, o.reason)
        for o in world.context.store.views.outcomes([event_key(*key) for key in keys])
    }
    return [outcomes[each["id"]] for each in events]


def test_nothing_is_written_and_events_end_as_observed(edited, world, leasewire):
    accept, converge = edited(OBSERVE)
    world.r1.add_row(LEASES, {"address": ipv4(20), "mac-address": mac(7)})
    events = [
        activated("SVC-1", server=None),
        activated("SVC-2", server=None, mac=mac(2), ipv4=ipv4(20)),
        mac_changed("SVC-1", mac(3)),
    ]
    before = world.r1.journal()
    accept.run(events, "events")
    converge.run("R1")
    assert world.r1.journal() == before
    assert states(world, *events) == [
        ("observed", "would-write"),
        ("observed", "foreign-row"),
        ("observed", "would-write"),
    ]
    assert world.context.store.views.router("R1").marked == 0
    shown = leasewire("routers", "list", "--json").document["routers"][0]
    assert (shown["mode"], shown["backlog"], shown["waiting"]) == ("observe", 0, 0)


def test_row_that_was_ours_before_is_known_while_it_is_observed(edited, world):
    world.say(activated("SVC-1", server=None))
    world.converge.run("R1")
    accept, converge = edited(OBSERVE)
    world.context.store.fleet.apply_policy("R1", converge.policies["R1"], "ann")
    converge.run("R1")
    event = cancelled("SVC-1")
    before = world.r1.journal()
    accept.run([event], "events")
    converge.run("R1")
    assert world.r1.journal() == before
    assert states(world, event) == [("observed", "would-write")]


def test_managing_shows_the_whole_plan_before_it_is_written(edited, world, leasewire):
    accept, converge = edited(OBSERVE)
    accept.run([activated("SVC-1", server=None)], "events")
    converge.run("R1")
    early = leasewire("routers", "manage", "R1", "--apply")
    assert early.code == 2
    assert "restart the workers" in early.out
    _, managing = edited(MANAGE)
    managing.run("R1")
    assert world.r1.rows(LEASES) == []
    shown = leasewire("routers", "manage", "R1")
    assert shown.code == 2
    assert "+ SVC-1: add" in shown.out
    refused = leasewire("routers", "apply", "R1", "--apply")
    assert refused.code == 2
    assert "routers manage R1" in refused.err
    managing.run("R1")
    assert world.r1.rows(LEASES) == []
    assert leasewire("routers", "manage", "R1", "--apply", "--actor", "ann").code == 0
    managing.run("R1")
    assert [row["mac-address"] for row in world.r1.rows(LEASES)] == [mac(1)]
    assert "is managed" in leasewire("routers", "manage", "R1").out
