"""Values of pools in Redis: each has one owner, whatever workers commit at the same time."""

import pytest

from worker.core.policy.address_pool import AddressPool, AddressPools, range_of
from worker.core.service.record import ServiceRecord
from worker.store.batches import Conclusion
from worker.store.commits import LEFT, GivenBack, ServiceCommit, TakenValue
from worker.store.pools import HeldValue, PoolUsage

pytestmark = pytest.mark.redis

POOL = AddressPool("home", "address", (range_of("198.51.100.0/29", "address"),))
POOLS = AddressPools({"home": POOL})
FIRST, SECOND = "198.51.100.1", "198.51.100.2"
HOUR_MS = 3_600_000


class Bench:
    """Commits of services with an empty record each."""

    def __init__(self, store):
        self.store = store
        self.generations = {}

    @property
    def now_ms(self):
        return self.store.records.now_ms()

    def of(self, service, **fields):
        return ServiceCommit(
            service, self.generations.get(service, 0), ServiceRecord(service), **fields
        )

    def commit(self, *commits):
        result = self.store.records.commit(commits, self.now_ms)
        for commit, done in zip(commits, result.done, strict=True):
            if done:
                self.generations[commit.service_id] = result.generation
        return result.done

    def take(self, service, value=FIRST, *, is_fixed=0):
        return self.commit(self.of(service, take=[TakenValue(value, "home", is_fixed)]))[0]

    def give_back(self, service, value=FIRST, until_ms=0):
        return self.commit(self.of(service, give_back=[GivenBack(value, "home", until_ms)]))

    def holder(self, value=FIRST):
        return self.store.pools.holders([value]).get(value)

    @property
    def use(self):
        return self.store.pools.use(POOLS, self.now_ms)["home"]


@pytest.fixture
def bench(store):
    return Bench(store)


def test_of_two_services_one_gets_a_value(bench):
    both = [bench.of(name, take=[TakenValue(FIRST, "home")]) for name in ("A", "B")]
    assert bench.commit(*both) == [True, False]
    assert bench.holder() == HeldValue(FIRST, "A", 0)
    assert bench.store.records.read(["B"])["B"].generation == 0
    assert not bench.take("B")
    assert bench.take("A")
    assert bench.use == PoolUsage(6, 1, 0, 0)


def test_of_two_values_a_service_gets_both_or_none(bench):
    assert bench.take("A", SECOND)
    values = [TakenValue(FIRST, "home"), TakenValue(SECOND, "home")]
    assert bench.commit(bench.of("B", take=values)) == [False]
    assert bench.holder(FIRST) is None


def test_a_commit_that_was_too_late_takes_nothing(bench):
    assert bench.take("A")
    late = bench.of("A", take=[TakenValue(SECOND, "home")])._replace(generation=7)
    assert bench.commit(late) == [False]
    assert bench.holder(SECOND) is None


def test_a_value_that_was_given_back_is_kept_for_its_service_alone(bench):
    bench.take("A")
    bench.give_back("A", until_ms=bench.now_ms + HOUR_MS)
    assert bench.use == PoolUsage(6, 0, 1, 0)
    assert not bench.take("B")
    assert bench.take("A")
    bench.give_back("A", until_ms=bench.now_ms - 1)
    assert bench.use == PoolUsage(6, 0, 0, 0)
    assert bench.take("B")


def test_a_fixed_value_overrides_quarantine_and_no_holder(bench):
    bench.take("A")
    assert not bench.take("B", is_fixed=1)
    bench.give_back("A", until_ms=LEFT)
    assert not bench.take("B")
    assert bench.take("B", is_fixed=1)


def test_what_another_service_has_is_not_given_back(bench):
    bench.take("A")
    bench.give_back("B", until_ms=bench.now_ms + HOUR_MS)
    assert bench.holder() == HeldValue(FIRST, "A", 0)


