"""`leasewire brake` and `services restore`: a simulated router, a real store."""

import re
import time
from contextlib import closing
from dataclasses import replace

import pytest

from tests import builders
from worker.convergence.batch import BatchRunner
from worker.convergence.concluder import Concluder, PassStatistics
from worker.convergence.concurrency import RouterLock, TimeLimits
from worker.convergence.faults import FaultyServices
from worker.core.entry.brake import BrakeLimits
from worker.routeros.sessions import Sessions

pytestmark = [pytest.mark.redis, pytest.mark.router]
NUMBER = 8
IDS = [f"SVC-{i}" for i in range(NUMBER)]
TAG = "leasewire:acme:"


@pytest.fixture
def braked(world):
    """Eight services that R1 serves, and an event that cancels each."""
    world.accept = replace(world.accept, limits=BrakeLimits())
    world.say(
        *(
            builders.activated(
                service,
                server=None,
                mac=builders.mac(i + 1),
                ipv4=f"223.203.225.{10 + i}",
                plan={"code": "HOME"},
            )
            for i, service in enumerate(IDS)
        )
    )
    passes(world)
    world.say(*(builders.cancelled(service, revision=2) for service in IDS))
    return world


def passes(world, router="R1"):
    store = world.context.store
    store.client.delete(store.keys.router(router).notified)
    world.converge.run(router)


def rows(world):
    return {
        row["comment"].removeprefix(TAG): (row["mac-address"], row["address"])
        for row in world.r1.rows("/ip/dhcp-server/lease")
        if row.get("comment", "").startswith(TAG)
    }


def the_hold(leasewire):
    (found,) = leasewire("brake", "list", "--json").document["approvals"]
    return found


def test_what_is_held_is_shown_everywhere_and_not_written(braked, leasewire):
    passes(braked)
    assert sorted(rows(braked)) == IDS
    scope = the_hold(leasewire)
    assert (scope["scope"], scope["name"], scope["kinds"]) == (
        "router",
        "R1",
        {"cancelled": NUMBER},
    )
    assert scope["services"][0]["mac"] == builders.mac(1)
    assert scope["services"][0]["becomes"] == "cancelled"
    assert "\n\nSERVICE" in leasewire("brake", "list").out
    for message in (
        leasewire("brake", "list").out,
        leasewire("why", "SVC-3").out,
        leasewire("services", "show", "SVC-3").out,
        leasewire("plan", "R1").out,
    ):
        assert "brake" in message
    assert leasewire("plan", "R1").code == 0
    status = leasewire("status", "--json").document
    assert {"brake"} <= {each["what"] for each in status["findings"]}
    assert [each.subject for each in braked.context.store.alerts.all_open()] == ["router:R1"]


def test_a_pass_leaves_out_what_is_held_since_it_took_it(world):
    world.accept = replace(world.accept, limits=BrakeLimits())
    world.say(
        *(
            builders.activated(s, server=None, mac=builders.mac(i), ipv4=f"223.203.225.{i}")
            for i, s in enumerate(IDS, start=10)
        )
    )
    passes(world)
    store, policy = world.context.store, world.context.inventory.routers["R1"].policy
    world.say(*(builders.cancelled(service, revision=2) for service in IDS[:5]))
    store.client.delete(store.keys.router("R1").notified)
    acquired = store.routers.acquire("R1", "token", 100)
    assert len(acquired.work_items) == 5
    world.say(builders.cancelled(IDS[5], revision=2))
    with closing(Sessions(world.context.inventory, world.context.settings).open("R1")) as session:
        lock = RouterLock(store.routers, "R1", "token", time.monotonic)
        time_limits = TimeLimits(recheck_ms=60_000, alert_ms=3_600_000)
        held_in = policy.held_in(session.entries)
        concluder = Concluder(
            store,
            session,
            lock,
            statistics=PassStatistics(),
            time_limits=time_limits,
            known=acquired.memory,
            faults=FaultyServices(store, lock, acquired.memory, time_limits),
        )
        runner = BatchRunner(held_in, concluder, was_read=int)
        runner.run(acquired.work_items, acquired.now_ms)
    assert sorted(rows(world)) == IDS
    assert {work_item.service_id for work_item in store.brake.held()} == set(IDS[:6])


