"""Assigned addresses on simulated routers: rows of others, moves, full reads, a restored backup."""

import re

import pytest

from tests import builders
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from worker.store.backup import copy, put_back
from worker.store.connection import connect

pytestmark = [pytest.mark.redis, pytest.mark.router]

POOLS = """
[pools.home]
ranges = ["198.51.100.1-198.51.100.8"]
"""


@pytest.fixture
def small():
    with SmallInstallation(2, tables=POOLS) as small:
        yield small


def assigned(number, revision=1, **given):
    address = {"mode": "assigned", "pool": "home"}
    return activated(f"SVC-{number}", number, address=address, revision=revision, **given)


def addresses(small, router="R1"):
    return {row["mac-address"]: row["address"] for row in small.rows(router)}


def hold(small, number, router="R1", mac=200):
    row = {"address": builders.ipv4(number), "mac-address": builders.mac(mac), "server": SERVER}
    small.r[router].add_row(LEASES, row)


def test_a_row_of_others_in_the_way_gives_another_address(small):
    hold(small, 1)
    event = assigned(1)
    small.say(event)
    small.drain("R1")
    assert small.outcome(event).startswith("waiting: foreign-row")
    small.accept.assign_waiting()
    assert "198.51.100.2 of pool home instead" in small.outcome(event)
    small.drain("R1")
    assert small.outcome(event).startswith("applied")
    assert addresses(small) == {builders.mac(1): "198.51.100.2"}
    small.say(*map(assigned, range(2, 9)))
    given = {small.record(f"SVC-{n}").assigned.get("address") for n in range(2, 9)}
    assert "198.51.100.1" not in {has.value for has in given if has}


def test_who_waits_with_a_record_of_a_newer_version_waits_on(small):
    hold(small, 1)
    event = assigned(1)
    small.say(event)
    small.drain("R1")
    key, waiting = small.store.keys.record("SVC-1"), small.store.keys.pool_waiting("home")
    assert small.client.zrange(waiting, 0, -1) == ["SVC-1"]
    written = small.client.get(key)
    newer = re.sub('"format":[0-9]+', '"format":99', written)
    assert newer != written
    small.client.set(key, newer)
    small.accept.assign_waiting()
    assert small.client.zrange(waiting, 0, -1) == ["SVC-1"]
    small.client.set(key, written)
    small.accept.assign_waiting()
    assert small.record().assigned["address"].value == "198.51.100.2"
    assert not small.client.exists(waiting)


def test_a_row_of_others_with_the_mac_changes_no_address(small):
    hold(small, 99, mac=1)
    event = assigned(1)
    small.say(event)
    small.drain("R1")
    assert small.outcome(event).startswith("waiting: foreign-row")
    small.accept.assign_waiting()
    assert small.record("SVC-1").assigned["address"].value == "198.51.100.1"


def test_a_row_that_is_replaced_by_hand_changes_no_address(small):
    """The customer has the address already: a person decides."""
    event = assigned(1)
    small.say(event)
    small.drain("R1")
    router = small.r["R1"]
    router.remove_row(LEASES, small.rows("R1")[0][".id"])
    hold(small, 1)
    small.store.routers.add_work("R1", ["SVC-1"])
    small.drain("R1")
    small.accept.assign_waiting()
    assert small.record("SVC-1").assigned["address"].value == "198.51.100.1"


def test_an_address_of_the_router_gives_another_one(small):
    small.r["R1"].add_row("/ip/address", {"address": "198.51.100.1/24", "interface": "ether1"})
    event = assigned(1)
    small.say(event)
    small.drain("R1")
    small.accept.assign_waiting()
    small.drain("R1")
    assert small.outcome(event).startswith("applied")
    assert addresses(small) == {builders.mac(1): "198.51.100.2"}


def report(small, router):
    small.store.pools.distrust([router], small.store.records.now_ms())
    small.drain(router)


