"""How far pools are used: each together with those from which it goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.rows.pools import OPENS, RESOLVES, Pool, Pools, PoolUse, pools_in_use

NAMES = ["a", "b", "c", "d"]
POOLS = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(
        Pool, st.integers(0, 300), st.integers(0, 300), st.sampled_from(["", "gone", *NAMES])
    ),
)


def test_a_pool_counts_with_those_behind_it():
    pools = {"a": Pool(10, 10, "b"), "b": Pool(90, 5), "c": Pool(4, 4)}
    found = list(pools_in_use(Pools(pools, {"lan": "a", "guests": "a"})))
    assert found == [PoolUse("a", ["guests", "lan"], 15, 100)]
    assert "pool a of guests, lan: 15 of 100 addresses" in found[0].describe


@pytest.mark.parametrize(
    ("used", "notified", "expected"),
    [
        (89, False, False),
        (90, False, True),
        (89, True, True),
        (80, True, True),
        (79, True, False),
    ],
)
def test_it_is_told_from_one_limit_on_and_until_another(used, notified, expected):
    assert PoolUse("a", ["lan"], used, 100).nearly_full(notified=notified) is expected
    assert RESOLVES < OPENS


@given(POOLS, st.dictionaries(st.sampled_from(["lan", "guests"]), st.sampled_from(NAMES)))
def test_each_pool_of_a_server_is_counted_once_whatever_the_chain(pools, servers):
    found = {each.name: each for each in pools_in_use(Pools(pools, servers))}
    assert found.keys() <= set(servers.values())
    for name, use in found.items():
        assert pools[name].size <= use.size <= sum(each.size for each in pools.values())
        assert use.size > 0
        assert set(use.servers) == {server for server, pool in servers.items() if pool == name}
