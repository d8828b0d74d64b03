"""Redis comes back without its last second, after the routers were written."""

import shutil

import pytest
import redis
from redis.client import Pipeline

from tests import builders
from tests.converge import ipv6
from tests.converge.queues import LEASE, QUEUE, QUEUES, TAG, active, installation, ipv4, switch
from tests.converge.test_late_rows import LEASE_MS, Late
from tests.signs import heartbeat
from tests.small_installation import SERVER, SmallInstallation, activated
from tests.store.passing_time import let_pass
from tests.waiting import eventually
from worker.errors import StoreUnavailable
from worker.routeros.session import Session
from worker.runtime.sweep import Sweep
from worker.store.heartbeat import Seen
from worker.store.pools import PoolValues
from worker.store.records import Records
from worker.store.store import open_store

pytestmark = [pytest.mark.redis, pytest.mark.router]

LISTS = "/ip/firewall/address-list"


@pytest.fixture
def here():
    pool = '[pools.home]\nranges = ["198.51.100.101-198.51.100.108"]'
    with SmallInstallation(2, defaults='suspend_list = "susp"', tables=pool) as world:
        yield world


@pytest.fixture
def sweep(here):
    return Sweep(here.store, 2000, heartbeat(here.store, "routers@here:1"), lambda: False)


class Killed(BaseException):
    """A worker dies."""


class Synced:
    """What Redis had synced at a moment, to which a power loss brings it back."""

    def __init__(self, world):
        self._server = world.server
        self._log = world.server.directory / "appendonlydir"
        self._copy = world.inventory_path.parent / "synced"
        world.client.set("last", "1")

        def synced():
            return any(b"last" in path.read_bytes() for path in self._log.glob("*.aof"))

        eventually(synced, "all is synced")
        world.client.delete("last")
        shutil.copytree(self._log, self._copy)

    def come_back(self):
        self._server.kill()
        shutil.rmtree(self._log)
        shutil.copytree(self._copy, self._log)
        self._server.start()


def moved(service_id, router, revision=2):
    access = {"router": router, "dhcp_server": SERVER}
    return builders.event("moved", service_id, revision=revision, access=access)


def rows(world, router):
    return sorted(
        (row["comment"].removeprefix("leasewire:acme:"), row["mac-address"][-2:], row["blocked"])
        for row in world.rows(router)
    )


def test_routers_are_set_to_what_redis_remembers_and_somebody_is_told(here, sweep):
    names = ["SVC-MAC", "SVC-GONE", "SVC-SUSP", "SVC-WALL", "SVC-MOVE", "SVC-SAME"]
    here.say(*(activated(name, n) for n, name in enumerate(names, 1)))
    here.drain()
    sweep.once()
    before = rows(here, "R1")
    synced = Synced(here)
    sweep.once()
    here.say(
        builders.mac_changed("SVC-MAC", builders.mac(0x11), revision=2),
        builders.cancelled("SVC-GONE", revision=2),
        builders.suspended("SVC-SUSP", "block", revision=2),
        builders.suspended("SVC-WALL", "walled_garden", revision=2),
        moved("SVC-MOVE", "R2"),
        activated("SVC-NEW", 0x16),
    )
    here.drain()
    assert len(here.r["R1"].rows(LISTS)) == 1
    assert rows(here, "R2") == [("SVC-MOVE", "05", "false")]
    synced.come_back()
    sweep.once()
    here.drain()
    # A row of a service that Redis does not know any more stays: its customer is served.
    assert rows(here, "R1") == sorted([*before, ("SVC-NEW", "16", "false")])
    assert rows(here, "R2") == []
    assert here.r["R1"].rows(LISTS) == []
    (alert,) = [each for each in here.store.alerts.all_open() if each.kind == "redis-rolled-back"]
    assert "let the BSS send the events" in alert.text


