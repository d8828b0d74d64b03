"""A router with `mode = "observe"` is planned for and not written to, until it is managed."""

import pytest

from contracts.identity import event_key
from tests.builders import activated, cancelled, ipv4, mac, mac_changed
from tests.leasewire.conftest import LEASES

pytestmark = [pytest.mark.redis, pytest.mark.router]

OBSERVE = ("[routers.R1]\n", '[routers.R1]\nmode = "observe"\n')
MANAGE = tuple(reversed(OBSERVE))


def states(world, *events):
    keys = [(each["source"], each["id"]) for each in events]

    outcomes = {
        o.event.id: (o.state, o.reason)
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
    assert world.context.store.views.router("R1").queued == 0
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
    assert shown.code == 4
    assert "+ SVC-1: add" in shown.out
    refused = leasewire("routers", "apply", "R1", "--apply")
    assert refused.code == 2
    assert "routers manage R1" in refused.err
    managing.run("R1")
    assert world.r1.rows(LEASES) == []
    assert leasewire("routers", "manage", "R1", "--apply", "--actor", "ann").code == 0
    managing.run("R1")
    assert [row["mac-address"] for row in world.r1.rows(LEASES)] == [mac(1)]
    assert "already managed" in leasewire("routers", "manage", "R1").out


def test_nobody_is_told_that_a_row_was_written_where_nothing_is(edited, world, leasewire):
    accept, converge = edited(OBSERVE)
    tag = "leasewire:acme:"
    given = {"server": "dhcp-vlan-32", "disabled": "no"}
    for number, comment in ((1, f"{tag}SVC-1"), (2, f"{tag}SVC-2"), (3, "cust-3")):
        row = {"address": address(number), "mac-address": mac(number), "comment": comment}
        world.r1.add_row(LEASES, row | given)
    events = [
        activated(f"SVC-{number}", server=None, mac=mac(number), ipv4=address(number + differs))
        for number, differs in ((1, 0), (2, 100), (3, 0), (4, 0))
    ]
    accept.run(events, "events")
    converge.run("R1")
    world.r1.device(mac(1), server="dhcp-vlan-32")
    listed = leasewire("services", "list", "--json").document["services"]
    assert {each["service"]: each["sync"] for each in listed} == {
        "SVC-1": "observed",
        "SVC-2": "observed: differs",
        "SVC-3": "observed: differs",
        "SVC-4": "observed: differs",
    }
    shown = leasewire("services", "show", "SVC-2", "--json").document["routers"]
    assert [each["sync"] for each in shown] == ["observed: differs"]
    assert " observed " in leasewire("routers", "list").out
    said = {}
    for service in (each["service"] for each in listed):
        why = leasewire("why", service)
        verified = leasewire("services", "verify", service)
        offline = leasewire("why", service, "--offline")
        said[service] = why.out
        for text in (why.out, verified.out, offline.out):
            for lie in (
                "written and confirmed",
                "by hand",
                "lost by the router",
                "as last written",
            ):
                assert lie not in text, (service, text)
            assert "has its row" not in text or service != "SVC-3", text
            assert "moves at its next request" not in text, (service, text)
        assert "observe mode" in why.out, why.out
        assert "observe mode" in offline.out, offline.out
        checks = leasewire("services", "verify", service, "--json").document["checks"]
        rows = [each["level"] for each in checks if each["what"] == "row"]
        assert rows == (["ok"] if service == "SVC-1" else ["fail"])
    assert "all is well" in said["SVC-1"]
    assert f"address is {address(2)} and would become {address(102)}" in said["SVC-2"]
    assert "no row with the tag of SVC-3" in said["SVC-3"]


def test_adopting_ends_a_difference_that_was_only_the_tag(edited, world, leasewire):
    accept, converge = edited(OBSERVE)
    row = {"address": address(1), "mac-address": mac(1), "comment": "cust-1"}
    world.r1.add_row(LEASES, row | {"server": "dhcp-vlan-32"})
    accept.run([activated("SVC-1", server=None, ipv4=address(1))], "events")
    converge.run("R1")
    assert sync(leasewire) == "observed: differs"
    [found] = world.r1.rows(LEASES)
    world.r1.set_row(LEASES, found[".id"], {"comment": "leasewire:acme:SVC-1 cust-1"})
    world.context.store.fleet.recheck("R1", ["SVC-1"], "adopt", "1 row", "ann")
    converge.run("R1")
    assert sync(leasewire) == "observed"
    world.r1.set_row(LEASES, found[".id"], {"address": address(9)})
    world.context.store.fleet.recheck("R1", ["SVC-1"], "adopt", "1 row", "ann")
    converge.run("R1")
    assert sync(leasewire) == "observed: differs"


def address(number):
    return f"223.203.225.{20 + number}"


def sync(leasewire):
    [listed] = leasewire("services", "list", "--json").document["services"]
    return listed["sync"]


def test_a_service_that_was_never_written_is_not_said_to_be(world, leasewire):
    world.r1.add_row(LEASES, {"address": address(1), "mac-address": mac(9)})
    world.say(activated("SVC-1", server=None, ipv4=address(1)))
    world.converge.run("R1")
    verified = leasewire("services", "verify", "SVC-1")
    assert "read back" not in verified.out
    assert "foreign-row" in verified.out
    assert "has its row" not in verified.out
