"""Claims in any interleaving of commits and passes: as the model says, and nobody is forgotten."""

import json
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.builders import ipv4, mac
from tests.store.claims_model import Claims, meet
from worker.core.entry.entry import Claim
from worker.core.rows.prefixes import prefix_key
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.store.batches import Conclusion
from worker.store.commits import ServiceCommit
from worker.store.store import open_store

pytestmark = pytest.mark.redis

SERVICES = ["A", "B", "C", "D"]
services = st.sampled_from(SERVICES)
macs = st.builds(Claim, st.integers(1, 2).map(lambda n: f"mac:{mac(n)}"), st.sampled_from("ab*"))
addresses = st.integers(1, 2).map(lambda n: Claim(f"address:{ipv4(n)}", "all"))
PREFIXES = [  # each lies in one before, but for the last two
    "2001:db8::/46",
    "2001:db8:1::/48",
    "2001:db8:1:f0::/60",
    "2001:db8:1:ff::/64",
    "2001:db8:1:ff::7",
    "2001:db8:2::/48",
    "2001:db8:4::/48",
]
prefixes = st.sampled_from(PREFIXES).map(lambda prefix: Claim(prefix_key(prefix), "all"))


@st.composite
def wants(draw):
    """A MAC on server a, b or all, an address unless it is a pool's, prefixes; or nothing."""
    if draw(st.integers(0, 5)) == 0:
        return frozenset()
    found = draw(macs)
    wanted = {Claim(found.key, "all" if found.scope == "*" else found.scope)}
    if draw(st.booleans()):
        wanted.add(draw(addresses))
    wanted |= draw(st.frozensets(prefixes, max_size=2))
    return frozenset(wanted)


def generation_of(store, service):
    """That a commit of the service has to find."""
    return store.records.read([service])[service].generation


class Router:
    """One router's claims in the store, driven as accept and converge drive them."""

    def __init__(self, client):
        self.client = client
        self.store = open_store(client, f"c{secrets.token_hex(4)}:", lock_ms=600_000)
        self.block = self.store.keys.router("R1")

    def commit(self, service, generation, wanted):
        record = ServiceRecord(service, placements={"R1": Placement(None)})
        change = ServiceCommit(service, generation, record, {"R1": wanted}, {"R1": 0})
        return self.store.records.commit([change], 0).done == [True]

    def ask(self, work_item, wanted):
        (answer,) = self.store.routers.claim(
            "R1", [(work_item.service_id, work_item.stored.generation, wanted)]
        )
        return answer

    def conclude(self, work_item, granted, token):
        end = Conclusion(work_item, "confirmed" if granted else "postponed", wait_ms=300_000)
        return self.store.routers.conclude("R1", token, [end]) == [True]

    def claims(self):
        """{(key, scope): service} of the strong claims, and of the weak ones."""
        is_held, weak = {}, {}
        for key, text in self.client.hgetall(self.block.claims).items():
            for scope, (service, is_strong) in json.loads(text).items():
                (is_held if is_strong else weak)[key, scope] = service
        return is_held, weak

    def held(self):
        """{((key, scope), service)} by the table of services."""
        table = self.client.hgetall(self.block.held).items()
        return {(tuple(claim), service) for service, text in table for claim in json.loads(text)}

    def waiting(self):
        """{key: services} of those who wait, as each side of the set says it."""
        by_key, by_service = {}, {}
        for member in self.client.zrange(self.block.waiters, 0, -1):
            side, rest = member[0], member[2:]
            first, _, second = rest.rpartition("|") if side == "k" else rest.partition("|")
            found = by_key if side == "k" else by_service
            key, service = (first, second) if side == "k" else (second, first)
            found.setdefault(key, set()).add(service)
        assert by_key == by_service
        return by_key

    def due(self):
        """Services whose mark is due now."""
        now = self.store.records.now_ms()
        work_items = self.client.zrange(self.block.due, 0, -1, withscores=True)
        return {service for service, score in work_items if score % 10**13 <= now}


