"""Histories of several services, accepted and converged in any interleaving, on one router.

Real store, real accept and real passes; only the router is a table in memory. Two accept workers
are stepped between one's reading of the records and its commit, where they can meet.
"""

import json
import secrets
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.core.simulate import LeaseTable, OperationRefusedError
from worker.convergence.router_pass import Converge
from worker.core.effect.facts import EffectFacts
from worker.core.entry.dhcp_setup import DhcpSetup, Ipv6Setup
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.errors import OutcomeUnknown
from worker.intake.accept import Accept
from worker.inventory.config import SourceConfig
from worker.ports import Written
from worker.store.store import open_store

pytestmark = pytest.mark.redis

SERVICES = [f"SVC-{n}" for n in range(4)]
SOURCES = {builders.SOURCE: SourceConfig(builders.SOURCE, "revisions")}
POLICIES = {"R1": RouterPolicy("acme", "dhcp1")}


@dataclass
class Memory:
    """A router in memory, its sessions, and a fault: writes after which it is lost."""

    table: LeaseTable = field(default_factory=LeaseTable)
    refused: list[str] = field(default_factory=list)
    lost_after: int | None = None
    identity, version, serial, entries = "R1", "7.18.2", "", "lease"
    uptime_s = None

    def open(self, _router, _turn=None):
        return self

    def give_back(self, _router, _session):
        pass

    def close(self):
        pass

    def read_setup(self, *, fresh):
        return DhcpSetup()

    def read_ipv6_setup(self, *, fresh):
        del fresh
        return Ipv6Setup(servers=frozenset())

    def read_effect(self, _suspend_list, _servers, _progress, *, ipv6_list=""):
        return EffectFacts()

    def lacking(self, _menu, _names):
        return []

    def renewed(self, fields):
        return fields

    def wait_longer(self, _doublings):
        pass

    def read_leases(self, query, progress):
        progress()
        rows = self.table.rows()
        if query is None:
            return rows
        return [
            row
            for row in rows
            if row.device in query.devices
            or row.address in query.addresses
            or row.comment in query.comments
        ]

    def read_rows(self, _menu, _terms, _progress):
        return []

    def write(self, operations, progress):
        progress()
        done = []
        for operation in operations:
            if self.lost_after is not None:
                if self.lost_after == 0:
                    self.lost_after = None
                    raise OutcomeUnknown("R1", "lost")
                self.lost_after -= 1
            try:
                self.table.apply(operation)
            except OperationRefusedError as error:
                self.refused.append(str(error))
                raise
            done.append(Written(operation, None))
        return done


class Meeting:
    """Records at which another worker is faster, once: after the read and before the commit."""

    def __init__(self, records, other):
        self._records = records
        self._other = other

    def __getattr__(self, name):
        return getattr(self._records, name)

    def seen(self, keys, now_ms):
        other, self._other = self._other, None
        if other is not None:
            other()
        return self._records.seen(keys, now_ms)


