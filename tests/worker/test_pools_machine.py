"""Assigned addresses in any order of events, passes, crashes, restarts and restored backups.

Real store, intake and passes; only the routers are tables in memory. No address is had by two
services at any moment, in records or in rows, on any router.
"""

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

from tests import builders
from tests.worker.assigning_desk import AssigningDesk, pool
from tests.worker.desk import POLICIES
from tests.worker.memory_router import MemoryRouter
from worker.convergence.router_pass import Converge
from worker.core.entry.dhcp_setup import Ipv6Setup
from worker.core.rows.operations import Add
from worker.core.rows.rows import parse_tag
from worker.store.backup import copy, put_back
from worker.store.connection import connect
from worker.store.store import open_store

pytestmark = pytest.mark.redis

SERVICES = range(1, 5)
ROUTERS = ("R1", "R2")
POOLS = (
    pool("one", "198.51.100.1-198.51.100.3", known_as="home", routers=("R1",)),
    pool("two", "203.0.113.1-203.0.113.3", known_as="home", routers=("R2",)),
    pool("both", "192.0.2.1-192.0.2.4"),
)
services = st.sampled_from(SERVICES)
routers = st.sampled_from(ROUTERS)
names = st.sampled_from(["home", "both"])
FIXED = ("192.0.2.3", "192.0.2.4")
"""Addresses that events name: an event may say one that a row of others has, too."""


class Table(MemoryRouter):
    """A router of this test: its rows, and what a full read asks."""

    certificate_ends_ms = 0

    def __init__(self, name):
        super().__init__()
        self.identity = name
        self.serial = f"S-{name}"

    def read_ipv6_setup(self, *, fresh):
        return Ipv6Setup()

    def read_pools(self, progress):
        return None

    def read_rows(self, menu, terms, progress):
        return super().read_rows(menu, terms, progress) if terms else []

    def hold(self, address):
        """A person adds a row."""
        row = {"address": address, "mac-address": builders.mac(200), "server": "dhcp1"}
        self.write([Add(0, "", row)], lambda: None)

    def values(self):
        """Address -> service (empty: nobody of ours) of its static rows."""
        found = {}
        for row in self.read_leases(None, lambda: None):
            tag = parse_tag(row.comment)
            found[row.address] = tag.service_id if tag else ""
        return found


class Sessions:
    """Opens the tables of this test."""

    def __init__(self, tables):
        self.tables = tables

    def open(self, router, turn=None):
        return self.tables[router]

    def give_back(self, router, session):
        pass


