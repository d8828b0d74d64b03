"""Hundreds of services want one MAC: none is forgotten, and no step takes long."""

import pytest

from tests.builders import ipv4, mac
from worker.core.entry.entry import Claim
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.store import scripts
from worker.store.batches import Conclusion
from worker.store.commits import ServiceCommit
from worker.store.scripts import source

pytestmark = pytest.mark.redis

COUNTING = """
local theirs = redis
local function size_of(value)
  if type(value) ~= 'table' then
    return #tostring(value)
  end
  local size = 0
  for _, each in pairs(value) do
    size = size + size_of(each)
  end
  return size
end
local redis = setmetatable({call = function(...)
  local answer = theirs.call(...)
  theirs.call('HINCRBY', '%s', 'calls', 1)
  theirs.call('HINCRBY', '%s', 'bytes', size_of({...}) + size_of(answer))
  return answer
end}, {__index = theirs})
"""
"""Goes in front of a script."""
MAC = Claim(f"mac:{mac(1)}", "dhcp1")
AT_ONCE = 100


def commit(store, *services, wants):
    stored = store.records.read(services)
    commits = [
        ServiceCommit(
            service,
            stored[service].generation,
            ServiceRecord(service, placements={"R1": Placement(None)}),
            {"R1": wants(service)},
            {"R1": 0},
        )
        for service in services
    ]
    assert all(store.records.commit(commits, 0).done)


def pass_over(store, wants, most=500):
    """One pass; returns how many marks each batch had."""
    sizes = []
    batch = store.routers.acquire("R1", "aa", most)
    while batch is not None and batch.work_items:
        sizes.append(len(batch.work_items))
        asked = [(m.service_id, m.stored.generation, wants(m.service_id)) for m in batch.work_items]
        answers = store.routers.claim("R1", asked)
        ends = [
            Conclusion(work_item, "postponed" if refused else "confirmed", wait_ms=3_600_000)
            for work_item, refused in zip(batch.work_items, answers, strict=True)
        ]
        assert all(store.routers.conclude("R1", "aa", ends))
        batch = store.routers.next_batch("R1", "aa", most)
    return sizes


def waiting(store):
    waiters, key = store.keys.router("R1").waiters, MAC.key
    members = store.client.zrangebylex(waiters, f"[k|{key}|", f"(k|{key}}}")
    return [member.rpartition("|")[2] for member in members]


def holder(store):
    (held,) = store.claims.at("R1", [MAC.key])
    return held.holder


def only_mac(_service):
    return frozenset({MAC})


def nothing(_service):
    return frozenset()


def services(count):
    return [f"SVC-{n:04}" for n in range(count)]


def test_all_who_wait_are_woken_some_at_a_time(store):
    first, *others = services(250)
    commit(store, first, *others, wants=only_mac)
    assert pass_over(store, only_mac) == [250]
    assert waiting(store) == others
    commit(store, first, wants=nothing)
    sizes = pass_over(store, lambda service: nothing(service) if service == first else only_mac(0))
    assert sum(sizes) == 250
    assert max(sizes) <= 1 + 2 * AT_ONCE
    assert holder(store) == others[0]
    assert waiting(store) == others[1:]


def test_where_those_who_are_woken_first_cannot_have_it_a_later_one_gets_it(store):
    """The first hundreds of those who wait are refused their address as well."""
    first, *others = services(330)
    *unlucky, last = others
    address = Claim(f"address:{ipv4(9)}", "all")
    wants = {first: {MAC}, last: {MAC}, "OWNER": {address}} | {
        each: {MAC, address} for each in unlucky
    }

    def wanted(service):
        return frozenset(wants[service])

    commit(store, "OWNER", first, *others, wants=wanted)
    pass_over(store, wanted)
    assert waiting(store) == others
    wants[first] = set()
    commit(store, first, wants=wanted)
    pass_over(store, wanted)
    assert holder(store) == last


def test_who_wants_something_else_by_now_waits_no_more(store):
    first, *others = services(20)
    commit(store, first, *others, wants=only_mac)
    commit(store, *others[:19], wants=nothing)
    assert waiting(store) == []
    assert not store.client.exists(store.keys.router("R1").waiters)


@pytest.fixture
def moved(store, monkeypatch):
    """Of a step: how many Redis calls its scripts make, and how many bytes go there and back."""
    key = store.keys.record("what-it-costs")
    monkeypatch.setattr(scripts, "source", lambda name: COUNTING % (key, key) + source(name))

    def moved(step):
        store.client.delete(key)
        step()
        calls, size = store.client.hmget(key, "calls", "bytes")
        return int(calls), int(size)

    return moved


def test_a_claim_costs_as_much_with_thousands_who_wait(store, moved):
    """Before, each of them read and wrote a list of all: 0.5 s for 500 beside 3,000.

    That took no more calls, but each moved more.
    """

    def ask():
        stored = store.records.read(asking)
        asked = [(each, stored[each].generation, only_mac(each)) for each in asking]
        assert store.routers.claim("R1", asked) == [[(MAC.key, first)]] * len(asking)

    first, *others = services(3_000)
    asking = others[:200]
    commit(store, first, *asking, wants=only_mac)
    few = moved(ask)
    assert len(asking) < few[0] < 20 * len(asking)
    for at in range(200, len(others), 500):
        commit(store, *others[at : at + 500], wants=only_mac)
    assert len(waiting(store)) == 2_999
    many = moved(ask)
    assert (many[0], many[1] < 1.1 * few[1]) == (few[0], True)
    calls, size = moved(lambda: commit(store, first, wants=nothing))
    assert (calls < 4 * few[0], size < 4 * few[1]) == (True, True)
