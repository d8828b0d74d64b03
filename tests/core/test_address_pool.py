"""The pools of the inventory: which values they have, and at which positions."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.policy.address_pool import (
    AddressPool,
    AddressPools,
    problems_of_pools,
    range_of,
    span_of,
)

BASE = int(ip_address("198.51.100.0"))


def pool(*ranges: str, name: str = "home", exclude: tuple[str, ...] = (), **more) -> AddressPool:
    kind = "prefix" if ":" in ranges[0] else "address"
    return AddressPool(
        name,
        kind,
        tuple(sorted(range_of(text, kind) for text in ranges)),
        exclude=tuple(span_of(text, kind) for text in exclude),
        **more,
    )


def all_of(found: AddressPool) -> list[str]:
    return [found.at(position) for position in range(found.size)]


def test_a_network_has_neither_its_first_nor_its_last_address():
    assert all_of(pool("198.51.100.0/29")) == [f"198.51.100.{n}" for n in range(1, 7)]
    assert all_of(pool("198.51.100.0/31")) == ["198.51.100.0", "198.51.100.1"]
    assert all_of(pool("198.51.100.7")) == ["198.51.100.7"]


def test_exclusions_leave_gaps_and_no_empty_positions():
    found = pool("198.51.100.10-198.51.100.15", exclude=("198.51.100.11", "198.51.100.14/31"))
    assert all_of(found) == ["198.51.100.10", "198.51.100.12", "198.51.100.13"]
    assert not found.holds("198.51.100.11")
    assert found.holds("198.51.100.12")


def test_prefixes_have_one_length_and_leave_out_those_that_an_exclusion_touches():
    found = pool(
        "2001:db8:0:100::/56",
        "2001:db8:0:200::/55",
        prefix_length=56,
        exclude=("2001:db8:0:200::/60",),
    )
    assert all_of(found) == ["2001:db8:0:100::/56", "2001:db8:0:300::/56"]


def test_a_value_of_another_length_overlaps_without_being_a_value():
    found = pool("2001:db8:100::/40", prefix_length=56)
    assert found.size == 2**16
    assert not found.holds("2001:db8:100:0::/60")
    assert list(found.overlapping("2001:db8:100:10::/60")) == ["2001:db8:100::/56"]
    assert len(list(found.overlapping("2001:db8:100::/54"))) == 4
    assert not found.holds("2000::/16")
    assert list(found.overlapping("198.51.100.7")) == []


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 5)), max_size=4),
)
def test_every_value_has_one_position(ranges, exclude):
    def spans(pairs):
        return [(BASE + first, BASE + first + more) for first, more in pairs]

    texts, used = [], set()
    for first, last in spans(ranges):
        if used.isdisjoint(range(first, last + 1)):
            used |= set(range(first, last + 1))
            texts.append(f"{ip_address(first)}-{ip_address(last)}")
    out = {n for first, last in spans(exclude) for n in range(first, last + 1)}
    free = {str(ip_address(n)) for n in used - out}
    found = pool(
        *texts, exclude=tuple(f"{ip_address(a)}-{ip_address(b)}" for a, b in spans(exclude))
    )
    assert found.size == len(free)
    assert set(all_of(found)) == free
    assert len(all_of(found)) == len(free)
    for number in range(BASE, BASE + 80):
        value = str(ip_address(number))
        assert found.holds(value) == (value in free)


def test_a_router_finds_the_pool_that_events_call_so():
    east = pool("198.51.100.0/25", name="east", routers=("east-*",), known_as="home")
    west = pool("198.51.100.128/25", name="west", routers=("west-*",), known_as="home")
    six = pool("2001:db8::/48", name="six", prefix_length=56, known_as="home")
    pools = AddressPools({found.name: found for found in (east, west, six)})
    assert pools.serving("home", "east-1", "address") is east
    assert pools.serving("home", "west-1", "address") is west
    assert pools.serving("home", "north-1", "address") is None
    assert pools.serving("home", "north-1", "prefix") is six
    assert pools.serving("east", "east-1", "address") is None
    assert pools.around("198.51.100.130") is west
    assert pools.around("2001:db8::/40") is six
    assert pools.around("203.0.113.1") is None
    assert list(problems_of_pools([east, west, six], ["east-1", "west-1"])) == []


def test_two_pools_of_one_name_on_one_router_and_overlaps_are_problems():
    one = pool("198.51.100.0/25", name="one", known_as="home")
    two = pool("198.51.100.100-198.51.100.200", name="two", known_as="home", routers=("edge-*",))
    overlap, twice = problems_of_pools([one, two], ["edge-1"])
    assert overlap == "pools.two.ranges: overlaps with pool one"
    assert twice.startswith("pools.two.routers: router edge-1 has two pools that events call home")


@pytest.mark.parametrize("text", ["198.51.100.9-198.51.100.1", "2001:db8::/56", "198.51.100.1/24"])
def test_a_range_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        range_of(text, "address")
