"""Rows that land after somebody else looked: they are found, whatever the service is by then."""

import contextlib
from dataclasses import replace
from functools import partial

import pytest

from tests import builders
from tests.converge.queues import QUEUE, TAG, active, installation, switch
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from tests.store.passing_time import let_pass
from worker.compute_gate import ComputeGate
from worker.convergence.concurrency import ConcurrencyLimiter
from worker.core.entry.wanted import DEFAULT_KIND
from worker.errors import OutcomeUnknown
from worker.routeros.rows import command_for
from worker.routeros.session import Session
from worker.routeros.sessions import Sessions

pytestmark = [pytest.mark.redis, pytest.mark.router]

LISTS = "/ip/firewall/address-list"
LEASE_MS = 30_000


class Late:
    """A link that stalls once: the writes of one phase land when a test says so."""

    def __init__(self, world, menu, kind=DEFAULT_KIND, sealer=None):
        self._world = world
        self._menu = menu
        self._command_for = partial(command_for, kind=kind, sealer=sealer)
        self._commands = []

    @contextlib.contextmanager
    def stalls(self):
        real = Session.write

        def write(session, operations, progress):
            if self._commands or all(each.menu != self._menu for each in operations):
                return real(session, operations, progress)
            self._commands += map(self._command_for, operations)
            session.close()
            raise OutcomeUnknown("R1", "no answer in time")

        Session.write = write
        try:
            yield
        finally:
            Session.write = real
        assert self._commands

    def land(self):
        for command, *message in self._commands:
            self._world.r["R1"].run(command, dict(word[1:].split("=", 1) for word in message))


def recheck(world):
    """The router is tried again, and then the second look is due."""
    for ms in (LEASE_MS, 2 * LEASE_MS):
        let_pass(world.store, ms)
        world.drain("R1")


def stand_still_before_writing(world, meanwhile):
    """A pass of another process, which stops before its first write until all that was done."""
    real = Session.write

    def stands_still(session, operations, progress):
        Session.write = real
        meanwhile()
        return real(session, operations, progress)

    Session.write = stands_still
    stopped = replace(
        world.converge,
        sessions=Sessions(world.inventory, world.settings),
        gate=ComputeGate(time_limit_s=1),
        limiter=ConcurrencyLimiter(threads=1),
    )
    try:
        stopped.run("R1")
    finally:
        Session.write = real


def listed(world):
    return [(row["address"], row.get("comment", "")) for row in world.r["R1"].rows(LISTS)]


def leases(world, service="SVC-1"):
    return [
        (row["mac-address"], row["address"])
        for row in world.rows("R1")
        if row["comment"] == f"leasewire:acme:{service}"
    ]


def report(world):
    world.client.sadd(world.store.keys.reports.asked, "R1")
    world.drain("R1")
    return world.store.full_reads.last("R1").document["drift"]


@pytest.fixture
def walled_garden():
    with SmallInstallation(1, defaults='suspend_list = "susp"', lock_ms=LEASE_MS) as world:
        yield world


@pytest.fixture
def here():
    with SmallInstallation(1, lock_ms=LEASE_MS) as world:
        yield world


def resume_before_the_row_lands(world):
    world.say(activated("SVC-1", 1))
    world.drain()
    late = Late(world, LISTS)
    world.say(builders.suspended("SVC-1", "walled_garden", revision=2))
    with late.stalls():
        world.converge.run("R1")
    resumed = builders.resumed("SVC-1", revision=3)
    world.say(resumed)
    let_pass(world.store, LEASE_MS)
    world.drain("R1")
    assert world.outcome(resumed).startswith("applied")
    late.land()
    assert listed(world) == [(builders.ipv4(1), "leasewire:acme:SVC-1")]


def test_a_list_row_that_lands_late_is_removed_by_the_second_look(walled_garden):
    resume_before_the_row_lands(walled_garden)
    recheck(walled_garden)
    assert listed(walled_garden) == []
    assert walled_garden.client.hgetall(walled_garden.block("R1").inflight) == {}