class PoolsMachine(RuleBasedStateMachine):
    """See the module."""

    server = None

    @initialize()
    def start(self):
        self.plain = self.server.client()
        self.store = open_store(self.plain, f"p{secrets.token_hex(4)}:", lock_ms=600_000)
        self.tables = {name: Table(name) for name in ROUTERS}
        self.entries = None
        self.given = {}
        self.cooling = {}
        self.rows_of_others = set()
        self.restart()

    def teardown(self):
        if hasattr(self, "plain"):
            self.plain.close()

    @rule()
    def restart(self):
        """Another process, with nothing in its memory."""
        revisions = self.desk.revisions if hasattr(self, "desk") else {}
        self.desk = AssigningDesk(self.store, *POOLS)
        self.desk.revisions = revisions
        self.converge = Converge(self.store, Sessions(self.tables), POLICIES, pools=self.desk.pools)

    @rule(number=services, router=routers, name=names)
    def activate(self, number, router, name):
        self.desk.activate(number, pool=name, router=router)

    @rule(number=services, router=routers, address=st.sampled_from(FIXED))
    def activate_fixed(self, number, router, address):
        static = {"mode": "static", "ipv4": address}
        self.desk.activate(number, router=router, address=static)

    @rule(number=services)
    def cancel(self, number):
        self.desk.tell("cancelled", number)

    @rule(number=services, name=st.sampled_from(["suspended", "resumed", "device_swapped"]))
    def keeps_it(self, number, name):
        before = self.desk.record(f"SVC-{number}")
        device = {"device": {"mac": builders.mac(number)}} if name == "device_swapped" else {}
        self.desk.tell(name, number, **device)
        after = self.desk.record(f"SVC-{number}").assigned
        if before.assigned and after != before.assigned:
            # It waited for another pool, and any event gives it an address of that one.
            waited_for = {why.pool for why in before.unassigned.values()}
            assert {value.pool for value in after.values()} == waited_for

    @rule(number=services, router=routers)
    def move(self, number, router):
        self.desk.tell("moved", number, access={"router": router, "dhcp_server": "dhcp1"})

    @rule(one=services, other=services, wish=st.integers(1, 2))
    def race(self, one, other, wish):
        """Another worker commits between the choice of the first one and its commit."""
        if one == other:
            return
        records = type(self.store.records)
        commit, desk, raced = records.commit, self.desk, []

        def slower(self, commits, *args):
            if commits and not raced:
                raced.append(1)
                desk.activate(other, pool="both", wish=f"192.0.2.{wish}")
            return commit(self, commits, *args)

        records.commit = slower
        try:
            desk.activate(one, pool="both", wish=f"192.0.2.{wish}")
        finally:
            records.commit = commit

    @rule(router=routers)
    def run_pass(self, router):
        block = self.store.keys.router(router)
        placed = self.store.client.smembers(block.services)
        self.store.routers.add_work(router, sorted(placed))
        self.store.client.delete(block.notified)
        self.converge.run(router)

    @rule()
    def assign_waiting(self):
        self.desk.accept.assign_waiting()

    @rule(router=routers, number=st.integers(1, 2))
    def a_row_of_others(self, router, number):
        """A person takes a free address; the next full read sees it."""
        address = f"192.0.2.{number}"  # 1 and 2: no event names them
        held = self.store.pools.holders([address])
        everywhere = {a for table in self.tables.values() for a in table.values()}
        if address not in held and address not in everywhere and not self.rows_of_others:
            self.tables[router].hold(address)
            self.rows_of_others.add(address)
            self.read_fully()

    @rule()
    def quarantines_end(self):
        """A day passes; rows of others are seen again before their time is over."""
        for name in self.desk.pools.pools:
            self.desk.end_quarantines(name)
        self.store.maintenance.forget_values()
        self.entries = None
        held = self.store.pools.holders(list(self.cooling))
        self.cooling = {v: s for v, s in self.cooling.items() if v in held and held[v].until_ms < 0}
        self.read_fully()

    def read_fully(self):
        self.store.pools.distrust(ROUTERS, self.store.records.now_ms())
        for router in ROUTERS:
            self.run_pass(router)

    @rule()
    def back_up(self):
        with connect(self.server.url, any_bytes=True) as plain:
            self.entries = list(copy(plain, self.store.keys, lambda _: None))

    @precondition(lambda self: self.entries is not None)
    @rule()
    def restore(self):
        with (
            connect(self.server.url, any_bytes=True) as plain,
            put_back(plain, self.store.keys) as put,
        ):
            put(self.entries, lambda _: None)
        self.given = self.cooling = {}
        self.restart()

    @rule(one=services, other=services)
    def restore_after_an_assignment(self, one, other):
        """What was assigned since the backup stands on one router; the next one asks at another."""
        self.back_up()
        self.activate(one, "R1", "both")
        self.run_pass("R1")
        self.restore()
        self.activate(other, "R2", "both")
        self.run_pass("R2")
        self.assign_waiting()

    @invariant()
    def no_two_have_a_value(self):
        if not hasattr(self, "desk"):
            return
        given = self.desk.check()
        for value, service in given.items():
            owner = self.cooling.get(value, service)
            assert service == owner or value in FIXED, f"{value} too early"
        self.cooling |= {v: s for v, s in self.given.items() if given.get(v) != s}
        self.cooling = {v: s for v, s in self.cooling.items() if v not in given}
        self.given = given

    @invariant()
    def no_two_rows_have_a_value(self):
        if not hasattr(self, "desk"):
            return
        seen = {}
        for table in self.tables.values():
            for value, service in table.values().items():
                other = seen.setdefault(value, service)
                assert service == other or value in FIXED, (value, service, other)


def test_no_address_twice_whatever_happens(valkey_server):
    PoolsMachine.server = valkey_server
    run_state_machine_as_test(
        PoolsMachine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None)
    )
