"""What an outage does to a router's circuit, who is told, and what a probe is."""

from dataclasses import replace

import pytest

from tests import builders
from tests.converge.test_verdicts import Passes, activated, address, named, refusing
from tests.leasewire.conftest import LEASES
from worker.convergence.concurrency import ConcurrencyLimiter
from worker.core.alerting import alerts
from worker.core.alerting.alerts import KINDS

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def passes(world, caplog):
    return Passes(world, caplog)


@pytest.fixture
def at_once(monkeypatch):
    """Alerts of routers are told as soon as they are begun."""
    for kind in ("router-down", "router-blocked"):
        monkeypatch.setitem(alerts.KINDS, kind, KINDS[kind]._replace(notified_after_s=0))


def state(passes):
    return passes.store.views.state("R1")


def notified(passes):
    """All that was told so far, the oldest first."""
    passes.store.alerts.notify_due()
    return [(change.what, change.alert.kind) for change in reversed(passes.store.alerts.changes())]


def test_a_reboot_is_told_to_nobody(world, passes):
    world.r1.power_off()
    world.say(activated(1))
    passes.run(3)
    assert (state(passes).state, state(passes).attempts) == ("unreachable", 3)
    assert [alert.name for alert in passes.store.alerts.all_open()] == ["router-down|R1"]
    assert notified(passes) == []
    world.r1.power_on()
    (drained,) = named(passes.run(), "router.drained")
    assert (drained["services"], drained["operations"]) == (1, 1)
    assert state(passes).state == "up"
    assert passes.store.client.get(passes.store.keys.router("R1").state) is None
    assert passes.store.alerts.all_open() == []
    assert notified(passes) == []


def test_a_long_outage_is_told_once_and_its_end_with_what_was_drained(world, caplog, at_once):
    passes = Passes(world, caplog, time_box_s=1e-9, batch_services=8)
    world.r1.power_off()
    world.say(*(activated(n) for n in range(1, 26)))
    passes.run(2)
    assert notified(passes) == [("begun", "router-down")]
    assert "waiting services: 25" in passes.store.alerts.all_open()[0].text
    passes.run(2)
    assert notified(passes) == [("begun", "router-down")]
    world.r1.power_on()
    passes.run()  # the probe and no more
    assert 0 < len(passes.rows()) <= 10
    assert (state(passes).state, state(passes).drained) == ("up", len(passes.rows()))
    assert notified(passes) == [("begun", "router-down")]
    passes.run(5)
    assert len(passes.rows()) == 25
    assert notified(passes) == [("begun", "router-down"), ("ended", "router-down")]
    message = passes.store.alerts.changes()[0].text
    assert "25 services checked, 25 writes" in message
    assert passes.store.alerts.all_open() == []


def test_one_service_whose_write_is_lost_opens_nothing(world, passes):
    world.say(*(activated(n) for n in range(1, 21)))
    passes.run()
    world.r1.set_faults(lose_replies=1, fault_command="/remove")
    cancelled = builders.cancelled("SVC-1")
    suspended = [builders.suspended(f"SVC-{n}", "block", revision=2) for n in range(2, 21)]
    world.say(cancelled, *suspended)
    (lost,) = named(passes.run(), "router.write_lost")
    assert lost["next_in_s"] <= 1
    assert state(passes).circuit(busy=False) == "closed"
    assert passes.store.alerts.all_open() == []
    passes.run(2)
    assert {passes.state(event) for event in [cancelled, *suspended]} == {"applied"}
    assert passes.store.client.get(passes.store.keys.router("R1").state) is None


def test_a_router_that_lets_in_and_cannot_be_read_stays_open(world, passes):
    world.say(activated(1))
    world.r1.set_faults(cut_replies=-1, fault_command="lease/print")
    logs = passes.run(4)
    assert (state(passes).state, state(passes).attempts) == ("unreachable", 4)
    assert named(logs, "router.recovered") == []
    world.r1.clear_faults()
    passes.run()
    assert state(passes).state == "up"