def test_what_was_written_before_the_first_round_is_looked_at_too(here, sweep):
    synced = Synced(here)
    sweep.begin()
    here.say(activated("SVC-1", 1))
    here.drain()
    synced.come_back()
    here.say(builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert rows(here, "R1") == [("SVC-1", "01", "false")]
    sweep.once()
    here.drain()
    assert rows(here, "R1") == []


def test_what_was_concluded_after_the_last_sign_is_looked_at_after_each_start(here, sweep):
    """A second that was lost may hold no sign."""
    here.say(activated("SVC-1", 1))
    here.drain()
    sweep.once()
    sweep.once()
    synced = Synced(here)
    here.say(builders.mac_changed("SVC-1", builders.mac(2), revision=2))
    here.drain()
    synced.come_back()
    sweep.once()
    here.drain()
    assert rows(here, "R1") == [("SVC-1", "01", "false")]
    assert [each for each in here.store.alerts.all_open() if each.kind == "redis-rolled-back"] == []


def test_new_customers_do_not_wait_until_the_others_are_checked(here, sweep):
    here.say(activated("SVC-1", 1), activated("SVC-2", 2))
    here.drain()
    sweep.once()
    synced = Synced(here)
    synced.come_back()
    sweep.once()
    here.say(activated("SVC-3", 3))
    assert here.due("R1") == ["SVC-3", "SVC-1", "SVC-2"]


def lose_the_newer_of_two(here, sweep):
    """Redis comes back without SVC-NEW, whose row is there beside that of SVC-OLD."""
    here.say(activated("SVC-OLD", 1))
    here.drain()
    sweep.once()
    synced = Synced(here)
    here.say(activated("SVC-NEW", 2))
    here.drain()
    synced.come_back()
    sweep.once()


def test_a_service_that_redis_lost_and_that_ended_meanwhile_leaves_no_row(here, sweep):
    """Its events come again together: the commit of both places it nowhere."""
    lose_the_newer_of_two(here, sweep)
    sweep.once()
    assert [name for name, *_ in rows(here, "R1")] == ["SVC-NEW", "SVC-OLD"]
    here.say(activated("SVC-NEW", 2), builders.cancelled("SVC-NEW", revision=2))
    sweep.once()
    here.drain()
    assert [name for name, *_ in rows(here, "R1")] == ["SVC-OLD"]


def test_so_does_one_of_which_a_later_event_came_first(here, sweep):
    """Until its activation is there its record says nothing of its row."""
    lose_the_newer_of_two(here, sweep)
    here.say(builders.mac_changed("SVC-NEW", builders.mac(3), revision=2))
    sweep.once()
    here.drain()
    assert [name for name, *_ in rows(here, "R1")] == ["SVC-NEW", "SVC-OLD"]
    here.say(activated("SVC-NEW", 2), builders.cancelled("SVC-NEW", revision=3))
    sweep.once()
    here.drain()
    assert [name for name, *_ in rows(here, "R1")] == ["SVC-OLD"]


def test_so_does_one_whose_row_was_written_as_redis_failed(here, sweep, monkeypatch):
    """Nothing was concluded then."""
    here.say(activated("SVC-OLD", 1))
    here.drain()
    sweep.once()
    synced = Synced(here)
    here.say(activated("SVC-NEW", 2))

    def refused(*_):
        raise StoreUnavailable("NOREPLICAS")

    with monkeypatch.context() as patch:
        patch.setattr(here.store.routers, "conclude", refused)
        with pytest.raises(StoreUnavailable):
            here.drain()
    synced.come_back()
    sweep.once()
    here.say(activated("SVC-NEW", 2), builders.cancelled("SVC-NEW", revision=2))
    assert [name for name, *_ in rows(here, "R1")] == ["SVC-NEW", "SVC-OLD"]
    sweep.once()
    here.drain()
    assert [name for name, *_ in rows(here, "R1")] == ["SVC-OLD"]


def test_services_that_redis_lost_are_asked_for_less_and_less_often(here, monkeypatch):
    now_s = 0.0
    sign = heartbeat(here.store, "routers@here:1")
    sweep = Sweep(here.store, 2000, sign, lambda: False, clock=lambda: now_s)
    sweep.once()
    synced = Synced(here)
    here.say(activated("SVC-NEW", 1))
    here.drain()
    synced.come_back()
    sweep.once()
    asked, known = [], Records.known_whole

    def counted(records, services):
        asked.append(now_s)
        return known(records, services)

    monkeypatch.setattr(Records, "known_whole", counted)
    for second in (*range(1, 11), *range(300, 331), *range(601, 604)):
        now_s = float(second)
        sweep.once()
    assert asked == [*map(float, range(1, 11)), 300.0, 330.0]


def test_what_is_long_ago_is_forgotten_and_kept_while_redis_is_away(here, monkeypatch):
    now_s = 1000.0
    monkeypatch.setattr("worker.store.batches.time.monotonic", lambda: now_s)
    here.say(activated("SVC-1", 1), activated("SVC-2", 2, router="R2"))
    here.drain("R1")
    now_s += 60
    here.drain("R2")
    lately = here.store.routers.handled.lately()
    assert {name: [*services] for name, services in lately.items()} == {
        "R1": ["SVC-1"],
        "R2": ["SVC-2"],
    }
    here.store.routers.handled.forget_old()
    assert here.store.routers.handled.lately().keys() == {"R2"}


def test_a_sign_whose_answer_was_lost_is_no_loss(here, monkeypatch):
    execute = Pipeline.execute

    def deaf(pipe, **given):
        execute(pipe, **given)
        raise redis.ConnectionError("the answer was lost")

    signs = here.store.signs
    assert signs.give() is Seen.SAME
    assert signs.give() is Seen.SAME
    with monkeypatch.context() as patched:
        patched.setattr(Pipeline, "execute", deaf)
        with pytest.raises(StoreUnavailable):
            signs.give()
    assert here.client.get(here.store.keys.sign(signs.id)) == "3"
    assert signs.give() is Seen.SAME
    here.client.set(here.store.keys.sign(signs.id), "3")
    assert signs.give() is Seen.ROLLED_BACK
    here.client.delete(here.store.keys.sign(signs.id))
    assert signs.give() is Seen.ROLLED_BACK
    # another process, if need be one of the same name
    assert open_store(here.client, here.store.keys.prefix).signs.give() is Seen.SAME
    assert signs.give() is Seen.SAME


def lose(here, service_id):
    """Redis knows nothing of a service any more."""
    keys, block = here.store.keys, here.block("R1")
    of_it = (keys.record(service_id), keys.history(service_id))
    here.client.delete(*of_it, block.services, block.claims, block.held)
    here.client.delete(*here.client.keys(f"{here.prefix}seen:*"))


@pytest.mark.parametrize("address", [None, {"mode": "assigned", "pool": "home"}])
@pytest.mark.parametrize("is_apart", [False, True])
def test_a_service_that_begins_and_ends_before_a_pass_leaves_no_row(here, is_apart, address):
    """Nobody remembers its row: the worker that wrote it died when Redis lost its service.

    Its end may be folded before its begin, by itself.
    """
    begins = activated("SVC-1", 1, **({"address": address} if address else {}))
    here.say(begins)
    here.drain()
    (row,) = here.rows("R1")
    lose(here, "SVC-1")
    if is_apart:
        here.say(builders.cancelled("SVC-1", revision=2))
        here.say(begins)
    else:
        here.say(begins, builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert row["comment"]
    assert here.rows("R1") == []


def test_nobody_gets_what_a_lost_service_has_while_events_do_not_say_what_it_is(here):
    """One of its events came again, the one that began it did not yet."""
    here.say(activated("SVC-1", 1))
    here.drain("R1")
    lose(here, "SVC-1")
    here.say(builders.event("plan_changed", "SVC-1", revision=2, plan={"code": "P"}))
    here.say(rival := activated("SVC-2", 1))
    here.drain("R1")
    assert rows(here, "R1") == [("SVC-1", "01", "false")]
    assert here.outcome(rival).startswith("waiting: foreign-row")
    here.say(builders.cancelled("SVC-1", revision=3))
    here.store.routers.add_work("R1", ["SVC-2"])
    here.drain("R1")
    assert rows(here, "R1") == [("SVC-2", "01", "false")]


def test_a_row_whose_note_redis_lost_is_no_copy_made_by_hand(here, sweep):
    """The first one landed late, beside the second one."""
    late = Late(here, LEASE)
    sweep.once()
    synced = Synced(here)
    here.say(activated("SVC-1", 1))
    with late.stalls():
        here.converge.run("R1")
    let_pass(here.store, LEASE_MS)
    here.say(activated("SVC-1", 2, revision=2))
    here.drain("R1")
    synced.come_back()
    late.land()
    here.say(activated("SVC-1", 3, revision=3))
    here.drain()
    assert len(here.rows("R1")) == 2
    sweep.once()
    here.drain()
    assert rows(here, "R1") == [("SVC-1", "03", "false")]


@pytest.mark.parametrize("moved_first", [False, True])
@pytest.mark.parametrize("ends", [False, True])
def test_nor_does_one_that_moved(here, moved_first, ends):
    here.say(activated("SVC-1", 1))
    here.drain()
    lose(here, "SVC-1")
    events = [activated("SVC-1", 1), moved("SVC-1", "R2")]
    here.say(*(reversed(events) if moved_first else events))
    if ends:
        here.say(builders.cancelled("SVC-1", revision=3))
    here.drain()
    assert here.rows("R1") == []
    assert len(here.rows("R2")) == (not ends)


def test_nor_does_one_that_moved_there_and_back(here):
    """Redis knows it at its first router, as it was before it moved."""
    here.say(activated("SVC-1", 1))
    here.drain()
    synced = Synced(here)
    here.say(there := moved("SVC-1", "R2"))
    here.drain()
    synced.come_back()
    here.say(there, moved("SVC-1", "R1", revision=3))
    here.drain()
    assert here.rows("R2") == []
    assert rows(here, "R1") == [("SVC-1", "01", "false")]


def test_nor_does_one_that_ends_while_it_waits_for_an_address(here, monkeypatch):
    """Redis lost the address that it had, and its pool gives nothing before routers are read."""
    begins = activated("SVC-1", 1, address={"mode": "assigned", "pool": "home"})
    here.say(begins)
    here.drain()
    assert here.rows("R1")
    lose(here, "SVC-1")
    monkeypatch.setattr(PoolValues, "unread", lambda *_: frozenset({"R1"}))
    here.say(begins)
    assert here.outcome(begins).startswith("waiting: pool-not-read")
    here.say(builders.cancelled("SVC-1", revision=2))
    here.drain()
    assert here.rows("R1") == []


def test_such_a_service_leaves_no_queue_no_list_row_and_no_device():
    second = {"number": 2, "mac": builders.mac(12), "address": {"mode": "static", "ipv4": ipv4(12)}}
    both = active(devices=[second])
    with installation(f'{QUEUES}suspend_list = "susp"\n') as here:
        menus = (LEASE, QUEUE, LISTS)
        empty = [len(here.r["R1"].rows(menu)) for menu in menus]
        here.say(both, builders.suspended(mode="walled_garden", revision=2))
        here.drain()
        written = [len(here.r["R1"].rows(menu)) for menu in menus]
        assert [now - then for now, then in zip(written, empty, strict=True)] == [2, 1, 2]
        lose(here, "SVC-1")
        here.say(both, builders.cancelled(revision=3))
        here.drain()
        assert [len(here.r["R1"].rows(menu)) for menu in menus] == empty


def test_one_that_goes_on_keeps_no_row_that_it_should_not_have():
    """Its lease is found by its tag; what it had beside that is looked for then."""
    second = {"number": 2, "mac": builders.mac(12), "address": {"mode": "static", "ipv4": ipv4(12)}}
    with installation(f'{QUEUES}suspend_list = "susp"\n') as here:
        menus = (LEASE, QUEUE, LISTS)
        empty = [len(here.r["R1"].rows(menu)) for menu in menus]
        here.say(active(devices=[second]), builders.suspended(mode="walled_garden", revision=2))
        here.drain()
        written = [len(here.r["R1"].rows(menu)) for menu in menus]
        assert [now - then for now, then in zip(written, empty, strict=True)] == [2, 1, 2]
        lose(here, "SVC-1")
        here.say(active(revision=3, plan=None, devices=[]))
        here.drain()
        left = [len(here.r["R1"].rows(menu)) for menu in menus]
        assert [now - then for now, then in zip(left, empty, strict=True)] == [1, 0, 0]


@pytest.mark.parametrize("ends", [False, True])
def test_nor_a_queue_that_another_policy_gave_it(ends):
    with installation() as here:
        before = here.r["R1"].rows(QUEUE)
        here.say(active())
        here.drain()
        assert len(here.r["R1"].rows(QUEUE)) == len(before) + 1
        lose(here, "SVC-1")
        here.say(active("SVC-2", 11, plan=None))
        here.drain()
        switch(here, "")
        here.say(active(revision=3), *([builders.cancelled(revision=4)] if ends else []))
        here.drain()
        assert here.r["R1"].rows(QUEUE) == before


@pytest.mark.parametrize("known", [False, True])
def test_nor_a_queue_that_is_all_that_was_written(known):
    """Its worker died before it added the lease, or the lease was there before."""
    with installation() as here:
        before = here.r["R1"].rows(QUEUE)
        here.say(active("SVC-2", 11, plan=None), *([active(plan=None)] if known else []))
        here.drain()
        here.r["R1"].add_row(QUEUE, {"name": TAG, "target": f"{ipv4(10)}/32"})
        here.client.set(here.store.keys.redis_run, "another|0")
        switch(here, "")
        here.say(active(revision=2, plan=None))
        here.drain()
        assert here.r["R1"].rows(QUEUE) == before


def test_nor_if_the_next_worker_dies_too(monkeypatch):
    """By then a record says what that one was about to add."""
    with installation(f'{QUEUES}suspend_list = "susp"\n') as here:
        before = here.r["R1"].rows(QUEUE)
        here.say(active())
        here.drain()
        lose(here, "SVC-1")
        here.say(active("SVC-2", 11, plan=None))
        here.drain()
        switch(here, 'suspend_list = "susp"\n')
        here.say(active(revision=3), builders.suspended("SVC-1", "walled_garden", revision=4))

        def killed(*_, **__):
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(Session, "write", killed)
            with pytest.raises(Killed):
                here.converge.run("R1")
        here.client.delete(here.block("R1").lock)  # its time limit is over
        here.load()
        here.drain()
        assert here.r["R1"].rows(QUEUE) == before


def test_nor_does_it_keep_a_binding():
    with ipv6.installation() as here:
        here.say(ipv6.active(duid=ipv6.DUID, iaid=7))
        here.drain()
        assert len(here.r["R1"].rows(ipv6.BINDING)) == 1
        lose(here, "SVC-1")
        here.say(builders.activated(revision=3, router="R1", server=SERVER, ipv6=None))
        here.drain()
        assert here.r["R1"].rows(ipv6.BINDING) == []


def test_so_does_one_that_redis_still_knows_as_it_was_before():
    """Nobody remembers what was written: the worker died with Redis. Events are sent again."""
    second = {"number": 2, "mac": builders.mac(12), "address": {"mode": "static", "ipv4": ipv4(12)}}
    with installation(f'{QUEUES}suspend_list = "susp"\n') as here:
        menus = (LEASE, QUEUE, LISTS)
        empty = [len(here.r["R1"].rows(menu)) for menu in menus]
        here.say(active(plan=None))
        here.drain()
        synced = Synced(here)
        lost = (
            active(revision=2, devices=[second]),
            builders.suspended("SVC-1", "walled_garden", revision=3),
        )
        here.say(*lost)
        here.drain()
        written = [len(here.r["R1"].rows(menu)) for menu in menus]
        assert [now - then for now, then in zip(written, empty, strict=True)] == [2, 1, 2]
        synced.come_back()
        here.say(*lost, active(revision=4, plan=None, devices=[]))
        here.drain()
        left = [len(here.r["R1"].rows(menu)) for menu in menus]
        assert [now - then for now, then in zip(left, empty, strict=True)] == [1, 0, 0]
