"""Marks, the router lease, notes in flight, parking: what a pass may and may not undo."""

import json

import pytest

from contracts.names import QUEUE_ROUTERS
from tests.builders import ipv4, mac
from tests.calls import lose_calls, take_calls
from tests.store.passing_time import let_pass
from worker.core.policy.circuit import RouterState
from worker.core.rows.rows import Identity
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.store.batches import Acquired, Busy, Conclusion
from worker.store.commits import ServiceCommit
from worker.store.routers import SWEEP_MOVED_ON_MS

pytestmark = pytest.mark.redis

HOUR_MS = 3_600_000
LEASE_MS = 30_000


@pytest.fixture
def routers(store):
    return store.routers


def names_of(work_items):
    return [work_item.service_id for work_item in work_items]


def take(routers, lock_id="aa", most=500):
    acquired = routers.acquire("R1", lock_id, most)
    assert isinstance(acquired, Acquired)
    return {work_item.service_id: work_item for work_item in acquired.work_items}


def commit(store, service="S", priority=0):
    """A commit that changes the record and marks it."""
    generation = store.records.read([service])[service].generation
    record = ServiceRecord(service, placements={"R1": Placement(None)})
    change = ServiceCommit(service, generation, record, work_items={"R1": priority})
    lose_calls(store)
    result = store.records.commit([change], 0)
    assert result.done == [True]
    return take_calls(store.client, store.keys.queue(QUEUE_ROUTERS))


def swept(store):
    """The routers that the sweep rings for, when no message of before is left."""
    lose_calls(store)
    return store.routers.sweep(0).routers


def looks_at(store):
    """In how many ms the sweep looks at the router; None: not at all."""
    at = store.client.zscore(store.keys.routers_due, "R1")
    return None if at is None else at - store.records.now_ms()


# Marks


def test_marks_come_by_priority_and_then_by_time(routers):
    for service, priority in (("bulk", 2), ("gone", 1), ("new", 0), ("bulk gone", 3)):
        routers.add_work("R1", [service], priority)
    routers.add_work("R1", ["newer"], 0)
    routers.add_work("R1", ["later"], 0, HOUR_MS)
    work_items = routers.acquire("R1", "aa", 500).work_items
    assert names_of(work_items) == ["new", "newer", "gone"]
    assert [work_item.priority for work_item in work_items] == [0, 0, 1]
    assert names_of(routers.next_batch("R1", "aa", 2).work_items) == ["new", "newer"]
    routers.conclude("R1", "aa", [Conclusion(work_item, "confirmed") for work_item in work_items])
    work_items = routers.next_batch("R1", "aa", 500).work_items
    assert names_of(work_items) == ["bulk", "bulk gone"]
    assert [work_item.priority for work_item in work_items] == [2, 3]


def test_a_mark_comes_with_the_record_as_it_is(store, routers):
    commit(store)
    routers.add_work("R1", ["unknown"])
    work_items = take(routers)
    assert work_items["S"].stored == store.records.read(["S"])["S"]
    assert work_items["unknown"].stored.generation == 0


def test_marking_again_keeps_the_higher_priority_and_the_earlier_time(routers):
    routers.add_work("R1", ["S"], 1, HOUR_MS)
    routers.add_work("R1", ["S"], 2, 0)
    assert take(routers)["S"].priority == 1


@pytest.mark.parametrize("do", ["confirmed", "postponed", "failed"])
@pytest.mark.parametrize("meanwhile", ["work_item", "commit", "join"])
def test_what_is_marked_during_a_pass_outlives_its_end(store, routers, do, meanwhile):
    commit(store)
    work_item = take(routers)["S"]
    if meanwhile == "work_item":
        routers.add_work("R1", ["S"], 2)
    elif meanwhile == "commit":
        commit(store, priority=2)
    else:
        routers.join("R1", ["S"])
    before = store.records.read(["S"])
    end = Conclusion(
        work_item,
        do,
        record=ServiceRecord("S"),
        outcomes=[Outcome(EventRef("e", "e", "s", "t"), "S", "applied")],
        waiting="{}",
        wait_ms=HOUR_MS,
        dead_letters=[DeadLetter("S@R1", "service", "operation-refused", "no")],
        lines=['[2,1,"one"]'],
        counts={"applied": 1},
    )
    assert routers.conclude("R1", "aa", [end]) == [False]
    assert store.records.read(["S"]) == before
    assert store.views.outcomes(["e"]) == []
    assert store.views.dead_letters() == []
    assert store.views.counters() == {}
    assert store.views.router_waiting("R1") == {}
    assert names_of(routers.next_batch("R1", "aa", 500).work_items) == ["S"]


