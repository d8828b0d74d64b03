"""Addresses that Leasewire assigns: at the intake, over a real store."""

import pytest

from tests import builders
from tests.worker.assigning_desk import AssigningDesk, pool
from worker.intake.accept import Accept
from worker.store.purge import purge

pytestmark = pytest.mark.redis


@pytest.fixture
def desk(store):
    return AssigningDesk(store)


def static(number):
    return {"mode": "static", "ipv4": f"198.51.100.{number}"}


def assigned(name="home"):
    return {"mode": "assigned", "pool": name}


def test_each_service_gets_an_address_of_its_own(desk):
    desk.activate(1, 2, 3)
    assert desk.addresses(1, 2, 3) == [f"198.51.100.{n}" for n in (1, 2, 3)]
    desk.converge()
    assert desk.record("SVC-1").placements["R1"].written["address"] == "198.51.100.1"
    assert desk.use().given == 3
    desk.check()


def test_an_address_stays_over_suspension_swap_and_a_plan(desk):
    desk.activate(1)
    desk.converge()
    for name, data in (
        ("suspended", {}),
        ("resumed", {}),
        ("device_swapped", {"device": {"mac": builders.mac(9)}}),
        ("mac_changed", {"mac": builders.mac(8)}),
        ("plan_changed", {"plan": {"code": "fast"}}),
    ):
        desk.tell(name, 1, **data)
        desk.converge()
        assert desk.address(1) == "198.51.100.1", name
    desk.check()


def test_an_address_comes_back_with_a_cancelled_service(desk):
    desk.activate(1)
    desk.converge()
    desk.tell("cancelled", 1)
    assert desk.use() == (6, 0, 1, 0)
    desk.converge()
    desk.activate(2)
    assert desk.address(2) == "198.51.100.2"
    desk.activate(1)
    assert desk.address(1) == "198.51.100.1"
    assert not desk.record("SVC-1").left
    desk.check()


def test_an_address_comes_back_after_its_quarantine_while_nobody_has_it(desk):
    desk.activate(1)
    desk.converge()
    desk.tell("cancelled", 1)
    desk.converge()
    desk.end_quarantines()
    desk.store.maintenance.forget_values()
    desk.activate(1)
    assert desk.address(1) == "198.51.100.1"
    desk.check()


def test_a_service_that_comes_back_late_gets_another_address(desk):
    desk.activate(*range(1, 7))
    desk.converge()
    desk.tell("cancelled", 1)
    desk.converge()
    desk.end_quarantines()
    desk.activate(7)
    assert desk.address(7) == "198.51.100.1"
    desk.tell("cancelled", 3)
    desk.converge()
    desk.end_quarantines()
    desk.activate(1)
    assert desk.address(1) == "198.51.100.3"
    desk.check()


def test_the_quarantine_begins_only_when_the_row_is_gone(desk):
    desk.activate(1)
    desk.converge()
    desk.tell("cancelled", 1)
    assert desk.store.pools.holders(["198.51.100.1"])["198.51.100.1"].until_ms == -1
    desk.converge()
    left_ms = desk.store.pools.holders(["198.51.100.1"])["198.51.100.1"].until_ms
    assert left_ms > desk.store.records.now_ms() + 86_000_000
    assert not desk.record("SVC-1").left


def test_a_full_pool_lets_services_wait_and_they_go_on(desk):
    desk.activate(*range(1, 7))
    late = desk.activated(7)
    desk.send(late)
    assert desk.state(late) == "waiting: pool-full"
    assert desk.use() == (6, 6, 0, 1)
    assert "R1" not in desk.record("SVC-7").placements
    desk.accept.assign_waiting()
    assert desk.address(7) is None
    desk.converge()
    desk.tell("cancelled", 4)
    desk.converge()
    desk.accept.assign_waiting()
    assert desk.address(7) is None, "in quarantine"
    desk.end_quarantines()
    desk.accept.assign_waiting()
    assert desk.address(7) == "198.51.100.4"
    desk.converge()
    assert desk.state(late) == "applied"
    assert desk.use() == (6, 6, 0, 0)
    desk.check()


