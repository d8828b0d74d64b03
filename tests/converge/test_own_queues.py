"""Rates as queues of our own, and the moves between them and the rates of leases."""

from time import monotonic

import pytest

from tests import builders
from tests.converge.queues import (
    LEASE,
    LEASES,
    QUEUE,
    QUEUES,
    TAG,
    active,
    drain_until,
    installation,
    ipv4,
    limit_watched,
    own,
    queues,
    report,
    simulated,
    switch,
)
from tests.refusals import refused
from tests.small_installation import SERVER
from worker.admin.diagnosis import Diagnosis
from worker.admin.orphans import remove_orphans
from worker.convergence.concurrency import RouterLock
from worker.convergence.full_read import read_fully
from worker.core.rows.queues import MAY_BE_THERE, OwnQueue

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_a_rate_is_a_queue_that_follows_the_service_and_ends_with_it():
    with installation() as here:
        here.say(active())
        here.drain()
        row = own(here)
        assert (row["target"], row["max-limit"]) == (f"{ipv4(10)}/32", "5000000/20000000")
        assert row["comment"] == TAG
        assert "rate-limit" not in here.rows("R1")[0]
        assert here.record().placements["R1"].queue == OwnQueue(ipv4(10), "5M/20M")
        with limit_watched(here, 10):
            here.say(builders.event("plan_changed", revision=2, plan={"code": "FAST"}))
            here.drain()
            assert own(here)["max-limit"] == "10000000/100000000"
            assert own(here)["burst-limit"] == "20000000/200000000"
            here.say(builders.suspended(mode="throttle"))
            here.drain()
            assert own(here)["max-limit"] == "1000000/1000000"
            here.say(builders.resumed())
            here.drain()
            assert own(here)["max-limit"] == "10000000/100000000"
        moved = {"address": {"mode": "static", "ipv4": ipv4(11)}}
        here.say(builders.event("address_changed", revision=5, **moved))
        here.drain()
        assert own(here)["target"] == f"{ipv4(11)}/32"
        here.say(builders.cancelled(revision=6))
        here.drain()
        assert queues(here) == []
        assert here.rows("R1") == []
        assert here.record().placements == {}


@pytest.mark.parametrize("version", ["6.48.6", "7.11.3", "7.24"])
def test_switching_to_queues_and_back_leaves_no_moment_without_a_limit(version):
    with installation(LEASES, simulator={"version": version}) as here:
        for number in (10, 11, 12):
            here.say(active(f"SVC-{number}", number))
        here.drain()
        for number in (10, 11):  # SVC-12 has no device
            assert here.r["R1"].device(builders.mac(number), server=SERVER)["kind"] == "ack"
        assert len(queues(here)) == 2
        here.r["R1"].reset_counters()
        with limit_watched(here, 10, 11) as seen:
            switch(here, QUEUES)
            here.drain()
            assert sorted(queues(here)) == [f"leasewire:acme:SVC-{n}" for n in (10, 11, 12)]
            assert not any(row.get("rate-limit") for row in here.rows("R1"))
            switch(here, LEASES)
            here.drain()
        assert [name[:4] for name in queues(here)] == ["dhcp", "dhcp"]
        assert {row["rate-limit"] for row in here.rows("R1")} == {"5M/20M"}
        assert all(here.record(f"SVC-{n}").placements["R1"].queue is None for n in (10, 11, 12))
        mac = builders.mac(10)
        assert seen[10] == [
            (f"dhcp-ds<{mac}>", 5_000_000),
            ("leasewire:acme:SVC-10", 5_000_000),
            (f"dhcp-ds<{mac}>", 5_000_000),
        ]
        assert refused(here.r["R1"]) == {}


def test_the_queue_is_read_back_before_the_rate_of_the_lease_goes():
    with installation(LEASES) as here:
        here.say(active())
        here.drain()
        switch(here, QUEUES)
        router = simulated(here)
        execute, commands = router.execute, []

        def noted(command, *arguments, **named):
            commands.append(command)
            return execute(command, *arguments, **named)

        router.execute = noted
        here.drain()
        added, changed = commands.index(f"{QUEUE}/add"), commands.index(f"{LEASE}/set")
        assert f"{QUEUE}/print" in commands[added:changed]
        assert commands.count(f"{QUEUE}/add") == commands.count(f"{LEASE}/set") == 1


def test_leases_alone_cost_no_command_for_queues():
    with installation(LEASES) as here:
        here.say(active())
        here.drain()
        here.say(builders.event("plan_changed", revision=2, plan={"code": "FAST"}))
        here.drain()
        report(here)
        assert not [name for name in here.r["R1"].counters() if name.startswith(QUEUE)]