def conclude(bench, service, *quarantine):
    store = bench.store
    store.routers.add_work("R1", [service])
    acquired = store.routers.acquire("R1", "pass", 100)
    ends = [
        Conclusion(item, "confirmed", quarantine=quarantine)
        for item in acquired.work_items
        if item.service_id == service
    ]
    assert store.routers.conclude("R1", "pass", ends) == [True]
    store.routers.next_batch("R1", "pass", 0)


def forget_values(bench):
    bench.store.pools.next_positions(POOL, 1)  # a search made it known
    bench.store.maintenance.forget_values()


def test_the_quarantine_begins_when_the_row_is_gone(bench):
    bench.take("A")
    conclude(bench, "A", (FIRST, "home", HOUR_MS))
    assert bench.holder() == HeldValue(FIRST, "A", 0), "it has it still"
    bench.give_back("A", until_ms=LEFT)
    assert bench.use == PoolUsage(6, 0, 1, 0)
    forget_values(bench)
    conclude(bench, "A", (FIRST, "home", HOUR_MS))
    left_ms = bench.holder().until_ms - bench.now_ms
    assert HOUR_MS - 5000 < left_ms <= HOUR_MS


def test_a_quarantine_that_is_over_is_forgotten(bench):
    bench.take("A")
    bench.take("B", SECOND)
    bench.give_back("A", until_ms=bench.now_ms - 1)
    forget_values(bench)
    assert bench.holder() is None
    assert bench.holder(SECOND) == HeldValue(SECOND, "B", 0)
    assert [held.value for held in bench.store.pools.values("home")] == [SECOND]


def test_a_person_ends_a_quarantine_and_nothing_else(bench):
    bench.take("A")
    assert not bench.store.pools.free(FIRST, "home", "ann")
    bench.give_back("A", until_ms=LEFT)
    assert not bench.store.pools.free(FIRST, "home", "ann")
    bench.give_back("A", until_ms=bench.now_ms + HOUR_MS)
    assert bench.store.pools.free(FIRST, "home", "ann")
    assert bench.take("B")
    (entry,) = bench.store.audit.entries()
    assert (entry.by, entry.what, entry.subject) == ("ann", "pool.value_freed", FIRST)


def test_rows_of_others_keep_a_value_from_services(bench):
    bench.take("A")
    until_ms = bench.now_ms + HOUR_MS
    bench.store.pools.note({FIRST: "home", SECOND: "home"}, until_ms)
    assert bench.holder() == HeldValue(FIRST, "A", 0)
    assert bench.holder(SECOND) == HeldValue(SECOND, "", until_ms)
    assert not bench.take("A", SECOND)
    assert bench.take("A", SECOND, is_fixed=1)


def test_a_service_loses_a_value_that_is_in_use_and_waits(bench):
    bench.take("A")
    until_ms = bench.now_ms + HOUR_MS
    assert not bench.store.pools.lose(FIRST, "home", "B", until_ms)
    assert bench.store.pools.lose(FIRST, "home", "A", until_ms)
    assert not bench.store.pools.lose(FIRST, "home", "A", until_ms)
    assert bench.holder() == HeldValue(FIRST, "", until_ms)
    assert list(bench.store.pools.waiting("home", 5)) == ["A"]
    bench.commit(bench.of("A", pool_waits=[("home", 0)]))
    assert bench.use == PoolUsage(6, 0, 1, 0)


def test_a_service_waits_since_it_began_to(bench):
    bench.commit(bench.of("A", pool_waits=[("home", 1)]))
    since = bench.store.pools.waiting("home", 5)
    bench.commit(bench.of("A", pool_waits=[("home", 1)]))
    assert bench.store.pools.waiting("home", 5) == since
    assert bench.use.waiting == 1


def test_each_position_comes_once_before_any_comes_again(bench):
    pools = bench.store.pools
    found = [pools.next_positions(POOL, 4), pools.next_positions(POOL, 4)]
    assert found == [[0, 1, 2, 3], [4, 5, 0, 1]]
    assert sorted(pools.next_positions(POOL, 100)) == list(range(6))
