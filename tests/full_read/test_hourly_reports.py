"""Once an hour each router is read fully: drift is told of, and mended only where a policy says."""

import pytest

from tests.builders import activated, ipv4, mac
from tests.leasewire.conftest import LEASES
from worker.store.full_reads import FullReads

pytestmark = [pytest.mark.redis, pytest.mark.router]

HOUR_MS = 3_600_000


def drifted(world):
    world.say(
        *(activated(f"SVC-{n}", server=None, mac=mac(n), ipv4=ipv4(100 + n)) for n in (1, 2, 3))
    )
    world.converge.run("R1")
    row = world.r1.rows(LEASES)[0]
    world.r1.set_row(LEASES, row[".id"], {"address": ipv4(200)})


def make_due(world):
    """An hour goes by, and the sweep looks."""
    store = world.context.store
    look, due, _ = store.keys.reports
    store.full_reads.ask(["R1", "R2"], HOUR_MS)
    store.client.delete(look)
    store.client.zadd(due, {"R1": 1})
    return store.full_reads.ask(["R1", "R2"], HOUR_MS)


def writes(world):
    return [each for each in world.r1.journal() if each["session"] != "operator"]


def test_drift_is_told_once_an_hour_and_nothing_is_written(world, leasewire):
    drifted(world)
    before = writes(world)
    world.converge.run("R1")
    assert world.context.store.full_reads.last("R1") is None
    assert make_due(world) == 1
    world.r1.reset_counters()
    world.converge.run("R1")
    assert writes(world) == before
    assert world.r1.counters()["/ip/dhcp-server/lease/print"] == 1
    (alert,) = world.context.store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("drift", "R1")
    assert "1 services on router R1" in alert.text
    shown = leasewire("drift", "--last")
    assert shown.code == 4
    assert ipv4(200) in shown.out
    (report,) = leasewire("drift", "--last", "--json").document["reports"]
    assert (report["services"], report["rows"], report["differences"]) == (3, 3, 1)
    world.r1.reset_counters()
    world.converge.run("R1")
    assert "/ip/dhcp-server/lease/print" not in world.r1.counters()
    # put right: the alert ends with the next report
    assert leasewire("reconcile", "R1", "--apply").code == 0
    world.converge.run("R1")
    make_due(world)
    world.converge.run("R1")
    assert world.context.store.alerts.all_open() == []


def test_router_with_reconcile_auto_is_put_right(edited, world):
    drifted(world)
    _, converge = edited(("[routers.R1]\n", '[routers.R1]\nreconcile = "auto"\n'))
    world.context.store.fleet.apply_policy("R1", converge.policies["R1"], "ann")
    converge.run("R1")
    row = world.r1.rows(LEASES)[0]
    world.r1.set_row(LEASES, row[".id"], {"address": ipv4(200)})
    make_due(world)
    converge.run("R1")
    converge.run("R1")  # it rang for what the report had marked
    assert ipv4(200) not in {row["address"] for row in world.r1.rows(LEASES)}


def test_what_differs_is_put_right_though_the_worker_died_once_its_report_was_kept(
    edited, world, monkeypatch
):
    """Found by a simulated history: it was put right an hour later."""
    drifted(world)
    _, converge = edited(("[routers.R1]\n", '[routers.R1]\nreconcile = "auto"\n'))
    store = world.context.store
    store.fleet.apply_policy("R1", converge.policies["R1"], "ann")
    converge.run("R1")
    row = world.r1.rows(LEASES)[0]
    world.r1.set_row(LEASES, row[".id"], {"address": ipv4(200)})
    make_due(world)
    save = FullReads.save

    def dies(*args):
        save(*args)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(FullReads, "save", dies)
        with pytest.raises(SystemExit):
            converge.run("R1")
    store.client.delete(store.keys.router("R1").lock)
    converge.run("R1")
    assert ipv4(200) not in {row["address"] for row in world.r1.rows(LEASES)}


def test_reports_are_spread_and_a_parked_router_is_asked_later(store):
    routers = [f"R{n}" for n in range(100)]
    store.full_reads.ask(routers, HOUR_MS)
    _, due, asked = store.keys.reports
    now_ms = store.records.now_ms()
    scores = [score for _, score in store.client.zrange(due, 0, -1, withscores=True)]
    assert len(scores) == 100
    for quarter in range(4):
        start = now_ms + quarter * HOUR_MS / 4
        assert 10 < sum(start <= score < start + HOUR_MS / 4 for score in scores) < 45
    store.client.set(store.keys.router("R1").notified, "circuit_open")
    store.client.zadd(due, {"R1": 1, "R2": 1, "GONE": 1})
    store.client.delete(store.keys.reports.check)
    assert store.full_reads.ask(routers, HOUR_MS) == 1
    assert store.client.smembers(asked) == {"R2"}
    assert store.client.zscore(due, "GONE") is None
    assert store.routers.acquire("R2", "first", 1).report_due
    store.routers.next_batch("R2", "first", 0)
    assert not store.routers.acquire("R2", "second", 1).report_due


def test_a_report_that_is_asked_for_while_a_pass_runs_comes_after_it(store):
    """The pool from which customers wait for an address may hang on it."""
    store.routers.acquire("R1", "first", 1)
    store.pools.distrust(["R1"], store.records.now_ms())
    store.routers.renew("R1", "first")
    store.routers.next_batch("R1", "first", 0)
    assert store.client.zscore(store.keys.routers_due, "R1") <= store.records.now_ms()
    assert store.routers.acquire("R1", "second", 1).report_due
    store.routers.next_batch("R1", "second", 0)
    assert store.client.zscore(store.keys.routers_due, "R1") is None


def test_a_report_that_a_router_could_not_give_comes_with_the_next_pass(world):
    store = world.context.store
    make_due(world)
    world.r1.power_off()
    world.converge.run("R1")
    assert store.views.state("R1").state == "unreachable"
    world.r1.power_on()
    store.client.delete(store.keys.router("R1").notified)  # its wait is over
    world.converge.run("R1")
    assert store.full_reads.last("R1") is not None