def test_a_full_read_finds_rows_of_others_before_they_are_in_the_way(small):
    for number in (1, 3):
        hold(small, number, "R2", mac=200 + number)
    report(small, "R2")
    small.say(*map(assigned, (1, 2, 3)))
    small.drain("R1")
    assert sorted(addresses(small).values()) == [
        "198.51.100.2",
        "198.51.100.4",
        "198.51.100.5",
    ]


def test_a_service_without_a_free_prefix_has_its_address_and_is_told_so(small):
    event = assigned(1, ipv6={"prefix": {"mode": "assigned", "pool": "home6"}})
    network = {"address": "198.51.100.0/24", "gateway": "198.51.100.254"}
    small.r["R1"].add_row("/ip/dhcp-server/network", network)
    small.say(event)
    small.drain("R1")
    assert addresses(small) == {builders.mac(1): "198.51.100.1"}
    assert small.outcome(event).startswith("applied: no-pool (no pool of the inventory is known")


def test_a_move_takes_the_address_along_and_leaves_no_row(small):
    small.say(assigned(1))
    small.drain("R1")
    access = {"router": "R2", "dhcp_server": SERVER}
    small.say(builders.event("moved", revision=2, access=access))
    small.drain("R2")
    small.drain("R1")
    assert addresses(small, "R2") == {builders.mac(1): "198.51.100.1"}
    assert addresses(small) == {}


def test_fixed_addresses_from_before_there_were_pools_are_given_to_nobody():
    with SmallInstallation(2) as small:
        small.say(activated("SVC-7", 1), activated("SVC-8", 3, router="R2"))
        small.drain()
        small.tables = POOLS
        small.write_inventory()
        small.load()
        small.say(assigned(11), assigned(12))
        small.drain("R1")
        given = addresses(small)
        assert given[builders.mac(11)] == "198.51.100.2"
        assert given[builders.mac(12)] == "198.51.100.4"
        small.tables = POOLS.replace("home", "other") + "known_as = 'home'"
        small.write_inventory()
        small.load()
        small.say(assigned(13))
        use = small.store.pools.use(small.inventory.pools, small.store.records.now_ms())
        assert use["other"].given == 5


def backup(small):
    with connect(small.server.url, any_bytes=True) as plain:
        return list(copy(plain, small.store.keys, lambda _: None))


def restore(small, entries):
    with (
        connect(small.server.url, any_bytes=True) as plain,
        put_back(plain, small.store.keys) as put,
    ):
        put(entries, lambda _: None)
    small.load()


def test_a_restored_backup_gives_no_address_that_was_assigned_since(small):
    small.say(assigned(1))
    small.drain()
    entries = backup(small)
    small.say(assigned(2), assigned(3, router="R2"))
    small.drain()
    restore(small, entries)
    late = assigned(4)
    small.say(late)
    assert small.outcome(late).startswith("waiting: pool-not-read")
    assert small.record("SVC-1").assigned["address"].value == "198.51.100.1"
    small.drain("R1")
    small.accept.assign_waiting()
    assert small.outcome(late).startswith("waiting: pool-not-read")
    small.drain("R2")
    small.accept.assign_waiting()
    small.drain()
    assert small.outcome(late).startswith("applied")
    assert small.record("SVC-4").assigned["address"].value == "198.51.100.4"


def test_a_service_that_redis_forgot_keeps_its_rows_until_it_has_an_address(small):
    entries = backup(small)
    second = {"number": 2, "mac": builders.mac(12), "address": {"mode": "static"}}
    second["address"]["ipv4"] = builders.ipv4(12)
    event = assigned(1, devices=[second])
    small.say(event)
    small.drain()
    rows = addresses(small)
    assert len(rows) == 2
    restore(small, entries)
    small.say(event)
    assert small.outcome(event).startswith("waiting: pool-not-read")
    small.store.routers.add_work("R1", ["SVC-1"])  # as for what was written lately
    small.drain("R1")
    assert addresses(small) == rows
    assert small.outcome(event).startswith("waiting: pool-not-read")
    small.drain("R2")
    small.accept.assign_waiting()
    small.drain()
    assert small.outcome(event).startswith("applied")
    assert addresses(small) == {**rows, builders.mac(1): "198.51.100.2"}