def test_a_record_that_changed_without_a_mark_keeps_its_mark(store, routers):
    """Another router's pass wrote the record: this one looks again."""
    commit(store)
    work_item = take(routers)["S"]
    store.records.commit([ServiceCommit("S", work_item.stored.generation, ServiceRecord("S"))], 0)
    assert routers.conclude("R1", "aa", [Conclusion(work_item, "confirmed")]) == [False]
    assert names_of(routers.next_batch("R1", "aa", 500).work_items) == ["S"]


def test_a_confirmation_writes_all_that_follows_from_it(store, routers, client):
    commit(store)
    work_item = take(routers)["S"]
    end = Conclusion(
        work_item,
        "confirmed",
        record=ServiceRecord("S", owner="urn:s"),
        gone=True,
        outcomes=[Outcome(EventRef("e", "e", "s", "t"), "S", "applied")],
        lines=['[2,1,"one"]', '[2,1,"two"]'],
        counts={"applied": 2},
    )
    assert routers.conclude("R1", "aa", [end]) == [True]
    stored = store.records.read(["S"])["S"]
    assert stored.generation not in (0, work_item.stored.generation)
    assert stored.record.owner == "urn:s"
    assert [each.state for each in store.views.outcomes(["e"])] == ["applied"]
    view = store.views.service("S", ["R1"])
    assert [line["what"] for line in view.history] == ["two", "one"]
    assert view.queued == []
    assert store.views.counters() == {"applied": 2}
    assert store.views.router("R1").services == 0
    assert routers.next_batch("R1", "aa", 500) == (False, *routers_end(store), False, False)
    assert looks_at(store) is None


def routers_end(store):
    return pytest.approx(store.records.now_ms(), abs=1000), []


def test_what_was_given_up_is_kept_until_it_is_confirmed(store, routers):
    commit(store)
    dead_letter = DeadLetter(
        "S@R1", "service", "operation-refused", "no", service_id="S", router="R1"
    )
    why = json.dumps({"reason": "operation-refused", "detail": "no", "since_ms": 1})
    end = Conclusion(take(routers)["S"], "failed", waiting=why, dead_letters=[dead_letter])
    assert routers.conclude("R1", "aa", [end]) == [True]
    assert store.views.dead_letters() == [dead_letter]
    assert store.views.router_waiting("R1") == {"S": json.loads(why)}
    assert not routers.next_batch("R1", "aa", 500).held
    assert store.views.service("S", ["R1"]).queued == []
    commit(store)
    end = Conclusion(take(routers, "bb")["S"], "confirmed")
    assert routers.conclude("R1", "bb", [end]) == [True]
    assert store.views.dead_letters() == []
    assert store.views.router_waiting("R1") == {}


def test_what_waits_comes_when_its_time_has_come(store, routers):
    routers.add_work("R1", ["S"], 1)
    end = Conclusion(take(routers)["S"], "postponed", wait_ms=HOUR_MS, waiting='{"reason":"r"}')
    assert routers.conclude("R1", "aa", [end]) == [True]
    assert store.views.router_waiting("R1") == {"S": {"reason": "r"}}
    assert routers.next_batch("R1", "aa", 500).work_items == []
    assert looks_at(store) == pytest.approx(HOUR_MS, abs=1000)
    let_pass(store, HOUR_MS)
    assert swept(store) == ["R1"]
    assert take(routers, "bb")["S"].priority == 1


@pytest.mark.parametrize("number", [19, 20, 21, 60])
def test_many_that_wait_are_taken_by_priority_and_time_like_few(store, routers, number):
    later = [f"later-{n}" for n in range(number - 2)]
    routers.add_work("R1", later, 0, 2 * HOUR_MS)
    routers.add_work("R1", ["gone"], 1)
    routers.add_work("R1", ["bulk"], 2, HOUR_MS)
    work_items = take(routers)
    assert list(work_items) == ["gone"]
    routers.conclude("R1", "aa", [Conclusion(work_items["gone"], "confirmed")])
    assert not routers.next_batch("R1", "aa", 500).held
    assert looks_at(store) == pytest.approx(HOUR_MS, abs=1000)
    let_pass(store, HOUR_MS)
    assert list(take(routers, "bb")) == ["bulk"]
    assert not routers.next_batch("R1", "bb", 0).held
    let_pass(store, HOUR_MS)
    assert sorted(take(routers, "cc")) == sorted(later)