def test_approval_is_for_the_list_that_was_shown(braked, leasewire):
    scope = the_hold(leasewire)
    braked.say(builders.resumed("SVC-1", revision=3, service=None))
    braked.say(
        builders.snapshot(
            "SVC-2", server=None, mac=builders.mac(3), ipv4="223.203.225.12", revision=3
        )
    )
    late = leasewire("brake", "approve", scope["id"], "--digest", scope["digest"])
    assert late.code == 1
    assert "the list has changed" in late.err
    passes(braked)
    assert sorted(rows(braked)) == IDS

    now = the_hold(leasewire)
    assert now["count"] == NUMBER - 1
    named = ("--digest", now["digest"], "--actor", "anna", "--reason", "they moved away")
    done = leasewire("brake", "approve", now["id"], *named)
    assert (done.code, done.err) == (0, "")
    passes(braked)
    assert sorted(rows(braked)) == ["SVC-2"]
    assert leasewire("brake", "list", "--json").document["approvals"] == []
    assert braked.context.store.alerts.all_open() == []
    history = leasewire("services", "events", "SVC-4", "--json").document["history"]
    (line,) = [line for line in history if line["what"] == "brake-approved"]
    assert (line["actor"], line["reason"]) == ("anna", "they moved away")


def test_after_an_approval_the_hour_begins_anew(braked, leasewire):
    scope = the_hold(leasewire)
    done = leasewire("brake", "approve", scope["id"], "--digest", scope["digest"])
    assert done.code == 0, done.err
    store = braked.context.store
    assert not store.client.exists(store.keys.router("R1").lost)
    assert not store.client.exists(*store.keys.losses(builders.SOURCE))


def test_a_rejection_leaves_each_device_its_row(braked, leasewire):
    before = rows(braked)
    scope = the_hold(leasewire)
    named = ("--digest", scope["digest"], "--actor", "anna", "--reason", "a wrong run")
    done = leasewire("brake", "reject", scope["id"], *named)
    assert (done.code, done.err) == (0, "")
    braked.accept.run([], "events")
    store = braked.context.store
    assert store.brake.held() == []
    assert store.alerts.all_open() == []
    record = store.records.read(["SVC-5"])["SVC-5"].record
    assert (record.status, record.value("plan")) == ("active", {"code": "HOME"})
    passes(braked)
    assert rows(braked) == before
    history = leasewire("services", "events", "SVC-5", "--json").document["history"]
    assert ("anna", "a wrong run") in [(line.get("actor"), line.get("note")) for line in history]


def test_what_is_announced_is_neither_counted_nor_held(braked, leasewire):
    scope = the_hold(leasewire)
    done = leasewire("brake", "approve", scope["id"], "--digest", scope["digest"])
    assert done.code == 0, done.err
    passes(braked)
    braked.say(
        *(
            builders.activated(
                s, server=None, mac=builders.mac(i), ipv4=f"223.203.225.{i}", revision=3
            )
            for i, s in enumerate(IDS, start=10)
        )
    )
    passes(braked)
    said = leasewire("brake", "announce", "--router", "R1", "--services", "7", "--for", "2h")
    assert said.code == 0
    braked.say(*(builders.suspended(s, revision=4) for s in IDS))
    assert leasewire("brake", "list", "--json").document["approvals"] == []
    (announced,) = leasewire("brake", "list", "--json").document["announced"]
    assert (announced["services"], announced["used"]) == (7, 7)
    passes(braked)
    assert {row["block-access"] for row in braked.r1.rows("/ip/dhcp-server/lease")} == {"true"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--router", "R1", "--services", "7"], "--until or --for"),
        (["--router", "R1", "--services", "7", "--for", "soon"], "must be a duration"),
        (["--router", "R1", "--services", "7", "--until", "2020-01-01T00:00:00Z"], "in the past"),
        (["--router", "R9", "--services", "7", "--for", "2h"], "no router R9"),
        (["--services", "7", "--for", "2h"], "--source or --router"),
    ],
)
def test_an_announcement_that_cannot_be_is_refused(world, leasewire, options, message):
    said = leasewire("brake", "announce", *options)
    assert said.code == 2
    assert message in said.err
    assert leasewire("brake", "list", "--json").document["announced"] == []


def test_a_cancelled_service_comes_back_as_it_was(world, leasewire):
    world.say(builders.activated("SVC-1", server=None, ipv4="223.203.225.10", plan={"code": "A"}))
    passes(world)
    before = rows(world)
    world.say(builders.cancelled("SVC-1"))
    passes(world)
    assert rows(world) == {}
    said = leasewire("services", "restore", "SVC-1", "--wait", "0", "--actor", "anna")
    assert (said.code, said.err) == (0, "")
    world.accept.run([], "events")
    passes(world)
    assert rows(world) == before


def test_who_has_its_address_by_now_is_named_and_nothing_is_done(world, leasewire):
    world.say(builders.activated("SVC-1", server=None, ipv4="223.203.225.10"))
    passes(world)
    world.say(builders.cancelled("SVC-1"))
    passes(world)
    world.say(builders.activated("SVC-2", server=None, mac=builders.mac(9), ipv4="223.203.225.10"))
    said = leasewire("services", "restore", "SVC-1")
    assert said.code == 1
    assert re.search(r"address:223\.203\.225\.10 is held by service SVC-2 \(active\)", said.err)
    assert leasewire("services", "restore", "SVC-2").code == 1
    assert leasewire("services", "restore", "SVC-3").code == 1