def test_a_list_row_of_a_worker_that_stood_still_is_removed_though_its_address_changed(
    walled_garden,
):
    """The next holder of the lock made its second look before; found by a simulated history."""
    world = walled_garden
    world.say(activated("SVC-1", 1))
    world.drain()
    world.say(builders.suspended("SVC-1", "walled_garden", revision=2))

    def meanwhile():
        let_pass(world.store, LEASE_MS)
        world.say(activated("SVC-1", 9, revision=3))
        world.drain("R1")
        recheck(world)

    stand_still_before_writing(world, meanwhile)
    assert listed(world) == [(builders.ipv4(1), "leasewire:acme:SVC-1")]
    world.drain("R1")
    assert listed(world) == []


def test_a_row_of_a_worker_that_stood_still_stays_where_redis_lost_its_service(walled_garden):
    """Its activation comes again; found by a simulated history."""
    world, real = walled_garden, Session.write

    def stands_still(session, operations, progress):
        Session.write = real
        answers = real(session, operations, progress)
        let_pass(world.store, LEASE_MS)
        block = world.block("R1")
        world.client.delete(
            *(world.store.keys.record("SVC-1"), block.inflight, block.due, block.work_items),
            *(block.services, block.claims, block.held),
        )
        return answers

    world.say(activated("SVC-1", 1))
    Session.write = stands_still
    try:
        world.converge.run("R1")
    finally:
        Session.write = real
    for _ in range(2):
        world.drain("R1")
        assert [row["mac-address"] for row in world.rows("R1")] == [builders.mac(1)]
        world.say(activated("SVC-1", 1, revision=2))


def test_a_list_row_that_landed_while_its_service_was_cancelled_is_removed(walled_garden):
    resume_before_the_row_lands(walled_garden)
    walled_garden.say(builders.cancelled("SVC-1", revision=4))
    recheck(walled_garden)
    assert listed(walled_garden) == []
    walled_garden.say(activated("SVC-2", 1))
    walled_garden.drain()
    assert listed(walled_garden) == []


@pytest.mark.parametrize("ended", [False, True])
def test_a_list_row_of_which_redis_knows_nothing_is_reported_and_mended(walled_garden, ended):
    """As after a Redis that lost its last second."""
    walled_garden.say(activated("SVC-1", 1))
    if ended:
        walled_garden.drain()
        walled_garden.say(builders.cancelled("SVC-1", revision=2))
    walled_garden.drain()
    comment = "leasewire:acme:SVC-1"
    row = {"list": "susp", "address": builders.ipv4(1), "comment": comment}
    walled_garden.r["R1"].add_row(LISTS, row)
    found = report(walled_garden)
    assert [(each["kind"], each["menu"]) for each in found] == [("duplicate", LISTS)]
    walled_garden.store.fleet.recheck("R1", ["SVC-1"], "reconcile", "", "ann")
    walled_garden.drain("R1")
    assert listed(walled_garden) == []
    assert report(walled_garden) == []


def test_list_rows_are_read_for_nobody_of_whom_nothing_is_noted(walled_garden, monkeypatch):
    read = []
    real = Session.read_rows

    def read_rows(session, menu, terms, progress):
        read.append((menu, terms))
        return real(session, menu, terms, progress)

    monkeypatch.setattr(Session, "read_rows", read_rows)
    walled_garden.say(activated("SVC-1", 1), activated("SVC-2", 2))
    walled_garden.drain()
    walled_garden.say(builders.mac_changed("SVC-1", builders.mac(9), revision=2))
    walled_garden.drain()
    assert read == []
    walled_garden.store.routers.add_work("R1", ["SVC-1"], closely=True)
    walled_garden.drain("R1")
    named = {menu: {each.value for each in terms} for menu, terms in read}
    assert named == {LISTS: {TAG, builders.ipv4(1)}, QUEUE: {TAG}}


def add_late(world, first, then, late=None):
    late = late or Late(world, LEASES)
    world.say(first)
    with late.stalls():
        world.converge.run("R1")
    world.say(then)
    let_pass(world.store, LEASE_MS)
    world.drain("R1")
    assert world.outcome(then).startswith("applied")
    return late