def test_what_the_brake_holds_since_it_was_taken_is_held_no_longer_when_it_is_done(
    store, routers, client
):
    commit(store)
    work_item = take(routers)["S"]
    held, router = {"scope": "router:R1", "priority": 0}, store.keys.router("R1")
    client.hset(store.keys.braked, "S@R1", json.dumps(held))
    client.zrem(router.due, "S")
    client.hset(router.waiting, "S", json.dumps({"reason": "held-for-approval"}))
    assert routers.conclude("R1", "aa", [Conclusion(work_item, "confirmed")]) == [True]
    assert not client.exists(store.keys.braked, router.waiting, router.work_items)


def test_a_router_wakes_what_waits_when_it_is_marked_anew(routers):
    routers.add_work("R1", ["S"])
    routers.conclude("R1", "aa", [Conclusion(take(routers)["S"], "postponed", wait_ms=HOUR_MS)])
    routers.next_batch("R1", "aa", 500)
    assert routers.add_work("R1", ["S"])
    assert list(take(routers, "bb")) == ["S"]


def test_many_services_are_more_than_one_call_of_a_script(routers, store):
    many = [f"S{number:04}" for number in range(9_000)]
    assert routers.add_work("R1", many, closely=True, added={many[-1]: [Identity("M", "A", "")]})
    assert store.fleet.recheck("R1", many, "reconciled", "all", "ada") == len(many)
    assert sorted(store.views.router_queued("R1")) == many
    (entry,) = store.audit.entries()
    assert (entry.what, entry.by) == ("router.reconciled", "ada")


# The lease


def test_one_worker_holds_a_router(routers):
    routers.add_work("R1", ["S"])
    take(routers)
    assert routers.acquire("R1", "bb", 500) == Busy()
    assert routers.acquire("R2", "bb", 500) != Busy()


def test_a_held_router_is_not_rung_for_and_its_release_tests_for_marks(routers):
    take(routers)
    assert not routers.add_work("R1", ["S"])
    batch = routers.next_batch("R1", "aa", 0)
    assert (batch.held, batch.work_items, batch.more) == (False, [], True)
    assert not routers.add_work("R1", ["S"])  # that message is under way
    assert list(take(routers, "bb")) == ["S"]


def test_a_release_rings_for_nothing_when_nothing_is_due(store, routers):
    routers.add_work("R1", ["S"], 0, HOUR_MS)
    take(routers)
    assert not routers.next_batch("R1", "aa", 500).more
    assert looks_at(store) == pytest.approx(HOUR_MS, abs=1000)