def test_a_queue_that_was_added_but_not_confirmed_is_found_again_by_its_tag():
    with installation() as here:
        here.r["R1"].set_faults(lose_replies=1, fault_command="/queue/simple/add")
        here.say(active())
        here.converge.run("R1")
        assert queues(here) == [TAG]
        assert here.record().placements["R1"].queue == MAY_BE_THERE
        read_back = OwnQueue(ipv4(10), "5M/20M")
        drain_until(here, lambda: here.record().placements["R1"].queue == read_back, "read back")
        assert queues(here) == [TAG]
        assert here.r["R1"].counters()[f"{QUEUE}/add"] == 1


def test_a_queue_of_a_cancelled_service_that_was_not_confirmed_is_removed():
    with installation() as here:
        here.r["R1"].set_faults(lose_replies=1, fault_command="/queue/simple/add")
        here.say(active())
        here.converge.run("R1")
        here.say(builders.cancelled(revision=2))
        drain_until(here, lambda: not here.record().placements, "nothing is left")
        assert queues(here) == []


def test_a_queue_with_our_tag_is_adopted():
    with installation() as here:
        copied = {"name": "old name", "comment": f"{TAG} by hand", "target": ipv4(99)}
        here.r["R1"].add_row(QUEUE, {**copied, "max-limit": "1M/1M"})
        here.say(active())
        here.drain()
        assert queues(here) == [TAG]
        assert own(here)["comment"] == f"{TAG} by hand"
        assert (own(here)["target"], own(here)["max-limit"]) == (
            f"{ipv4(10)}/32",
            "5000000/20000000",
        )


@pytest.mark.parametrize(
    "change",
    [{"max-limit": "9M/9M"}, {"comment": ""}, {"name": "mine"}, {"target": "192.0.2.1"}, None],
)
def test_what_was_changed_by_hand_is_found_and_put_right(change):
    with installation(QUEUES + 'reconcile = "auto"\n') as here:
        here.say(active())
        here.drain()
        (row,) = here.r["R1"].rows(QUEUE)
        if change is None:
            here.r["R1"].remove_row(QUEUE, row[".id"])
        else:
            here.r["R1"].set_row(QUEUE, row[".id"], change)
        report(here)
        found = here.store.full_reads.last("R1").document["drift"]
        assert {difference["menu"] for difference in found} == {QUEUE}
        here.drain()
        assert {n: v for n, v in own(here).items() if n != ".id"} == {
            n: v for n, v in row.items() if n != ".id"
        }


def test_a_queue_switched_off_by_hand_is_left_alone_and_the_lease_keeps_its_rate():
    with installation() as here:
        here.say(active())
        here.drain()
        here.r["R1"].set_row(QUEUE, own(here)[".id"], {"disabled": "yes"})
        changed = builders.event("plan_changed", revision=2, plan={"code": "FAST"})
        here.say(changed)
        here.drain()
        assert own(here)["disabled"] == "true"
        assert here.outcome(changed).startswith("applied: queue-disabled")


def test_foreign_queues_are_left_alone_and_ours_take_the_place_of_the_policy():
    with installation() as here:
        router = here.r["R1"]
        for name, target in (("site", "223.203.225.0/24"), ("voip", "192.0.2.0/24")):
            router.add_row(QUEUE, {"name": name, "target": target, "max-limit": "900M/900M"})
        foreign = router.rows(QUEUE)
        here.say(active())
        here.drain()
        assert queues(here) == [TAG, "site", "voip"]
        switch(here, QUEUES + 'queue_place = "last"\n')
        here.drain()
        assert queues(here) == ["site", "voip", TAG]
        switch(here, QUEUES + 'queue_place = "before voip"\n')
        here.drain()
        assert queues(here) == ["site", TAG, "voip"]
        moves = router.counters()[f"{QUEUE}/move"]
        switch(here, QUEUES + 'queue_place = "before nobody"\n')
        here.drain()
        assert queues(here) == [TAG, "site", "voip"]
        switch(here, QUEUES + 'queue_place = "before site"\n')  # where it stands already
        here.drain()
        assert router.counters()[f"{QUEUE}/move"] == moves + 1
        assert router.rows(QUEUE)[1:] == foreign
        switch(here, QUEUES + 'queue_parent = "site"\n')
        here.drain()
        assert own(here)["parent"] == "site"


