"""Routers that do not answer writes: slow ones, and what one service's write does to them."""

from contextlib import nullcontext

import pytest

from tests import builders
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from worker.core.policy.circuit import TAKES_NO_WRITES
from worker.core.rows.operations import Add
from worker.errors import OutcomeUnknown
from worker.store.router_memory import known_of

pytestmark = [pytest.mark.redis, pytest.mark.router]

QUICK = {
    "COMMAND_TIMEOUT_S": "0.5",
    "ROUTER_LOCK_S": "4",
    "READ_TIMEOUT_S": "10",
    "FIRST_REPLY_TIMEOUT_S": "5",
}


class Passes:
    """Passes of R1, one after the other though it is parked."""

    def __init__(self, here):
        self.here = here
        self.states = []

    def run(self, times=1):
        """Each finds all marks due; returns the state after the last."""
        for _ in range(times):
            block = self.here.block("R1")
            self.here.store.routers.add_work("R1", self.here.client.hkeys(block.work_items))
            self.here.client.delete(block.notified)
            self.here.converge.run("R1")
            self.states.append(self.here.store.views.state("R1"))
        return self.states[-1]

    def until(self, events, most=12):
        for _ in range(most):
            self.run()
            if all((self.here.outcome(each) or "").startswith("applied") for each in events):
                return

    def dead_letters(self):
        return [(each.service_id, each.reason) for each in self.here.store.views.dead_letters()]

    def slow(self):
        return known_of(self.here.client.hgetall(self.here.store.keys.router("R1").memory)).slow


@pytest.fixture
def passes():
    with SmallInstallation(1, settings=QUICK, lock_ms=4000) as here:
        yield Passes(here)


@pytest.mark.parametrize("services", [3, 8])
def test_a_router_slower_than_the_deadline_takes_all_writes_in_the_end(passes, services):
    here = passes.here
    events = [activated(f"SVC-{n}", n) for n in range(1, services + 1)]
    here.say(*events)
    here.r["R1"].set_faults(service_ms=800)
    passes.until(events)
    assert {here.outcome(each).partition(":")[0] for each in events} == {"applied"}
    assert len(here.rows("R1")) == services
    assert passes.dead_letters() == []
    away = [each for each in passes.states if each.open]
    assert {each.cause for each in away} == {TAKES_NO_WRITES}
    assert "takes no writes" in away[0].message
    assert passes.states[-1].state == "up"
    assert here.store.alerts.all_open() == []
    assert 1 <= passes.slow() <= 2  # a write that was given up may keep it busy at the first
    here.say(later := builders.mac_changed("SVC-1", builders.mac(99), revision=2))
    passes.run()  # it is not found out anew
    assert here.outcome(later).startswith("applied")
    assert passes.states[-1].state == "up"


def test_a_router_that_answers_no_write_is_told_of_and_nobody_is_given_up(passes):
    here = passes.here
    events = [activated(f"SVC-{n}", n) for n in range(1, 4)]
    here.say(*events)
    here.r["R1"].set_faults(lose_replies=-1, fault_command="/add")
    for _ in range(10):
        passes.run()
        for row in here.rows("R1"):
            here.r["R1"].remove_row(LEASES, row[".id"])
    assert passes.dead_letters() == []
    assert passes.states[-1].cause == TAKES_NO_WRITES
    (alert,) = here.store.alerts.all_open()
    assert alert.name == "router-down|R1"
    assert "takes no writes" in alert.text
    assert {here.outcome(each) for each in events} == {"accepted"}
    here.r["R1"].clear_faults()
    passes.until(events)
    assert {here.outcome(each).partition(":")[0] for each in events} == {"applied"}
    assert passes.run().state == "up"


def test_who_ends_each_connection_is_given_up_when_another_gets_through(passes):
    """Alone it could be the router; so it is asked with another service's write first."""
    here = passes.here
    here.say(activated("SVC-2", 2))
    here.drain()
    here.say(poison := activated("SVC-1", 1))
    here.r["R1"].set_faults(lose_replies=-1, fault_command="/add")

    def run():
        passes.run()
        for row in here.rows("R1"):
            if row["comment"].endswith("SVC-1"):
                here.r["R1"].remove_row(LEASES, row[".id"])

    for _ in range(5):
        run()
    assert passes.dead_letters() == []
    assert passes.states[-1].cause == TAKES_NO_WRITES
    here.say(healthy := builders.suspended("SVC-2", "block", revision=2))
    run()
    assert here.outcome(healthy).startswith("applied")
    assert here.outcome(poison).startswith("failed: connection-lost")
    assert passes.dead_letters() == [("SVC-1", "connection-lost")]
    assert passes.run().state == "up"


def test_a_write_has_half_of_the_lease_at_the_most(passes):
    """Else the router could be another worker's before it ends."""
    here = passes.here
    for service_ms, way_out in ((1500, nullcontext()), (3000, pytest.raises(OutcomeUnknown))):
        here.r["R1"].set_faults(service_ms=service_ms)
        session = here.sessions.open("R1")
        session.wait_longer(10)
        row = {"mac-address": builders.mac(7), "address": builders.ipv4(7), "server": SERVER}
        with way_out:
            session.write([Add(1, "SVC-1", row)], lambda: None)
        session.close()