def test_a_waiting_service_that_is_cancelled_waits_no_longer(desk):
    desk.activate(*range(1, 8))
    desk.tell("cancelled", 7)
    assert desk.use().waiting == 0


def test_a_pool_that_no_router_has_lets_wait(desk):
    event = desk.activated(1, "other")
    desk.send(event)
    assert desk.state(event) == "waiting: no-pool"
    assert "other" in desk.outcome(event).detail
    again = AssigningDesk(desk.store, pool(known_as="other"))
    again.accept.assign_waiting()
    assert again.address(1) == "198.51.100.1"
    assert desk.state(event) == "accepted"


def test_a_move_to_a_router_with_another_pool_gives_another_address(store):
    one = pool("one", "198.51.100.0/29", known_as="home", routers=("R1",))
    two = pool("two", "203.0.113.0/29", known_as="home", routers=("R2",))
    desk = AssigningDesk(store, one, two)
    desk.activate(1)
    desk.converge()
    moved = desk.tell("moved", 1, access={"router": "R2", "dhcp_server": "dhcp1"})
    assert desk.address(1) == "203.0.113.1"
    assert desk.use("one") == (6, 0, 1, 0)
    desk.converge("R2")
    assert desk.store.pools.holders(["198.51.100.1"])["198.51.100.1"].until_ms == -1
    desk.converge("R1")
    assert desk.store.pools.holders(["198.51.100.1"])["198.51.100.1"].until_ms > 0
    assert desk.state(moved) == "applied"
    desk.check()


def test_a_move_to_a_router_with_a_full_pool_waits(store):
    one = pool("one", "198.51.100.0/29", known_as="home", routers=("R1",))
    two = pool("two", "203.0.113.1", known_as="home", routers=("R2",))
    desk = AssigningDesk(store, one, two)
    desk.activate(1)
    desk.activate(2, router="R2")
    desk.converge("R1")
    desk.converge("R2")
    moved = desk.tell("moved", 1, access={"router": "R2", "dhcp_server": "dhcp1"})
    assert desk.state(moved) == "waiting: pool-full"
    assert desk.address(1) is None
    desk.converge("R1")
    assert desk.state(moved) == "waiting: pool-full"
    desk.tell("cancelled", 2)
    desk.converge("R2")
    desk.store.pools.free("203.0.113.1", "two", "ann")
    desk.accept.assign_waiting()
    assert desk.address(1) == "203.0.113.1"
    desk.converge("R2")
    assert desk.state(moved) == "applied"
    desk.check()


def test_a_move_within_a_pool_keeps_the_address(desk):
    desk.activate(1)
    desk.converge()
    desk.tell("moved", 1, access={"router": "R2", "dhcp_server": "dhcp1"})
    assert desk.address(1) == "198.51.100.1"
    desk.check()


def test_a_change_to_a_full_pool_keeps_the_address_and_waits(store):
    desk = AssigningDesk(store, pool(), pool("business", "203.0.113.1"))
    desk.activate(1)
    desk.activate(2, pool="business", router="R2")
    desk.converge("R1")
    desk.converge("R2")
    changed = desk.tell("address_changed", 1, address=assigned("business"))
    assert desk.address(1) == "198.51.100.1"
    assert desk.queued() == {"SVC-1": 0}
    acquired = desk.store.routers.acquire("R1", "pass", 500)
    assert acquired.work_items[0].stored.record.unassigned["address"].reason == "pool-full"
    desk.store.routers.next_batch("R1", "pass", 0)
    desk.tell("cancelled", 2)
    desk.converge("R2")
    desk.store.pools.free("203.0.113.1", "business", "ann")
    desk.accept.assign_waiting()
    assert desk.address(1) == "203.0.113.1"
    desk.converge()
    assert desk.state(changed) == "applied"
    desk.check()


def test_a_static_address_in_a_pool_is_given_to_nobody_else(desk):
    desk.send(desk.activated(1, address=static(2)))
    desk.activate(2, 3)
    assert desk.addresses(2, 3) == ["198.51.100.1", "198.51.100.3"]
    assert desk.use().given == 3
    desk.check()