def changed(number, ipv4=None):
    return builders.snapshot(
        "SVC-1",
        revision=2,
        mac=builders.mac(number),
        ipv4=ipv4 or builders.ipv4(number),
        router="R1",
        server=SERVER,
    )


def test_a_lease_that_lands_late_is_removed_by_the_second_look(here):
    add_late(here, activated("SVC-1", 1), changed(2)).land()
    assert len(leases(here)) == 2
    recheck(here)
    assert leases(here) == [(builders.mac(2), builders.ipv4(2))]
    assert here.client.hgetall(here.block("R1").inflight) == {}


def test_who_gets_its_address_need_not_wait_for_the_second_look(here):
    add_late(here, activated("SVC-1", 1), changed(2)).land()
    other = activated("SVC-2", 3)
    other["data"]["service"]["address"]["ipv4"] = builders.ipv4(1)
    here.say(other)
    here.drain("R1")
    assert here.outcome(other).startswith("applied")
    assert leases(here) == [(builders.mac(2), builders.ipv4(2))]
    assert leases(here, "SVC-2") == [(builders.mac(3), builders.ipv4(1))]


def test_a_service_may_take_back_what_landed_late(here):
    add_late(here, activated("SVC-1", 1), changed(2)).land()
    here.say(builders.mac_changed("SVC-1", builders.mac(1), revision=3))
    here.drain("R1")
    assert leases(here) == [(builders.mac(1), builders.ipv4(2))]


def test_of_a_cancelled_service_neither_row_stays(here):
    add_late(here, activated("SVC-1", 1), changed(2)).land()
    here.say(builders.cancelled("SVC-1", revision=3))
    here.drain("R1")
    assert leases(here) == []


def test_a_row_of_a_worker_that_stood_still_goes_though_redis_lost_its_note(here):
    """Its service has another row by then; found by a simulated history."""
    world = here
    world.say(activated("SVC-1", 1))

    def meanwhile():
        block = world.block("R1")
        world.client.delete(block.inflight, block.lock)
        world.say(changed(2))
        world.drain("R1")
        recheck(world)

    stand_still_before_writing(world, meanwhile)
    assert len(leases(world)) == 2
    world.drain("R1")
    assert leases(world) == [(builders.mac(2), builders.ipv4(2))]
    recheck(world)
    assert world.client.hgetall(world.block("R1").inflight) == {}


def test_copies_made_by_hand_are_left_alone(here):
    late = add_late(here, activated("SVC-1", 1), changed(2))
    router, comment = here.r["R1"], "leasewire:acme:SVC-1"
    (own,) = here.rows("R1")
    other = {"mac-address": builders.mac(9), "address": builders.ipv4(9), "server": SERVER}
    off = {name: own[name] for name in ("mac-address", "server")}
    router.add_row(LEASES, other | {"comment": comment})
    router.add_row(LEASES, off | {"comment": comment, "disabled": "yes"})
    copies = [row for row in here.rows("R1") if row[".id"] != own[".id"]]
    late.land()
    recheck(here)
    assert [row for row in here.rows("R1") if row[".id"] != own[".id"]] == copies
    here.store.routers.add_work("R1", ["SVC-1"])
    here.drain("R1")
    assert [row for row in here.rows("R1") if row[".id"] != own[".id"]] == copies


def test_a_queue_that_lands_late_is_removed_whatever_the_policy_is_by_then():
    """Found by a simulated history."""
    with installation('rates = "queue"\n', lock_ms=LEASE_MS) as world:
        world.say(active())
        late = Late(world, QUEUE)
        with late.stalls():
            world.converge.run("R1")
        switch(world, 'rates = "lease"\n')
        let_pass(world.store, LEASE_MS)
        world.drain("R1")
        late.land()
        assert TAG in {row.get("comment") for row in world.r["R1"].rows(QUEUE)}
        recheck(world)
        assert TAG not in {row.get("comment") for row in world.r["R1"].rows(QUEUE)}
