"""What the brake holds and what it lets pass, at the store."""

import pytest

from tests import builders
from tests.brake.floor import Floor, ipv4, mac
from tests.worker.desk import OPERATOR, OTHER
from worker.admin.sources import SourceChanges
from worker.core.entry.brake import BrakeLimits

pytestmark = pytest.mark.redis


@pytest.fixture
def floor(store):
    return Floor(store)


def ids(number, of="S"):
    return [f"{of}{i}" for i in range(number)]


def test_from_the_event_on_that_passes_the_limit_all_that_is_not_written_is_held(floor):
    floor.activate(ids(20))
    floor.cancel(*ids(5))
    assert floor.held() == set()
    floor.cancel("S5")
    assert floor.held() == set(ids(6))
    assert floor.due() == set()
    assert floor.record("S5").status == "cancelled"  # what is wanted folds on


def test_what_was_written_before_is_gone_and_what_is_older_than_a_minute_goes_on(floor, client):
    floor.activate(ids(20))
    floor.cancel("S0")
    floor.converge()
    floor.cancel("S1")
    lost = floor.store.keys.router("R1").lost
    client.zincrby(lost, -61_000, "S1")
    floor.cancel(*ids(7)[2:])
    assert floor.held() == {"S2", "S3", "S4", "S5", "S6"}
    assert floor.due() == {"S1"}


def test_what_was_lost_an_hour_ago_does_not_count(floor, client):
    floor.activate(ids(20))
    floor.cancel(*ids(5))
    floor.converge()
    lost = floor.store.keys.router("R1").lost
    for service in ids(5):
        client.zincrby(lost, -3_600_000, service)
    floor.cancel("S5")
    assert floor.held() == set()
    assert client.ttl(lost) > 3_600


def test_a_large_router_may_lose_its_share(floor):
    floor.activate(ids(200))
    floor.cancel(*ids(10))
    assert floor.held() == set()
    floor.cancel("S10")
    assert len(floor.held()) == 11


def test_a_source_that_cancels_over_all_routers_is_held(store):
    routers = [f"R{i}" for i in range(20)]
    floor = Floor(store, routers)
    for i, router in enumerate(routers):
        floor.activate(ids(30, f"{router}-"), router, at=100 * i)
    wrong = [f"{router}-{i}" for i in range(3) for router in routers]
    floor.cancel(*wrong)
    assert floor.held() == set(wrong)
    assert set(store.brake.approvals()) == {f"source:{builders.SOURCE}"}


def test_four_suspensions_count_for_a_source_as_one_cancellation(store):
    routers = [f"R{i}" for i in range(10)]
    floor = Floor(store, routers, BrakeLimits(source_services=10, router_services=100))
    for i, router in enumerate(routers):
        floor.activate(ids(10, f"{router}-"), router, at=100 * i)
    floor.suspend(*(f"{router}-{i}" for i in range(4) for router in routers))
    assert floor.held() == set()
    floor.suspend("R0-9")
    assert len(floor.held()) == 41


def test_a_replaced_device_counts_once_and_a_plan_not_at_all(floor):
    floor.activate(ids(20))
    for i in range(20):
        name = f"S{i}"
        floor.send(
            builders.event("plan_changed", name, revision=floor.next(name), plan={"code": "A"})
        )
    for i in range(3):
        floor.send(builders.mac_changed("S0", mac(100 + i), revision=floor.next("S0")))
    floor.cancel(*ids(5)[1:])
    assert floor.held() == set()
    floor.send(builders.mac_changed("S5", mac(200), revision=floor.next("S5")))
    assert floor.held() == set(ids(6))


def test_a_device_that_moves_elsewhere_is_not_held(store):
    floor = Floor(store, ("R1", "R2"))
    floor.activate(ids(30))
    block = {"access": {"router": "R2", "dhcp_server": "dhcp1"}}
    floor.send_all([builders.event("moved", s, revision=floor.next(s), **block) for s in ids(30)])
    assert floor.held() == set()
    floor.converge("R2")
    floor.converge("R1")
    assert floor.record("S7").placements.keys() == {"R2"}


def test_what_was_never_written_or_is_suspended_already_has_nothing_to_lose(floor):
    floor.activate(ids(10))
    floor.suspend(*ids(4))
    floor.converge()
    floor.send_all([builders.activated("N", mac=mac(90), ipv4=ipv4(90), revision=floor.next("N"))])
    floor.cancel(*ids(4), "N")
    floor.suspend("S4")
    assert floor.held() == set()


def test_an_undone_loss_frees_its_service_and_no_other(floor):
    floor.activate(ids(20))
    floor.suspend(*ids(8))
    assert floor.held() == set(ids(8))
    floor.resume("S3")
    assert floor.held() == set(ids(8)) - {"S3"}
    assert floor.due() == {"S3"}
    floor.converge()
    assert floor.due() == set()
    assert "S3" not in floor.store.views.router_waiting("R1")