class Here:
    """A store, two accept workers and one that converges."""

    def __init__(self, client, batch=500):
        self.store = open_store(client, f"h{secrets.token_hex(4)}:", lock_ms=600_000)
        self.router = Memory()
        self.accepts = [Accept(self.store, SOURCES, POLICIES) for _ in range(2)]
        limits = Converge(self.store, self.router, POLICIES).limits
        limits = type(limits)(batch_services=batch)
        self.converge = Converge(self.store, self.router, POLICIES, limits)
        self.block = self.store.keys.router("R1")
        self.revisions = dict.fromkeys(SERVICES, 0)

    def say(self, service, name, **given):
        self.revisions[service] = self.revisions.get(service, 0) + 1
        make = builders.cancelled if name == "cancelled" else builders.snapshot
        fields = {} if name == "cancelled" else {"router": "R1", "server": None} | given
        return make(service, revision=self.revisions[service], **fields)

    def fold(self, worker, events, meanwhile=()):
        """One worker folds; another commits between its reading and its commit."""
        accept = self.accepts[worker]
        if meanwhile:
            other = self.accepts[1 - worker]
            meeting = Meeting(self.store.records, lambda: other.run(list(meanwhile), "events"))
            accept = replace(accept, store=replace(self.store, records=meeting))
        accept.run(list(events), "events")

    def pass_(self):
        self.store.client.delete(self.block.notified)
        self.converge.run("R1")

    def retry(self):
        """Have who was given up looked at again, as `dead-letters retry` does."""
        failed = [dead_letter.service_id for dead_letter in self.store.views.dead_letters()]
        self.store.routers.add_work("R1", failed)

    def queued(self):
        return set(self.store.client.hkeys(self.block.work_items))

    def due(self):
        now = self.store.records.now_ms()
        work_items = self.store.client.zrange(self.block.due, 0, -1, withscores=True)
        return {service for service, score in work_items if score % 10**13 <= now}

    def is_held(self):
        return {
            (key, scope): service
            for key, text in self.store.client.hgetall(self.block.claims).items()
            for scope, (service, is_held) in json.loads(text).items()
            if is_held
        }

    def wants(self):
        stored = self.store.records.read(sorted(self.revisions))
        return {
            service: entry.claims
            for service, each in stored.items()
            for entry in [wanted_entries(each.record, POLICIES).get("R1")]
            if entry is not None
        }

    def check(self):
        """What holds at every moment between two steps."""
        is_held, wants, due = self.is_held(), self.wants(), self.due()
        held = list(is_held)
        assert len({key for key, _ in held}) == len(held)  # one server: no two on one key
        for service, wanted in wants.items():
            refused = {claim for claim in wanted if is_held.get(tuple(claim), service) != service}
            granted = all(is_held.get(tuple(claim)) == service for claim in wanted)
            # Nobody waits for a free claim: who is not granted is refused, or looked at.
            assert granted or refused or service in due, (service, is_held)
        assert self.router.refused == []


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("say"),
            st.integers(0, 1),
            st.lists(
                st.tuples(
                    st.sampled_from(SERVICES),
                    st.sampled_from(["snapshot", "snapshot", "snapshot", "cancelled"]),
                    st.integers(1, 4),
                    st.integers(10, 13),
                ),
                min_size=1,
                max_size=4,
            ),
            st.integers(0, 4),
        ),
        st.tuples(st.just("pass")),
        st.tuples(st.just("lost"), st.integers(0, 3)),
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(steps=steps, batch=st.sampled_from([1, 2, 500]))
@example([("say", 0, [("SVC-0", "snapshot", 1, 10)], 0), *[("lost", 0)] * 3], 1)
def test_no_history_leaves_two_holders_or_a_needless_wait(valkey_server, steps, batch):
    with valkey_server.client() as client:
        here = Here(client, batch)
        for step in steps:
            match step:
                case ("say", worker, said, split):
                    events = [
                        here.say(s, name, mac=builders.mac(m), ipv4=builders.ipv4(a))
                        for s, name, m, a in said
                    ]
                    here.fold(worker, events[:split] or events, events[split:] if split else ())
                case ("pass",):
                    here.pass_()
                case ("lost", after):
                    here.router.lost_after = after
                    here.pass_()
            here.check()
        here.router.lost_after = None
        for _ in range(4 * len(SERVICES)):
            here.pass_()
            if not here.due():
                break
        here.check()
        assert not here.due()
        rows = {row.comment: row for row in here.router.table.rows()}
        is_held = here.is_held()
        failed = {dead_letter.service_id for dead_letter in here.store.views.dead_letters()}
        for service, wanted in here.wants().items():
            row = rows.get(f"leasewire:acme:{service}")
            granted = all(is_held.get(tuple(claim)) == service for claim in wanted)
            # One whose connection was lost three times while it alone was written is given up.
            if granted and wanted and service not in failed:
                assert {f"mac:{row.device}", f"address:{row.address}"} == {c.key for c in wanted}
            elif not wanted and service not in failed:
                assert row is None


def notify(here, size, shift):
    """Each of so many services wants the address that stands `shift` further."""
    return [
        here.say(
            f"SVC-{n}", "snapshot", mac=builders.mac(n), ipv4=builders.ipv4(10 + (n + shift) % size)
        )
        for n in range(size)
    ]


def comes_to_rest(here, size, turn):
    here.router.lost_after = None
    here.retry()
    for _ in range(3 * size):
        here.pass_()
        if not here.queued():
            break
    assert not here.due()
    addresses = {row.comment: row.address for row in here.router.table.rows()}
    assert addresses == {
        f"leasewire:acme:SVC-{n}": builders.ipv4(10 + (n + turn) % size) for n in range(size)
    }


@settings(max_examples=25)
@given(
    size=st.integers(2, 9),
    turn=st.integers(1, 8),
    batch=st.sampled_from([1, 3, 500]),
    data=st.data(),
)
def test_a_ring_always_resolves(valkey_server, size, turn, batch, data):
    with valkey_server.client() as client:
        here = Here(client, batch)
        for shift in (0, turn):
            for event in data.draw(st.permutations(notify(here, size, shift))):
                here.fold(data.draw(st.integers(0, 1)), [event])
                if data.draw(st.integers(0, 3)) == 0:
                    here.router.lost_after = data.draw(st.none() | st.integers(0, 2))
                    here.pass_()
                here.check()
        comes_to_rest(here, size, turn)


def test_a_ring_resolves_when_one_that_was_given_up_is_replayed(valkey_server):
    with valkey_server.client() as client:
        here = Here(client)
        first, *others = [*notify(here, 3, 0), *notify(here, 3, 1)]
        served = {"mac": builders.mac(9), "ipv4": builders.ipv4(9)}
        here.fold(0, [first])
        here.router.lost_after = 0
        here.pass_()
        here.fold(0, [here.say("SVC-9", "snapshot", **served)])
        here.router.lost_after = 1  # after that of SVC-9: so it is not the router
        here.pass_()
        here.fold(0, [*others, here.say("SVC-9", "cancelled")])
        limits = replace(here.converge.limits, batch_services=1)
        here.converge = replace(here.converge, limits=limits)
        here.router.lost_after = 0
        here.pass_()
        assert [each.service_id for each in here.store.views.dead_letters()] == ["SVC-0"]
        comes_to_rest(here, 3, 1)