class ClaimsMachine(RuleBasedStateMachine):
    client = None

    @initialize()
    def begin(self):
        self.real = Router(self.client)
        self.model = Claims()
        self.generation = dict.fromkeys(SERVICES, 0)
        self.stamps = dict.fromkeys(SERVICES, 0)
        self.queued: set[str] = set()
        self.token = None
        self.looks = {}  # service: (mark, stamp when taken, answer of its last request)

    def work_item(self, woken):
        for service in woken:
            self.stamps[service] += 1
            self.queued.add(service)

    @rule(service=services, wanted=wants())
    def commit(self, service, wanted):
        assert self.real.commit(service, self.generation[service], wanted)
        self.generation[service] = generation_of(self.real.store, service)
        self.work_item(self.model.want(service, wanted) | {service})

    @rule(service=services, wanted=wants(), off=st.sampled_from([-1, 1]))
    def commit_too_late(self, service, wanted, off):
        assert not self.real.commit(service, self.generation[service] + off, wanted)

    @precondition(lambda self: self.token is None)
    @rule()
    def take(self):
        self.token = secrets.token_hex(8)
        taken = self.real.store.routers.acquire("R1", self.token, 500)
        assert {work_item.service_id for work_item in taken.work_items} == self.queued
        for work_item in taken.work_items:
            is_held, weak = (
                {claim for claim, holder in table.items() if holder == work_item.service_id}
                for table in (self.model.is_held, self.model.weak)
            )
            assert (work_item.held, work_item.vacates) == (is_held, bool(weak))
        self.wanted_when_taken = dict(self.model.wants)
        self.looks = {m.service_id: (m, self.stamps[m.service_id], None) for m in taken.work_items}

    @precondition(lambda self: self.looks)
    @rule(data=st.data())
    def ask(self, data):
        self.ask_for(data.draw(st.sampled_from(sorted(self.looks))))

    @precondition(lambda self: self.asked())
    @rule(data=st.data())
    def conclude(self, data):
        self.conclude_for(data.draw(st.sampled_from(self.asked())))

    @precondition(lambda self: self.token is not None)
    @rule()
    def release(self):
        batch = self.real.store.routers.next_batch("R1", self.token, 0)
        assert not batch.held
        assert batch.more == bool(self.queued)
        # the message that was rung for arrives at the next take
        self.token, self.looks = None, {}

    @precondition(lambda self: self.token is None)
    @rule()
    def a_whole_pass(self):
        self.take()
        for service in sorted(self.looks):
            self.ask_for(service)
        for service in self.asked():
            self.conclude_for(service)
        self.release()

    def asked(self):
        return sorted(s for s, (_, _, answer) in self.looks.items() if answer is not None)

    def ask_for(self, service):
        work_item, work_version, _ = self.looks[service]
        if work_item.held == self.wanted_when_taken[service]:  # a pass does not ask for what it has
            self.looks[service] = work_item, work_version, []
            return
        answer = self.real.ask(work_item, self.model.wants[service])
        if work_item.stored.generation != self.generation[service]:
            assert answer is None
            del self.looks[service]
        else:
            assert set(answer) == self.model.ask(service)
            self.looks[service] = work_item, work_version, answer

    def conclude_for(self, service):
        work_item, work_version, answer = self.looks.pop(service)
        stands = (work_item.stored.generation, work_version) == (
            self.generation[service],
            self.stamps[service],
        )
        assert self.real.conclude(work_item, not answer, self.token) == stands
        if stands:
            self.queued.discard(service)
            if not answer:
                self.model.confirm(service)

    @invariant()
    def the_store_holds_what_the_model_holds(self):
        is_held, weak = self.real.claims()
        assert is_held == self.model.is_held
        assert weak == self.model.weak
        assert self.real.held() == set(is_held.items()) | set(weak.items())

    @invariant()
    def those_wait_who_should(self):
        assert self.real.waiting() == {k: who for k, who in self.model.waiting.items() if who}

    @invariant()
    def the_prefixes_are_listed_that_somebody_has(self):
        has = {key for claims in self.real.claims() for key, _ in claims}
        listed = set(self.real.client.zrange(self.real.block.prefixes, 0, -1))
        lengths = {member for member in listed if member.startswith("/")}
        assert listed - lengths == {key for key in has if key.startswith("prefix:")}
        assert lengths >= {f"/{key.partition('/')[2]}" for key in listed - lengths}

    @invariant()
    def no_two_services_hold_one_claim(self):
        is_held = list(self.real.claims()[0].items())
        for claim, service in is_held:
            assert not [o for c, o in is_held if o != service and meet(c, claim)]

    @invariant()
    def nobody_waits_for_a_free_claim_without_a_mark(self):
        due = self.real.due()
        assert due == self.queued
        for service in self.model.wants:
            if not self.model.granted(service) and service not in due:
                assert self.model.refusers(service)

    def teardown(self):
        """Where no two services want the same, all are granted: rings resolve by desire alone."""
        if self.token is not None:
            self.release()
        kept: list = []
        for service, wanted in list(self.model.wants.items()):
            if any(meet(claim, other) for claim in wanted for other in kept):
                self.commit(service, frozenset())
            else:
                kept += wanted
        for _ in range(2 * len(SERVICES)):
            if not self.queued:
                break
            self.a_whole_pass()
        assert not self.queued
        assert all(self.model.granted(service) for service in self.model.wants)
        is_held, weak = self.real.claims()
        assert set(is_held) == set(kept)
        assert weak == {}