def test_a_static_address_that_another_service_was_given_waits(desk):
    desk.activate(1)
    desk.converge()
    event = desk.activated(2, address=static(1), router="R2")
    desk.send(event)
    assert desk.record("SVC-2").unassigned["address"].reason == "address-assigned"
    assert desk.queued("R2") == {"SVC-2": 0}
    desk.tell("cancelled", 1)
    desk.accept.assign_waiting()
    assert not desk.record("SVC-2").unassigned
    desk.converge("R2")
    assert desk.state(event) == "applied"


def test_a_static_address_that_was_never_had_is_not_kept(store):
    desk = AssigningDesk(store, pool(), pool("other", "203.0.113.1"))
    desk.activate(1)
    desk.send(desk.activated(2, address=static(1), router="R2"))
    desk.activate(3, pool="other")
    desk.activate(2, pool="other", router="R2")
    assert desk.address(2) is None
    assert desk.record("SVC-2").unassigned["address"].reason == "pool-full"
    desk.check()


def test_two_services_swap_static_addresses_of_a_pool(desk):
    desk.send(desk.activated(1, address=static(1)), desk.activated(2, address=static(2)))
    desk.converge()
    desk.tell("address_changed", 1, address=static(2))
    desk.tell("address_changed", 2, address=static(1))
    desk.accept.assign_waiting()
    assert not desk.record("SVC-1").unassigned
    assert not desk.record("SVC-2").unassigned
    desk.check()


def test_a_static_address_becomes_an_assigned_one_without_a_gap(desk):
    desk.send(desk.activated(1, address=static(2)))
    desk.converge()
    desk.tell("address_changed", 1, address=assigned() | {"ipv4": "198.51.100.2"})
    assert desk.address(1) == "198.51.100.2"
    desk.check()


def test_a_static_address_stays_while_the_pool_is_full(store):
    desk = AssigningDesk(store, pool("home", "203.0.113.1"))
    desk.activate(2)
    desk.send(desk.activated(1, address=static(7)))
    desk.converge()
    desk.tell("address_changed", 1, address=assigned())
    assert desk.address(1) == "198.51.100.7"
    assert desk.record("SVC-1").unassigned["address"].reason == "pool-full"


def test_a_wish_is_granted_if_it_is_free(desk):
    desk.activate(1, wish="198.51.100.5")
    desk.activate(2, wish="198.51.100.5")
    desk.activate(3, wish="203.0.113.9")
    assert desk.addresses(1, 2, 3) == ["198.51.100.5", "198.51.100.1", "198.51.100.2"]


def test_an_address_of_the_router_itself_is_not_assigned(desk):
    desk.store.memory.note_setup("R1", '[[], {"198.51.100.1": "its own address on bridge"}]')
    desk.activate(1, wish="198.51.100.1")
    assert desk.address(1) == "198.51.100.2"


def test_a_pool_of_prefixes(store):
    desk = AssigningDesk(
        store, pool(), pool("home6", "2001:db8::/54", prefix_length=56, known_as="home")
    )
    ipv6 = {"prefix": assigned()}
    desk.activate(1, 2, ipv6=ipv6)
    assert desk.address(1, "prefix") == "2001:db8::/56"
    assert desk.address(2, "prefix") == "2001:db8:0:100::/56"
    fixed = {"prefix": {"mode": "static", "ipv6": "2001:db8:0:200::/60"}}
    desk.activate(3, ipv6=fixed)
    desk.activate(4, 5, ipv6=ipv6)
    assert desk.address(4, "prefix") == "2001:db8:0:300::/56"
    assert desk.record("SVC-5").unassigned["prefix"].reason == "pool-full"
    assert desk.address(5) == "198.51.100.5"
    desk.tell("address_changed", 1, ipv6={"prefix": {"mode": "static", "ipv6": "2001:db8:9::/56"}})
    assert desk.address(1, "prefix") is None
    desk.check()


