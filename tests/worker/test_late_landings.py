"""Whatever was said meanwhile: what landed late is put right by the second look at the latest.

Real store, real accept and real passes; the router is a table in memory, behind a link that loses
answers: what was sent may land at any time before the second look, or never.
"""

import secrets
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.core.simulate import OperationRefusedError
from tests.store.passing_time import let_pass
from tests.worker.memory_router import MemoryRouter
from worker.convergence.router_pass import Converge
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import LEASES, parse_tag
from worker.errors import OutcomeUnknown
from worker.intake.accept import Accept
from worker.inventory.config import SourceConfig
from worker.store.store import open_store

pytestmark = pytest.mark.redis

LEASE_MS = 600_000
SOURCES = {builders.SOURCE: SourceConfig(builders.SOURCE, "revisions")}
POLICIES = {"R1": RouterPolicy("acme", "dhcp1", suspend_list="susp")}
SERVICES = ["SVC-0", "SVC-1"]


class Stalling(MemoryRouter):
    """Attributes: lost_after: so many operations are answered yet; late: sent, and not landed."""

    def __init__(self):
        super().__init__()
        self.lost_after = None
        self.late = []

    def write(self, operations, progress):
        if self.lost_after is None or self.lost_after >= len(operations):
            if self.lost_after is not None:
                self.lost_after -= len(operations)
            return super().write(operations, progress)
        answered, self.lost_after = self.lost_after, None
        super().write(operations[:answered], progress)
        self.late += operations[answered:]
        raise OutcomeUnknown("R1", "no answer in time")

    def land(self, most=None):
        for _ in range(len(self.late) if most is None else min(most, len(self.late))):
            # The row may be gone, or its MAC or address another's by now.
            with suppress(OperationRefusedError, KeyError):
                self.tables.apply(self.late.pop(0))


class Here:
    """A store, one worker, one router."""

    def __init__(self, client):
        self.store = open_store(client, f"l{secrets.token_hex(4)}:", lock_ms=LEASE_MS)
        self.router = Stalling()
        self.accept = Accept(self.store, SOURCES, POLICIES)
        self.converge = Converge(self.store, self.router, POLICIES)
        self.block = self.store.keys.router("R1")
        self.revisions = dict.fromkeys(SERVICES, 0)

    def say(self, service, what, mac, address):
        self.revisions[service] += 1
        revision = self.revisions[service]
        match what:
            case "cancelled":
                event = builders.cancelled(service, revision=revision)
            case "suspended":
                event = builders.suspended(service, "walled_garden", revision=revision)
            case "resumed":
                event = builders.resumed(service, revision=revision)
            case _:
                pool = {"mode": "pool", "pool": "cust"}
                event = builders.snapshot(
                    service,
                    revision=revision,
                    mac=builders.mac(mac),
                    ipv4=builders.ipv4(address),
                    router="R1",
                    server=None,
                )
                if what == "pool":
                    event["data"]["service"]["address"] = pool
        self.accept.run([event], "events")

    def pass_(self):
        self.store.client.delete(self.block.notified)
        self.converge.run("R1")

    def rest(self):
        """What was sent has landed; then the second look is due, and all is looked at."""
        self.router.lost_after = None
        self.pass_()
        self.router.land()
        let_pass(self.store, 2 * LEASE_MS)
        for dead_letter in self.store.views.dead_letters():
            self.store.routers.add_work("R1", [dead_letter.service_id])
        for _ in range(6):
            self.pass_()

    def check(self):
        stored = self.store.records.read(SERVICES)
        entries = [wanted_entries(each.record, POLICIES).get("R1") for each in stored.values()]
        wanted = {each.service_id: each for each in entries if each is not None}
        leases, lists = {}, {}
        for row in self.router.tables.rows():
            service = parse_tag(row.comment).service_id
            if row.menu == LEASES:
                leases.setdefault(service, []).append((row.device, row.address))
            else:
                lists.setdefault(service, []).append(row.place)
        expected = {
            name: [(each.fields["mac-address"], each.fields["address"])]
            for name, each in wanted.items()
            if each.fields is not None
        }
        assert leases == expected
        assert lists == {name: [*each.listed] for name, each in wanted.items() if each.listed}
        assert self.store.client.hgetall(self.block.inflight) == {}
        assert self.store.client.hgetall(self.block.work_items) == {}


said = st.tuples(
    st.just("say"),
    st.sampled_from(SERVICES),
    st.sampled_from(["static", "static", "pool", "suspended", "resumed", "cancelled"]),
    st.integers(0, 2),
    st.integers(0, 2),
)
steps = st.lists(
    st.one_of(
        said,
        said,
        st.tuples(st.just("pass")),
        st.tuples(st.just("lost"), st.integers(0, 2)),
        st.tuples(st.just("land"), st.integers(1, 2)),
        st.tuples(st.just("rest")),
    ),
    max_size=16,
)
FIRST = ("say", "SVC-0", "static", 1, 11)


@settings(max_examples=120, deadline=None)
@given(steps=steps)
@example([FIRST, ("lost", 0), ("say", "SVC-0", "static", 2, 12), ("pass",), ("land", 1)])
@example([("say", "SVC-0", "pool", 1, 1), ("lost", 0), ("say", "SVC-0", "pool", 2, 1), ("pass",)])
@example(
    [
        FIRST,
        ("pass",),
        ("say", "SVC-0", "suspended", 0, 0),
        ("lost", 0),
        ("say", "SVC-0", "resumed", 0, 0),
        ("pass",),
    ]
)
@example(  # both an added row and a change land late
    [
        FIRST,
        ("lost", 0),
        ("pass",),
        ("say", "SVC-0", "static", 2, 12),
        ("lost", 0),
        ("say", "SVC-0", "static", 3, 12),
        ("pass",),
    ]
)
def test_rows_are_as_wanted_after_the_second_look(valkey_server, steps):
    with valkey_server.client() as client:
        here = Here(client)
        for step in steps:
            match step:
                case ("say", service, what, mac, address):
                    # each service has MACs and addresses of its own
                    n = 10 * (1 + SERVICES.index(service))
                    here.say(service, what, n + mac % 10, n + address % 10)
                case ("pass",):
                    here.pass_()
                case ("lost", after):
                    here.router.lost_after = after
                    here.pass_()
                case ("land", most):
                    here.router.land(most)
                case ("rest",):
                    here.rest()
                    here.check()
        here.rest()
        here.check()