def test_an_outcome_says_which_queue_of_others_takes_the_packets():
    with installation(QUEUES + 'queue_place = "last"\n') as here:
        router = here.r["R1"]
        router.add_row(QUEUE, {"name": "site", "target": "223.203.225.0/24"})
        event = active()
        here.say(event)
        here.drain()
        assert here.outcome(event).startswith("applied: queue-shadowed (queue site")
        other = active("SVC-2", 200, ipv4="198.51.100.9")
        here.say(other)
        here.drain()
        assert "queue" not in here.outcome(other)


def test_a_service_of_a_pool_keeps_its_rate_on_the_lease():
    with installation() as here:
        event = active(pool="pool-vlan-32")
        here.say(event)
        here.drain()
        assert queues(here) == []
        assert here.rows("R1")[0]["rate-limit"] == "5M/20M"


def test_a_missing_parent_makes_a_service_wait_and_it_goes_on_by_itself():
    with installation(QUEUES + 'queue_parent = "site"\n') as here:
        event = active()
        here.say(event)
        here.drain()
        assert here.outcome(event).startswith("waiting: waiting-for-router (input does not match")
        assert here.rows("R1") == []
        here.r["R1"].add_row(QUEUE, {"name": "site", "target": "223.203.225.0/24"})
        here.store.fleet.recheck("R1", ["SVC-1"], "test", "", "tests")
        here.drain()
        assert own(here)["parent"] == "site"
        assert here.outcome(event) == "applied"


def test_a_queue_stays_until_the_router_limits_the_lease():
    """A rate acts at once where none was (MikroTik's manual); here the device has another's."""
    with installation(QUEUES) as here:
        here.say(active())
        here.drain()
        here.r["R1"].device(builders.mac(10), server=SERVER)
        switch(here, LEASES)
        (row,) = here.rows("R1")
        router = simulated(here)
        execute = router.execute

        def without_queues(command, *arguments, **named):
            answer = execute(command, *arguments, **named)
            if command == f"{LEASE}/set":
                table = router.table(QUEUE)
                for queue in [q for q in table.rows.values() if q.dynamic]:
                    table.delete(queue)
            return answer

        router.execute = without_queues
        here.drain()
        assert queues(here) == [TAG]
        waiting = here.store.views.router_waiting("R1")["SVC-1"]
        assert waiting["reason"] == "lease-has-no-queue"
        del router.execute
        here.r["R1"].set_row(LEASE, row[".id"], {"rate-limit": ""})
        here.r["R1"].set_row(LEASE, row[".id"], {"rate-limit": "5M/20M"})
        here.store.fleet.recheck("R1", ["SVC-1"], "test", "", "tests")
        here.drain()
        assert [name[:4] for name in queues(here)] == ["dhcp"]
        assert here.record().placements["R1"].queue is None


def test_a_queue_that_shadows_ours_is_an_alert_and_why_names_it():
    with installation(QUEUES + 'queue_place = "last"\n') as here:
        here.r["R1"].add_row(QUEUE, {"name": "site", "target": "223.203.225.0/24"})
        here.say(active())
        here.drain()
        report(here)
        (alert,) = (a for a in here.store.alerts.all_open() if a.kind == "queue-shadowed")
        assert "queue site (target 223.203.225.0/24)" in alert.text
        (answer,) = Diagnosis(here.store, here.policies, "acme", str).ask("SVC-1")
        assert answer.facts.at[0].shadow == "queue site (target 223.203.225.0/24)"
        switch(here, QUEUES)
        here.drain()
        report(here)
        assert not [a for a in here.store.alerts.all_open() if a.kind == "queue-shadowed"]


def test_queues_of_services_that_do_not_exist_are_orphans():
    with installation(QUEUES) as here:
        here.say(active())
        here.drain()
        tag = "leasewire:acme:SVC-99"
        lost = {"name": tag, "comment": tag, "target": ipv4(99), "max-limit": "1M/1M"}
        here.r["R1"].add_row(QUEUE, lost)
        report(here)
        assert here.store.full_reads.last("R1").document["orphans"] == 1
        session = here.sessions.open("R1")
        lock = RouterLock(here.store.routers, "R1", "by-hand", monotonic)
        assert here.store.routers.acquire("R1", "by-hand", 1) is not None
        found = read_fully(here.store, session, "R1", here.policies["R1"])
        removed = remove_orphans(here.store, session, lock, found.row_owners.orphans, "tests")
        assert [row.service_id for row in removed.gone] == ["SVC-99"]
        assert queues(here) == [TAG]