def test_a_killed_holder_is_replaced_when_its_lease_is_over(store, routers):
    routers.add_work("R1", ["S"])
    take(routers)
    let_pass(store, LEASE_MS // 2)
    assert routers.renew("R1", "aa")
    let_pass(store, LEASE_MS // 2)
    assert routers.acquire("R1", "bb", 500) == Busy()
    assert swept(store) == []
    assert looks_at(store) == pytest.approx(SWEEP_MOVED_ON_MS, abs=1000)
    let_pass(store, LEASE_MS // 2 - 3000)
    assert swept(store) == []
    assert looks_at(store) == pytest.approx(3000, abs=1000)
    let_pass(store, 3000)
    assert swept(store) == ["R1"]
    assert list(take(routers, "bb")) == ["S"]
    assert routers.begin_writing("R1", "aa", (), ["S"]) is None


def test_a_lost_lease_marks_everything_again_and_ends_nothing(store, routers):
    for service in ("S", "T"):
        commit(store, service)
    old = take(routers)
    let_pass(store, LEASE_MS)
    new = take(routers, "bb")
    assert routers.conclude("R1", "bb", [Conclusion(new["S"], "confirmed")]) == [True]
    ends = [
        Conclusion(work_item, "confirmed", record=ServiceRecord("X")) for work_item in old.values()
    ]
    assert routers.conclude("R1", "aa", ends) is None
    assert store.records.read(["S"])["S"].record.service_id == "S"
    assert routers.conclude("R1", "bb", [Conclusion(new["T"], "confirmed")]) == [False]
    assert sorted(names_of(routers.next_batch("R1", "bb", 500).work_items)) == ["S", "T"]


def test_who_lost_the_lease_cannot_release_renew_or_park(store, routers):
    take(routers)
    let_pass(store, LEASE_MS)
    take(routers, "bb")
    batch = routers.next_batch("R1", "aa", 500)
    assert (batch.held, batch.work_items, batch.more) == (False, [], False)
    assert routers.begin_writing("R1", "aa", (), ["S"]) is None
    assert routers.open_circuit("R1", "aa", 1000, RouterState("blocked")) == 0
    assert routers.acquire("R1", "cc", 500) == Busy()
    assert store.views.state("R1") == RouterState()
    assert notes(store) == {}


def test_what_joins_a_batch_has_a_stamp_that_holds(store, routers):
    commit(store)
    take(routers)
    (joined,) = routers.join("R1", ["S"])
    assert joined.stored.generation
    assert routers.conclude("R1", "aa", [Conclusion(joined, "confirmed")]) == [True]
    assert not routers.next_batch("R1", "aa", 500).held


def test_what_is_said_after_the_join_stays_marked(store, routers):
    commit(store)
    take(routers)
    (joined,) = routers.join("R1", ["S"])
    commit(store)
    assert routers.conclude("R1", "aa", [Conclusion(joined, "confirmed")]) == [False]
    assert names_of(routers.next_batch("R1", "aa", 500).work_items) == ["S"]


# Parking


def test_a_parked_router_is_left_alone_until_its_time(store, routers):
    routers.add_work("R1", ["S"])
    take(routers)
    down = RouterState("unreachable", since_ms=5, attempts=3, message="no route")
    until = routers.open_circuit("R1", "aa", HOUR_MS, down)
    assert until == pytest.approx(store.records.now_ms() + HOUR_MS, abs=1000)
    assert not routers.add_work("R1", ["T"])
    assert commit(store) == []
    assert looks_at(store) == pytest.approx(HOUR_MS, abs=1000)
    let_pass(store, HOUR_MS - 1000)
    assert routers.acquire("R1", "bb", 500) == Busy()
    assert swept(store) == []
    assert store.views.state("R1").next_at_ms == until
    let_pass(store, 1000)
    assert swept(store) == ["R1"]
    acquired = routers.acquire("R1", "bb", 500)
    assert sorted(names_of(acquired.work_items)) == ["S", "T"]
    assert (acquired.state.attempts, acquired.state.message) == (3, "no route")
    assert routers.set_state("R1", "bb", RouterState())
    assert store.views.state("R1") == RouterState()


def test_a_wait_of_nothing_parks_for_a_moment(store, routers):
    take(routers)
    assert routers.open_circuit("R1", "aa", 0, RouterState("blocked")) > 0
    let_pass(store, 1)
    assert routers.acquire("R1", "bb", 500) != Busy()


# Notes in flight


def notes(store):
    return store.client.hgetall(store.keys.router("R1").inflight)


def test_our_own_notes_go_with_the_end_of_the_look(store, routers):
    routers.add_work("R1", ["S", "T"])
    work_items = take(routers)
    assert routers.begin_writing("R1", "aa", (), ["S", "T"]) is not None
    assert sorted(notes(store)) == ["S", "T"]
    routers.add_work("R1", ["S"])  # the look at it does not end, though its writes were answered
    ends = [Conclusion(work_item, "confirmed") for work_item in work_items.values()]
    assert routers.conclude("R1", "aa", ends) == [False, True]
    assert notes(store) == {"S": "|1|"}  # no record says that its row is ours
    (again,) = routers.next_batch("R1", "aa", 500).work_items
    assert again.sent is not None
    assert routers.conclude("R1", "aa", [Conclusion(again, "confirmed")]) == [True]
    assert notes(store) == {}


@pytest.mark.parametrize("do", ["postponed", "failed"])
def test_a_note_stays_when_something_was_written_that_no_record_tells_of(store, routers, do):
    routers.add_work("R1", ["S"])
    work_items = take(routers)
    assert routers.begin_writing("R1", "aa", (), ["S"]) is not None
    (end,) = (Conclusion(work_item, do, wrote=True) for work_item in work_items.values())
    assert routers.conclude("R1", "aa", [end]) == [True]
    assert notes(store) == {"S": "|1|"}
    routers.add_work("R1", ["S"])
    (again,) = routers.next_batch("R1", "aa", 500).work_items
    assert again.sent is not None
    assert routers.conclude("R1", "aa", [Conclusion(again, "confirmed")]) == [True]
    assert notes(store) == {}


def test_notes_that_a_holder_leaves_behind_are_looked_at_like_a_lost_ones(store, routers):
    take(routers)
    routers.begin_writing("R1", "aa", (), ["S"])
    assert routers.next_batch("R1", "aa", 500).more
    assert list(take(routers, "bb")) == ["S"]
    assert list(notes(store)) == ["S"]


def test_writes_of_a_lost_holder_are_looked_at_now_and_once_more(store, routers):
    """A stale write may arrive after the first look; so the second one must come by itself."""
    routers.add_work("R1", ["S"])
    take(routers)
    routers.begin_writing("R1", "aa", (), ["S"])
    let_pass(store, LEASE_MS)  # it died

    work_items = take(routers, "bb")
    assert list(work_items) == ["S"]
    routers.begin_writing("R1", "bb", (), ["S"])  # the new holder writes it, too
    assert routers.conclude("R1", "bb", [Conclusion(work_items["S"], "confirmed")]) == [True]
    assert not routers.next_batch("R1", "bb", 500).held
    assert list(notes(store)) == ["S"]
    assert looks_at(store) == pytest.approx(2 * LEASE_MS, abs=1000)
    let_pass(store, 2 * LEASE_MS - 1000)
    assert take(routers, "cc") == {}  # too early
    assert not routers.next_batch("R1", "cc", 500).held

    let_pass(store, 1000)
    assert swept(store) == ["R1"]
    work_items = take(routers, "dd")
    assert list(work_items) == ["S"]
    assert routers.conclude("R1", "dd", [Conclusion(work_items["S"], "confirmed")]) == [True]
    assert not routers.next_batch("R1", "dd", 500).held
    assert notes(store) == {}
    assert looks_at(store) is None


def test_the_second_look_comes_in_the_middle_of_a_pass_too(store, routers):
    take(routers)
    routers.begin_writing("R1", "aa", (), ["S"])
    let_pass(store, LEASE_MS)
    work_items = take(routers, "bb")
    for _ in range(4):
        routers.begin_writing("R1", "bb", (), ["S"])
        let_pass(store, LEASE_MS // 2)
    routers.conclude("R1", "bb", [Conclusion(work_items["S"], "confirmed")])
    (work_item,) = routers.next_batch("R1", "bb", 500).work_items
    assert routers.conclude("R1", "bb", [Conclusion(work_item, "confirmed")]) == [True]
    assert notes(store) == {}


def test_a_second_look_is_owed_until_it_ends_well(store, routers):
    """Whoever dies in it, or has to wait, has not seen what may have landed late."""
    take(routers)
    routers.begin_writing("R1", "aa", (), ["S"])
    let_pass(store, LEASE_MS)
    work_items = take(routers, "bb")
    assert routers.conclude("R1", "bb", [Conclusion(work_items["S"], "confirmed")]) == [True]
    assert not routers.next_batch("R1", "bb", 500).held
    let_pass(store, 2 * LEASE_MS)
    assert take(routers, "cc")["S"].sent == frozenset()
    let_pass(store, LEASE_MS)  # it died in the second look
    work_item = take(routers, "dd")["S"]
    assert work_item.sent == frozenset()
    end = Conclusion(work_item, "postponed", wait_ms=1)
    assert routers.conclude("R1", "dd", [end]) == [True]
    let_pass(store, 1)
    (work_item,) = routers.next_batch("R1", "dd", 500).work_items
    assert work_item.sent == frozenset()
    assert routers.conclude("R1", "dd", [Conclusion(work_item, "confirmed")]) == [True]
    assert notes(store) == {}


def test_what_was_added_is_noted_until_the_second_look_at_it_is_over(store, routers):
    first, second = (Identity(mac(n), ipv4(n), "dhcp1") for n in (1, 2))
    take(routers)
    assert routers.begin_writing("R1", "aa", (), ["S", "T"], {"S": [first]}) == frozenset()
    let_pass(store, LEASE_MS)
    work_items = take(routers, "bb")
    assert work_items["S"].sent == {first}
    assert work_items["T"].sent == frozenset()
    assert routers.join("R1", ["S"])[0].sent == {first}
    assert routers.join("R1", ["U"])[0].sent is None
    routers.begin_writing("R1", "bb", (), ["S"], {"S": [second]})
    let_pass(store, LEASE_MS)
    assert take(routers, "cc")["S"].sent == {first, second}


def test_who_is_marked_closely_is_so_until_the_look_ended_well(store, routers):
    routers.add_work("R1", ["S"], closely=True)
    routers.add_work("R1", ["T"])
    work_items = take(routers)
    assert (work_items["S"].sent, work_items["T"].sent) == (frozenset(), None)
    ends = [Conclusion(work_item, "confirmed") for work_item in work_items.values()]
    assert routers.conclude("R1", "aa", ends) == [True, True]
    assert notes(store) == {}


def test_a_parked_router_keeps_the_notes_of_what_may_be_under_way(store, routers):
    routers.add_work("R1", ["S"])
    work_items = take(routers)
    routers.begin_writing("R1", "aa", (), ["S"])
    assert routers.open_circuit("R1", "aa", 1000, RouterState("unreachable")) > 0
    let_pass(store, 1000)
    take(routers, "bb")
    assert routers.conclude("R1", "bb", [Conclusion(work_items["S"], "confirmed")]) == [False]
    assert list(notes(store)) == ["S"]
