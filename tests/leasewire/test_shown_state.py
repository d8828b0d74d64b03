"""What `events`, `services`, `routers list` and `dead-letters` show of the store."""

import socket

import pytest

from leasewire.answer import clean
from tests.builders import activated, cancelled, event, ipv4, mac, mac_changed, snapshot, suspended
from tests.leasewire.conftest import LEASES
from tests.signs import give_signs
from worker.admin.service_documents import sync_status
from worker.core.policy.circuit import RouterState

pytestmark = [pytest.mark.redis, pytest.mark.router]

A = activated("SVC-A", server="dhcp-vlan-32", id_="a1")


def test_applied_event_is_shown_with_its_service_and_router(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    shown = leasewire("events", "show", "a1", "--json")
    assert shown.code == 0
    (found,) = shown.document["events"]
    assert (found["state"], found["service"], found["router"]) == ("applied", "SVC-A", "R1")
    assert found["accepted_at"].endswith("Z")
    assert "applied" in leasewire("events", "show", "a1").out


def test_event_in_the_journal_is_journaled_and_the_missing_worker_is_named(world, leasewire):
    with world.context.publisher() as publisher:
        publisher.publish([A])
    (found,) = leasewire("events", "show", "a1", "--json").document["events"]
    assert (found["state"], found["lane"]) == ("journaled", "events")
    assert "no worker is running" in found["detail"]
    give_signs(world.context.store, "events@w:1")
    (found,) = leasewire("events", "show", "a1", "--json").document["events"]
    assert "detail" not in found


def test_event_of_a_parked_router_says_since_when_and_when_it_is_tried_next(world, leasewire):
    world.r1.power_off()
    world.say(A)
    world.converge.run("R1")
    (found,) = leasewire("events", "show", "a1", "--json").document["events"]
    assert found["state"] == "accepted"
    assert found["router_state"]["state"] == "unreachable"
    assert found["router_state"]["next_try_at"] > found["accepted_at"]
    text = leasewire("events", "show", "a1").out
    assert "Router R1 is unreachable since" in text
    assert "Next automatic retry: " in text


def test_event_is_looked_for_under_the_named_source_alone(world, leasewire):
    world.say(A)
    unknown = leasewire("events", "show", "a1", "--source", "urn:isp:bss:other")
    assert unknown.code == 1
    assert "There is no event a1 of urn:isp:bss:other" in unknown.err
    assert leasewire("events", "show", "nothing-like-it").code == 1


def test_services_are_listed_by_router_and_status(world, leasewire):
    world.say(
        A,
        activated("SVC-B", server=None, mac=mac(2), ipv4=ipv4(20), router="R2"),
        activated("SVC-C", server=None, mac=mac(3), ipv4=ipv4(30)),
        suspended("SVC-C"),
    )
    world.converge.run("R1")
    every = leasewire("services", "list", "--json").document["services"]
    assert [(s["service"], s["status"], s["sync"]) for s in every] == [
        ("SVC-A", "active", "in_sync"),
        ("SVC-B", "active", "pending"),
        ("SVC-C", "suspended", "in_sync"),
    ]
    assert (every[0]["mac"], every[0]["address"]) == (mac(1), ipv4(10))

    def ids(*options):
        found = leasewire("services", "list", *options, "--json").document["services"]
        return [service["service"] for service in found]

    assert ids("--router", "R2") == ["SVC-B"]
    assert ids("--status", "suspended") == ["SVC-C"]
    assert ids("--router", "R2", "--status", "suspended") == []
    table = leasewire("services", "list").out
    assert "SVC-A" in table
    assert mac(1) in table
    assert leasewire("services", "list", "--status", "asleep").code == 2


def test_service_shows_each_value_with_the_event_that_set_it(world, leasewire):
    world.say(A, mac_changed("SVC-A", mac(9), id_="m1"))
    world.converge.run("R1")
    service = leasewire("services", "show", "SVC-A", "--json").document
    assert service["registers"]["mac"] == {"value": mac(9), "event": "m1", "revision": 2}
    assert service["registers"]["router"]["event"] == "a1"
    (router,) = service["routers"]
    assert (router["router"], router["wanted"], router["sync"]) == ("R1", True, "in_sync")
    assert router["written"]["mac-address"] == mac(9)
    assert {outcome["state"] for outcome in service["events"]} == {"applied"}
    assert service["history"][0]["what"] == "in sync"
    text = leasewire("services", "show", "SVC-A").out
    assert "m1" in text
    assert "in_sync" in text


def test_moved_service_is_still_to_clean_on_the_router_that_is_down(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    world.r1.power_off()
    world.say(snapshot("SVC-A", router="R2", server=None, revision=2))
    world.converge.run("R1")
    world.converge.run("R2")
    service = leasewire("services", "show", "SVC-A", "--json").document
    at = {each["router"]: each for each in service["routers"]}
    assert (at["R1"]["wanted"], at["R1"]["sync"]) == (False, "circuit_open")
    assert (at["R2"]["wanted"], at["R2"]["sync"]) == (True, "in_sync")
    assert "TO CLEAN" in leasewire("services", "show", "SVC-A").out


def test_unknown_service_and_letter_are_told_in_a_line(world, leasewire):
    for arguments in (("services", "show", "SVC-404"), ("dead-letters", "show", "x")):
        shown = leasewire(*arguments)
        assert shown.code == 1
        assert shown.out == ""
        assert shown.err.count("\n") == 1


def test_routers_are_listed_with_state_backlog_and_last_words(world, leasewire):
    world.r1.power_off()
    world.say(A)
    world.converge.run("R1")
    r1, r2 = leasewire("routers", "list", "--json").document["routers"]
    assert (r1["router"], r1["state"], r1["services"], r1["backlog"]) == ("R1", "unreachable", 1, 1)
    assert (r1["circuit"], r1["attempts"]) == ("open", 1)
    assert "refused" in r1["message"]
    assert r1["oldest_due"] <= r1["since"] <= r1["next_try_at"]
    assert (r2["router"], r2["state"], r2["circuit"], r2["backlog"]) == ("R2", "new", "closed", 0)
    assert not {"since", "oldest_due", "next_try_at"} & r2.keys()
    text = leasewire("routers", "list").out
    for word in ("unreachable", "BACKLOG", "OLDEST", "NEXT TRY", "Connection refused"):
        assert word in text


def test_a_router_is_shown_probing_and_draining(world, leasewire):
    routers, block = world.context.store.routers, world.context.store.keys.router("R1")
    world.say(A)
    routers.acquire("R1", "aa", 10)
    routers.set_state("R1", "aa", RouterState("unreachable", since_ms=1000, attempts=2))
    shown = leasewire("routers", "list")
    assert "probing" in shown.out
    draining = RouterState("up", since_ms=2000, away_since_ms=1000, drained=40)
    routers.set_state("R1", "aa", draining)
    assert "draining" in leasewire("routers", "list").out
    (r1, _) = leasewire("routers", "list", "--json").document["routers"]
    assert (r1["state"], r1["drained"], r1["away_since"]) == ("up", 40, "1970-01-01T00:00:01.000Z")
    assert world.context.store.client.exists(block.lock)


def test_dead_letter_shows_what_is_wrong_and_the_event_as_it_came(world, leasewire):
    broken = event("activated", "SVC-X", id_="broken")
    world.say(broken)
    (dead_letter,) = leasewire("dead-letters", "list", "--json").document["dead_letters"]
    assert (dead_letter["reason"], dead_letter["service"]) == ("invalid-event", "SVC-X")
    shown = leasewire("dead-letters", "show", dead_letter["id"], "--json").document
    assert shown["body"] == broken
    assert "/data/service" in shown["detail"]
    text = leasewire("dead-letters", "show", dead_letter["id"]).out
    assert '"id": "broken"' in text
    assert "invalid-event" in leasewire("dead-letters", "list").out


def test_cancelled_service_is_listed_on_no_router(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    world.say(cancelled("SVC-A"))
    world.converge.run("R1")
    (service,) = leasewire("services", "list", "--json").document["services"]
    assert service["status"] == "cancelled"
    assert "sync" not in service


@pytest.mark.parametrize(
    ("queued", "state", "why", "expected"),
    [
        (False, "up", None, "in_sync"),
        (False, "unreachable", None, "in_sync"),
        (False, "up", {"reason": "operation-refused"}, "failed"),
        (True, "up", None, "pending"),
        (True, "up", {"reason": "foreign-row"}, "waiting"),
        (True, "unreachable", None, "circuit_open"),
        (True, "blocked", {"reason": "foreign-row"}, "circuit_open"),
    ],
)
def test_sync_follows_from_mark_reason_and_router(queued, state, why, expected):
    assert sync_status(RouterState(state), why, queued=queued).sync == expected


def test_what_others_wrote_cannot_steer_the_terminal():
    assert clean("a\x1b[2Jb\rc\udce9") == "a\\x1b[2Jb\\rc\\udce9"


def test_lease_table_says_whose_each_row_is(world, leasewire):
    world.say(A)
    world.converge.run("R1")
    world.r1.add_row(LEASES, {"address": ipv4(5), "mac-address": mac(5), "comment": "priñter"})
    world.r1.device(mac(6))
    shown = leasewire("routers", "leases", "R1", "--json")
    assert shown.code == 0
    rows = {row["mac"]: row for row in shown.document["leases"]}
    assert (rows[mac(1)]["whose"], rows[mac(1)]["service"]) == ("ours", "SVC-A")
    assert (rows[mac(5)]["whose"], rows[mac(5)]["comment"]) == ("foreign", "priñter")
    assert rows[mac(6)]["whose"] == "unknown-device"
    assert "service" not in rows[mac(5)]
    table = leasewire("routers", "leases", "R1").out.splitlines()
    assert [line.split()[0] for line in table[1:3]] == [ipv4(5), ipv4(10)]
    world.r1.power_off()
    assert leasewire("routers", "leases", "R1").code == 3
    assert leasewire("routers", "leases", "R9").code == 2


def test_health_asks_for_both_kinds_of_this_host(world, leasewire):
    store = world.context.store
    host = socket.gethostname()
    give_signs(store, f"events@{host}:17", "routers@another-host:18")
    shown = leasewire("health")
    assert shown.code == 1
    assert "routers" in shown.err
    assert "events" not in shown.err
    give_signs(store, f"routers@{host}:19")
    assert leasewire("health").code == 0