def test_a_row_of_others_gives_another_address(desk):
    event = desk.activated(1)
    desk.send(event)
    until_ms = desk.store.records.now_ms() + 60_000
    assert desk.store.pools.lose("198.51.100.1", "home", "SVC-1", until_ms)
    desk.accept.assign_waiting()
    assert desk.address(1) == "198.51.100.2"
    assert desk.state(event) == "accepted: address-replaced"
    assert "198.51.100.1" in desk.outcome(event).detail
    assert desk.use() == (6, 1, 1, 0)
    desk.converge()
    assert desk.state(event) == "applied"
    desk.check()


def test_who_lost_values_of_two_pools_waits_for_neither_once_it_has_others(store):
    desk = AssigningDesk(
        store, pool(), pool("home6", "2001:db8::/54", prefix_length=56, known_as="home")
    )
    desk.activate(1, ipv6={"prefix": assigned()})
    until_ms = desk.store.records.now_ms() + 60_000
    for value, name in (("198.51.100.1", "home"), ("2001:db8::/56", "home6")):
        assert desk.store.pools.lose(value, name, "SVC-1", until_ms)
    desk.accept.assign_waiting()
    desk.converge()
    assert (desk.address(1), desk.address(1, "prefix")) == ("198.51.100.2", "2001:db8:0:100::/56")
    assert [desk.store.pools.waiting(name, 9) for name in ("home", "home6")] == [{}, {}]
    desk.check()


def test_a_row_of_others_in_a_full_pool_lets_wait(store):
    desk = AssigningDesk(store, pool("home", "198.51.100.1"))
    event = desk.activated(1)
    desk.send(event)
    until_ms = desk.store.records.now_ms() + 60_000
    assert desk.store.pools.lose("198.51.100.1", "home", "SVC-1", until_ms)
    desk.accept.assign_waiting()
    assert desk.address(1) is None
    assert desk.state(event) == "waiting: pool-full"
    assert desk.use() == (1, 0, 1, 1)
    desk.check()


def test_after_a_restore_a_pool_gives_nothing_before_its_routers_were_read(desk):
    desk.activate(1)
    desk.store.pools.distrust(["R1", "R2"], desk.store.records.now_ms())
    waiting = desk.activated(2)
    desk.send(waiting)
    assert desk.state(waiting) == "waiting: pool-not-read"
    desk.tell("suspended", 1)
    assert desk.address(1) == "198.51.100.1"
    desk.store.pools.was_read("R1")
    desk.store.pools.was_read("R2")
    desk.accept.assign_waiting()
    assert desk.address(2) == "198.51.100.2"


def test_two_workers_give_no_address_twice(store, monkeypatch):
    """The second one commits between the first one's choice and its commit."""
    one, two = AssigningDesk(store), AssigningDesk(store)
    commit, raced = store.records.commit, []

    def slow_commit(commits, *args):
        if commits and not raced:
            raced.append(1)
            two.activate(2, wish="198.51.100.1")
        return commit(commits, *args)

    monkeypatch.setattr(type(store.records), "commit", lambda _, *args: slow_commit(*args))
    one.activate(1)
    assert two.address(2) == "198.51.100.1"
    assert one.address(1) not in (None, "198.51.100.1")
    one.check()


def test_without_pools_nothing_is_asked_of_redis(store, monkeypatch):
    asked = []
    monkeypatch.setattr(type(store.pools), "holders", lambda *_: asked.append(1))
    desk = AssigningDesk(store)
    desk.accept = Accept(store, *(desk.accept.sources, desk.accept.policies))
    desk.send(builders.activated())
    desk.accept.assign_waiting()
    assert not asked


def test_a_purged_service_leaves_no_name(desk):
    desk.activate(1)
    desk.converge()
    desk.tell("cancelled", 1)
    desk.converge()
    purge(desk.store, "SVC-1", "ann")
    held = desk.store.pools.holders(["198.51.100.1"])["198.51.100.1"]
    assert held.service == ""
    assert held.until_ms > desk.store.records.now_ms()