def test_who_was_resumed_before_the_limit_was_passed_is_not_kept_suspended(floor):
    floor.activate(ids(20))
    floor.suspend("S0")
    floor.converge()
    floor.resume("S0")
    floor.suspend(*ids(8)[1:])
    assert floor.held() == set(ids(8)[1:])
    assert floor.due() == {"S0"}


def test_only_losses_of_the_last_hour_are_remembered(floor, client):
    floor.activate(ids(20))
    block = floor.store.keys.router("R1")
    floor.cancel(*ids(3))
    for service in ids(3):
        client.zincrby(block.lost, -3_600_001, service)
    floor.cancel("S3")
    assert client.hkeys(block.lost_by) == ["S3"]


def test_an_activation_that_takes_the_address_of_a_held_one_lets_that_through(floor):
    floor.activate(ids(20))
    floor.cancel(*ids(8))
    new = builders.activated("NEW", mac=mac(999), ipv4=ipv4(3), revision=1)
    floor.send(new)
    assert floor.held() == set(ids(8)) - {"S2"}
    assert floor.due() == {"S2", "NEW"}


def test_what_a_held_one_never_got_frees_it_for_nobody(floor):
    """Its row does not have that address: nobody takes what it has."""
    floor.activate(ids(20))
    address = {"mode": "static", "ipv4": ipv4(900)}
    floor.send(builders.event("address_changed", "S2", revision=floor.next("S2"), address=address))
    floor.cancel(*ids(8))
    assert floor.held() == set(ids(8))
    floor.send(builders.activated("NEW", mac=mac(999), ipv4=ipv4(900), revision=1))
    assert floor.held() == set(ids(8))
    assert floor.due() == {"NEW"}
    assert floor.claims("NEW") == {f"address:{ipv4(900)}", f"mac:{mac(999)}"}
    floor.send(builders.activated("OTHER", mac=mac(998), ipv4=ipv4(3), revision=1))
    assert floor.held() == set(ids(8)) - {"S2"}


def test_who_took_the_address_before_the_limit_was_passed_keeps_its_former_holder_free(floor):
    floor.activate(ids(20))
    floor.cancel("S0")
    floor.send(builders.activated("NEW", mac=mac(999), ipv4=ipv4(1), revision=1))
    floor.cancel(*ids(8)[1:])
    assert floor.held() == set(ids(8)[1:])
    assert floor.due() == {"S0", "NEW"}


@pytest.mark.parametrize("step", [1, -1])
def test_devices_shifted_by_one_line_do_not_free_each_other(floor, step):
    """A file of which a column slipped: each service asks for its neighbour's MAC."""
    floor.activate(ids(20))
    floor.send_all(
        [
            builders.mac_changed(f"S{i}", mac(i + 2), revision=floor.next(f"S{i}"))
            for i in range(20)[::step]
        ]
    )
    assert len(floor.held()) >= 15
    assert len(floor.held() | floor.due()) == 20


def test_whatever_marks_a_held_service_leaves_it_held(floor):
    floor.activate(ids(20))
    floor.cancel(*ids(8))
    policy = floor.policies["R1"]
    floor.store.fleet.apply_policy("R1", policy, "anna")
    floor.store.routers.add_work("R1", ["S1"])
    assert floor.held() == set(ids(8))
    assert floor.due() == set(ids(20)) - set(ids(8))


def test_a_held_mark_rings_for_nobody(floor, client):
    floor.activate(ids(20))
    floor.cancel(*ids(8))
    floor.converge()
    client.delete(floor.store.keys.router("R1").notified)
    assert floor.store.routers.sweep(0).routers == []


def test_an_operator_counts_as_a_source_of_its_own(floor):
    floor.activate(ids(20))
    floor.send_all(
        [
            builders.cancelled(s, source=OPERATOR, revision=None, time="2026-11-24T10:00:00Z")
            for s in ids(8)
        ]
    )
    assert {each.source for each in floor.store.brake.held()} == {OPERATOR}


def test_without_limits_nothing_is_held(store):
    floor = Floor(store, limits=None)
    floor.activate(ids(20))
    floor.cancel(*ids(20))
    assert floor.held() == set()


def test_a_source_that_owns_many_may_lose_its_share_also_after_a_transfer(store):
    floor = Floor(
        store, limits=BrakeLimits(source_services=0, source_percent=10, router_services=99)
    )
    floor.activate(ids(50))
    floor.cancel(*ids(4))
    assert floor.held() == set()
    SourceChanges(store, "anna").transfer(builders.SOURCE, OTHER)
    counts = [
        store.client.hget(store.keys.source(each), "services") for each in (OTHER, builders.SOURCE)
    ]
    assert counts == ["46", "0"]
    floor.send_all([builders.cancelled("S4", source=OTHER, revision=1)])
    assert floor.held() == set()