@pytest.mark.parametrize("valkey", ["unix"], indirect=True)  # it is about scripts, and takes long
def test_claims_hold_in_every_interleaving(client):
    run_state_machine_as_test(
        type("Bound", (ClaimsMachine,), {"client": client}),
        settings=settings(max_examples=60, stateful_step_count=40),
    )


def test_who_waits_is_woken_by_the_commit_that_lets_go(client):
    router = Router(client)
    wanted = frozenset({Claim(f"address:{ipv4(1)}", "all")})
    for service in ("A", "B"):
        assert router.commit(service, 0, wanted)
    taken = router.store.routers.acquire("R1", "aa", 500)
    for work_item in taken.work_items:
        router.conclude(work_item, not router.ask(work_item, wanted), "aa")
    assert not router.store.routers.next_batch("R1", "aa", 500).held
    assert router.due() == set()
    assert router.commit("A", generation_of(router.store, "A"), frozenset())
    assert router.due() == {"A", "B"}
    assert router.claims() == ({}, {(f"address:{ipv4(1)}", "all"): "A"})


@settings(max_examples=25)
@given(data=st.data(), size=st.integers(2, 7))
def test_a_ring_of_any_length_resolves_in_any_order(valkey_server, data, size):
    """Everybody gets the address of the next one; the passes look in any order, too."""
    with valkey_server.client() as client:
        router = Router(client)
        names = [f"S{n}" for n in range(size)]
        first = {s: frozenset({Claim(f"address:{ipv4(n)}", "all")}) for n, s in enumerate(names)}
        then = {s: first[names[(n + 1) % size]] for n, s in enumerate(names)}
        for service in names:
            assert router.commit(service, 0, first[service])
        finish_passes(router, first, data)
        for service in data.draw(st.permutations(names)):
            assert router.commit(service, generation_of(router.store, service), then[service])
        finish_passes(router, then, data)
        is_held, weak = router.claims()
        assert is_held == {tuple(claim): s for s in names for claim in then[s]}
        assert weak == {}


def finish_passes(router, wanted, data):
    for _ in range(3 * len(wanted)):
        taken = router.store.routers.acquire("R1", "aa", 500)
        for work_item in data.draw(st.permutations(taken.work_items)):
            answer = router.ask(work_item, wanted[work_item.service_id])
            router.conclude(work_item, not answer, "aa")
        if not router.store.routers.next_batch("R1", "aa", 0).more:
            return
    raise AssertionError("the passes do not come to an end")
