"""No mark is ever lost, whoever dies when; and the sweep always knows when to look."""

import secrets

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.names import QUEUE_ROUTERS
from tests.calls import take_calls
from tests.store.passing_time import let_pass
from worker.core.entry.wanted import BULK
from worker.core.policy.circuit import RouterState
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.store.batches import Busy, Conclusion
from worker.store.commits import ServiceCommit
from worker.store.store import open_store

pytestmark = pytest.mark.redis

LEASE_S = 1000
RING_S = 10
SWEEP_S = 5
PUT_OFF_S = 1
NEVER = float("inf")
NOW = "now"
SLACK_S = 60
"""The machine's clock stands between its rules, Redis's runs on: by less than this."""
SERVICES = ["A", "B", "C"]
services = st.sampled_from(SERVICES)
some = st.lists(services, min_size=1, max_size=3, unique=True)
delays = st.sampled_from([0, 500, 2000])
whom = st.sampled_from(["the holder"] * 4 + ["the other"])


def generation_of(store, service):
    """That a commit of the service has to find."""
    return store.records.read([service])[service].generation


class MarksMachine(RuleBasedStateMachine):
    """Two workers, of which any may fall asleep past its lease and go on afterwards.

    `work_items` is service -> [priority, due, version]; each reason makes a new one, only a check
    that began after it may end it. `notes` is service -> [holder or None, second look or NEVER, or
    NOW while the mark for it stands].
    """

    client = None

    @initialize()
    def begin(self):
        self.store = open_store(self.client, f"m{secrets.token_hex(4)}:", lock_ms=LEASE_S * 1000)
        self.routers = self.store.routers
        self.block = self.store.keys.router("R1")
        self.now = 0
        self.stamps = 0
        self.work_items: dict[str, list] = {}
        self.notes: dict[str, list] = {}
        self.generation = dict.fromkeys(SERVICES, 0)
        self.holder, self.lease_until = None, 0
        self.rung_until = self.parked_until = 0
        self.tokens = ["aa", "bb"]
        self.taken: list[dict] = [{}, {}]
        self.rested = False

    # the model

    def work_item(self, names, priority=0, delay=0):
        for name in names:
            old = self.work_items.get(name, [3, NEVER, 0])
            self.stamps += 1
            due = min(old[1], self.now + delay)
            self.work_items[name] = [min(old[0], priority), due, self.stamps]

    def rings(self):
        if self.holds() is not None or max(self.rung_until, self.parked_until) > self.now:
            return False
        self.rung_until = self.now + RING_S
        return True

    def called(self):
        """Whether a message was sent; it is taken."""
        found = take_calls(self.client, self.store.keys.queue(QUEUE_ROUTERS))
        assert found in ([], [["R1"]])
        return bool(found)

    def index_of(self, who):
        """0 or 1; while nobody holds the router, it is 0 who comes first."""
        holder = self.tokens.index(self.holds()) if self.holds() in self.tokens else 0
        return holder if who == "the holder" else 1 - holder

    def holds(self):
        return self.holder if self.lease_until > self.now else None

    def check_in_flight(self, lock_id):
        for name, (holder, look) in list(self.notes.items()):
            if holder not in (None, lock_id):
                self.notes[name] = [None, self.now + 2 * LEASE_S]
                self.work_item([name])
            elif look != NOW and look <= self.now:
                self.work_item([name])
                self.notes[name] = [holder, NOW]

    def failed(self):
        """Services that were given up, of which the note waits for their next look."""
        return {
            n for n, (_, look) in self.notes.items() if look == NOW and n not in self.work_items
        }

    def due(self):
        """What the next batch has: all live marks, or else those of bulk."""
        work_items = [
            (p, due, name) for name, (p, due, _) in self.work_items.items() if due <= self.now
        ]
        live = [each for each in work_items if each[0] < BULK]
        return [name for _, _, name in sorted(live or work_items)]

    def take(self, worker, work_items):
        names = [work_item.service_id for work_item in work_items]
        assert sorted(names) == sorted(self.due())
        assert [self.work_items[name][0] for name in names] == sorted(
            work_item.priority for work_item in work_items
        )
        for work_item in work_items:
            name = work_item.service_id
            assert (work_item.sent is not None) == (name in self.notes)
            self.taken[worker][name] = work_item, self.work_items[name][2], self.generation[name]

    # what happens

    @rule(names=some, priority=st.integers(0, 3), delay=delays, closely=st.booleans())
    def somebody_marks(self, names, priority, delay, closely):
        rang = self.routers.add_work("R1", names, priority, delay * 1000, closely=closely)
        self.work_item(names, priority, delay)
        for name in names if closely else ():
            holder, look = self.notes.get(name, (None, NEVER))
            self.notes[name] = [holder, NOW if look == NEVER else look]
        assert rang == self.called() == (delay == 0 and self.rings())

    @rule(name=services, priority=st.integers(0, 3))
    def an_event_is_committed(self, name, priority):
        record = ServiceRecord(name, placements={"R1": Placement(None)})
        commit = ServiceCommit(name, self.generation[name], record, work_items={"R1": priority})
        result = self.store.records.commit([commit], 0)
        self.generation[name] = generation_of(self.store, name)
        self.work_item([name], priority)
        assert result.done == [True]
        assert self.called() == self.rings()

    @rule(who=whom)
    def a_worker_comes(self, who):
        worker, lock_id = self.index_of(who), secrets.token_hex(4)
        acquired = self.routers.acquire("R1", lock_id, 500)
        if self.holds() is not None or self.parked_until > self.now:
            assert acquired == Busy()
            return
        self.tokens[worker], self.taken[worker] = lock_id, {}
        self.holder, self.lease_until, self.rung_until = lock_id, self.now + LEASE_S, 0
        self.check_in_flight(lock_id)
        self.take(worker, acquired.work_items)

    @rule(who=whom, most=st.sampled_from([500, 500, 0]))
    def a_worker_goes_on(self, who, most):
        worker = self.index_of(who)
        lock_id = self.tokens[worker]
        batch = self.routers.next_batch("R1", lock_id, most)
        if self.holds() != lock_id:
            assert not batch.held
            assert not self.called()
            return
        self.check_in_flight(lock_id)
        if most and self.due():
            self.lease_until = self.now + LEASE_S
            assert batch.held
            self.take(worker, batch.work_items)
        else:
            self.holder = None
            self.check_in_flight("nobody")
            assert not batch.held
            assert batch.more == bool(self.due())
            assert self.called() == (batch.more and self.rings())

    @rule(who=whom, names=some)
    def a_worker_writes(self, who, names):
        lock_id = self.tokens[self.index_of(who)]
        held = self.routers.begin_writing("R1", lock_id, (), names) is not None
        assert held == (self.holds() == lock_id)
        if held:
            self.lease_until = self.now + LEASE_S
            for name in names:
                self.notes[name] = [lock_id, self.notes.get(name, [None, NEVER])[1]]

    @rule(who=whom, name=services)
    def a_worker_joins_a_service(self, who, name):
        worker = self.index_of(who)
        (joined,) = self.routers.join("R1", [name])
        self.work_item([name])
        assert self.called() == self.rings()
        self.taken[worker][name] = joined, self.work_items[name][2], self.generation[name]

    @precondition(lambda self: any(self.taken))
    @rule(data=st.data(), who=whom, writes=st.booleans())
    def a_worker_confirms(self, data, who, writes):
        self.a_worker_ends_a_look(data, who, "confirmed", writes)

    @precondition(lambda self: any(self.taken))
    @rule(data=st.data(), who=whom, wrote=st.booleans())
    def a_worker_postpones(self, data, who, wrote):
        self.a_worker_ends_a_look(data, who, "postponed", writes=False, wrote=wrote)

    @precondition(lambda self: any(self.taken))
    @rule(data=st.data(), who=whom, wrote=st.booleans())
    def a_worker_gives_up(self, data, who, wrote):
        self.a_worker_ends_a_look(data, who, "failed", writes=True, wrote=wrote)

    def a_worker_ends_a_look(self, data, who, do, writes, wrote=False):
        worker = self.index_of(who)
        if not self.taken[worker]:
            worker = 1 - worker
        name = data.draw(st.sampled_from(sorted(self.taken[worker])))
        work_item, work_version, generation = self.taken[worker].pop(name)
        record = ServiceRecord(name) if writes else None
        end = Conclusion(work_item, do, record=record, wait_ms=700_000, wrote=wrote)
        lock_id = self.tokens[worker]
        done = self.routers.conclude("R1", lock_id, [end])
        if self.holds() != lock_id:
            assert done is None
            self.work_item(self.store.records.known([name]))  # of those that Redis lost, rows stay
            return
        stands = name in self.work_items and self.work_items[name][2] == work_version
        stands = stands and self.generation[name] == generation
        assert done == [stands]
        holder, look = self.notes.get(name, (None, NEVER))
        if holder == lock_id and stands and not wrote and look == NEVER:
            del self.notes[name]
        elif holder == lock_id and stands and not wrote:
            self.notes[name] = [None, look]
        elif holder == lock_id:  # a look is owed: no record says what was written
            self.notes[name] = [None, NOW if look == NEVER else look]
        if stands:
            if do == "confirmed" and self.notes.get(name) == [None, NOW]:
                del self.notes[name]
            if writes:
                self.generation[name] = generation_of(self.store, name)
            if do == "postponed":
                self.work_items[name][1] = self.now + 700
            else:
                del self.work_items[name]

    @rule(who=whom, wait=st.sampled_from([300, 3000]))
    def a_worker_parks(self, who, wait):
        lock_id = self.tokens[self.index_of(who)]
        until = self.routers.open_circuit("R1", lock_id, wait * 1000, RouterState("unreachable"))
        if self.holds() == lock_id:
            assert until
            self.holder, self.rung_until, self.parked_until = None, 0, self.now + wait
        else:
            assert until == 0

    @rule()
    def a_worker_finds_no_slot(self):
        # A holder whose lease ran out leaves the router to the sweep, with work or without.
        listed = self.client.zscore(self.store.keys.routers_due, "R1") is not None
        assert listed or not (self.work_items or set(self.notes) - self.failed())
        self.routers.postpone("R1", PUT_OFF_S * 1000)
        free = self.holds() is None and self.parked_until <= self.now
        if free and listed:
            self.rung_until = self.now + PUT_OFF_S

    @rule()
    def somebody_sweeps(self):
        swept = self.routers.sweep(0)
        assert swept.routers == (["R1"] if self.called() else [])
        assert not swept.routers or self.rings()
        let_pass(self.store, SWEEP_S * 1000)
        self.now += SWEEP_S

    @rule(seconds=st.sampled_from([100, 100, 100, 500, 1000, 2500]))
    def time_passes(self, seconds):
        let_pass(self.store, seconds * 1000)
        self.now += seconds

    # what always holds

    @invariant()
    def the_store_holds_what_it_must(self):
        with self.client.pipeline(transaction=True) as pipe:
            pipe.time()
            pipe.zrange(self.block.due, 0, -1, withscores=True)
            pipe.hkeys(self.block.work_items)
            pipe.hgetall(self.block.inflight)
            pipe.zscore(self.store.keys.routers_due, "R1")
            (seconds, micros), scores, stamps, notes, looks_at = pipe.execute()

        def clock(at_ms):
            """A time of the store on the machine's clock."""
            return self.now + at_ms / 1000 - seconds - micros / 1e6

        self.every_mark_is_there({n: [s // 10**13, clock(s % 10**13)] for n, s in scores}, stamps)
        self.the_notes_are_as_they_should_be(
            {
                name: [lock_id or None, {"0": NEVER, "1": NOW}.get(look) or clock(int(look))]
                for name, (lock_id, look, _) in ((n, note.split("|")) for n, note in notes.items())
            }
        )
        self.the_sweep_looks_in_time(None if looks_at is None else clock(looks_at))

    def every_mark_is_there(self, work_items, stamps):
        assert set(stamps) == set(work_items) == set(self.work_items)
        for name, work_item in work_items.items():
            assert work_item == pytest.approx(self.work_items[name][:2], abs=SLACK_S)
            assert work_item[0] == self.work_items[name][0]

    def the_notes_are_as_they_should_be(self, notes):
        assert set(notes) == set(self.notes)
        for name, (holder, look) in notes.items():
            assert holder == self.notes[name][0]
            then = self.notes[name][1]
            assert look == (then if NOW in (look, then) else pytest.approx(then, abs=SLACK_S))

    def the_sweep_looks_in_time(self, at):
        """Not later than a mark is due and its router free: the message is only the fast path."""
        wanted = [due for _, due, _ in self.work_items.values()]
        for holder, look in self.notes.values():
            wanted.append(self.lease_until if holder is not None else look)
        wanted = [each for each in wanted if each != NOW]
        if wanted:
            assert at is not None
            free = max(self.lease_until if self.holds() else 0, self.parked_until)
            assert at <= max(min(wanted), free, self.now) + SWEEP_S + SLACK_S

    @precondition(
        lambda self: self.stamps > 12 and not self.rested and (self.work_items or self.notes)
    )
    @rule()
    def all_rests_until_it_is_done(self):
        """Left alone, the sweep brings somebody who finds every mark and every note."""
        self.rested = True
        failed = self.failed()
        owed = (set(self.work_items) | set(self.notes)) - failed
        for _ in range(8):
            self.time_passes(2500)
            swept = self.routers.sweep(0).routers
            assert bool(swept) == self.called()
            if swept:
                self.rung_until = self.now + RING_S
                self.a_worker_comes("the holder")
                for name in sorted(self.taken[0]):
                    work_item, _, _ = self.taken[0].pop(name)
                    end = Conclusion(work_item, "confirmed")
                    assert self.routers.conclude("R1", self.tokens[0], [end]) == [True]
                    del self.work_items[name]
                    if self.notes.get(name) == [None, NOW]:
                        del self.notes[name]
                    owed.discard(name)
                self.a_worker_goes_on("the holder", 500)
        assert owed == set()
        assert (self.work_items, set(self.notes)) == ({}, failed)
        assert self.client.zscore(self.store.keys.routers_due, "R1") is None


@pytest.mark.parametrize("valkey", ["unix"], indirect=True)  # it is about scripts, and takes long
def test_no_mark_is_lost_in_any_interleaving(client):
    run_state_machine_as_test(
        type("Bound", (MarksMachine,), {"client": client}),
        settings=settings(max_examples=150, stateful_step_count=40),
    )