def test_a_probe_looks_at_a_few_services(world, passes):
    world.say(activated(41))
    passes.run()  # the first contact looks at all rows
    world.say(*(activated(n) for n in range(1, 41)))
    world.r1.power_off()
    passes.run()
    world.r1.power_on()
    world.r1.set_faults(cut_replies=-1, fault_command="lease/print")
    logs = passes.run()
    assert named(logs, "router.pass_ended")[0]["services"] == 10
    world.r1.clear_faults()
    passes.run()
    assert len(passes.rows()) == 41


def test_a_router_that_refuses_us_is_told_of_until_it_lets_us_in(world, passes, at_once):
    world.say(activated(1))
    world.r1.set_faults(refuse_login=True)
    passes.run(2)
    assert state(passes).circuit(busy=False) == "blocked"
    assert notified(passes) == [("begun", "router-blocked")]
    assert "Check the password" in passes.store.alerts.all_open()[0].text
    world.r1.power_off()
    passes.run()
    assert notified(passes)[1:] == [("ended", "router-blocked"), ("begun", "router-down")]
    world.r1.power_on()
    world.r1.clear_faults()
    passes.run()
    assert notified(passes)[3:] == [("ended", "router-down")]


def test_a_few_refused_while_it_is_probed_are_given_up_all_the_same(world, passes):
    world.r1.power_off()
    world.say(activated(1), activated(2))
    passes.run()
    world.r1.power_on()
    message = "invalid value for argument address"
    world.r1.set_faults(**refusing(message, address(1)))
    passes.run()
    assert sorted(passes.dead_letters()) == ["SVC-1"]
    assert state(passes).state == "up"


def test_a_router_is_closed_again_though_nothing_is_due_there(world, passes):
    world.r1.power_off()
    world.say(activated(1))
    passes.run()
    store = passes.store
    store.client.delete(passes.block.due, passes.block.work_items, passes.block.notified)
    passes.converge.run("R1")
    assert state(passes).attempts == 2
    store.client.delete(passes.block.notified)
    world.r1.power_on()
    passes.converge.run("R1")
    assert state(passes).state == "up"
    assert store.alerts.all_open() == []


def test_without_a_free_slot_a_router_waits_for_the_sweep(world, passes):
    limiter = ConcurrencyLimiter(threads=4)
    passes.converge = replace(passes.converge, limiter=limiter)
    world.say(activated(1))
    with limiter.permit("R2") as other:
        passes.run()
        assert passes.rows() == set()
        other.proven()
        passes.run()
        assert passes.rows() == {"SVC-1"}
    assert world.r1.rows(LEASES)


def test_activations_and_resumes_come_first_when_it_is_back(world, caplog):
    passes = Passes(world, caplog, batch_services=5)
    world.say(*(activated(n) for n in range(1, 41)))
    world.say(*(builders.suspended(f"SVC-{n}", "block", revision=2) for n in range(1, 11)))
    passes.run(8)
    world.r1.power_off()
    world.say(*(builders.cancelled(f"SVC-{n}", revision=3) for n in range(11, 26)))
    world.say(*(builders.suspended(f"SVC-{n}", "block", revision=3) for n in range(26, 41)))
    world.say(*(activated(n) for n in range(41, 56)))
    world.say(*(builders.resumed(f"SVC-{n}", revision=3) for n in range(1, 11)))
    passes.converge.run("R1")
    world.r1.power_on()
    passes.store.client.delete(passes.block.notified)
    seen = max(each["seq"] for each in world.r1.journal())
    passes.converge.run("R1")
    written = [each["after"] or each["before"] for each in world.r1.journal(seen)]
    order = [int(row["comment"].rpartition("-")[2]) for row in written]
    assert set(order[:25]) == {*range(1, 11), *range(41, 56)}
    assert set(order[25:]) == set(range(11, 41))
    assert len(order) == 55
