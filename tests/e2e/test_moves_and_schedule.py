"""Services that move while routers are down, and events that wait for their time, on real parts."""

import json
from datetime import UTC, datetime

import pytest

from contracts.identity import event_key
from tests import builders
from tests.installation import SERVER, Installation
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]


def ipv4(number):
    return f"223.203.225.{100 + number}"


def activated(number, router, **given):
    given = {"server": SERVER, "mac": builders.mac(number), "ipv4": ipv4(number)} | given
    return builders.activated(f"SVC-{number}", router=router, **given)


def moved(number, router, revision):
    access = {"router": router, "dhcp_server": SERVER}
    return builders.event("moved", f"SVC-{number}", revision=revision, access=access)


def publish(here, *events):
    here.publisher.publish(events)
    return events


def applied(here, *events):
    eventually(
        lambda: all((o := here.outcome(event)) and o.state == "applied" for event in events),
        f"applied: {[here.outcome(event) for event in events]}",
        within_s=20,
    )


def shown(here, service_id):
    """`services show`: router -> (wanted, sync)."""
    answer = here.leasewire("services", "show", service_id, "--json")
    assert answer.returncode == 0, answer.stderr
    routers = json.loads(answer.stdout)["routers"]
    return {router["router"]: (router["wanted"], router["sync"]) for router in routers}


def test_a_service_moves_on_and_back_while_its_routers_are_down(short_directory):
    with Installation(short_directory, routers=3) as here:
        here.start_workers("events", "routers")
        applied(here, *publish(here, activated(1, "R1"), activated(2, "R1")))
        here.control["R1"].power_off()
        applied(here, *publish(here, moved(1, "R2", 2), moved(2, "R2", 2)))
        assert here.rows("R2").keys() == {"SVC-1", "SVC-2"}
        answer = shown(here, "SVC-1")
        assert answer["R2"] == (True, "in_sync")
        assert answer["R1"][0] is False
        eventually(
            lambda: shown(here, "SVC-1")["R1"] == (False, "circuit_open"),
            "R1 to be cleaned",
            within_s=20,
        )
        assert here.outcome(moved(1, "R2", 2)).detail == "still to clean on R1"

        here.control["R2"].power_off()
        applied(here, *publish(here, moved(1, "R3", 3), moved(2, "R3", 3)))
        eventually(
            lambda: (
                shown(here, "SVC-1")
                == {
                    "R1": (False, "circuit_open"),
                    "R2": (False, "circuit_open"),
                    "R3": (True, "in_sync"),
                }
            ),
            "both are left to clean",
            within_s=20,
        )
        assert here.outcome(moved(1, "R3", 3)).detail == "still to clean on R1, R2"

        back = moved(1, "R1", 4)
        publish(here, back)
        eventually(
            lambda: here.rows("R3").keys() == {"SVC-2"}, "R3 is cleaned at once", within_s=20
        )
        assert here.outcome(back).state == "accepted"
        here.control["R1"].power_on()
        applied(here, back)
        here.control["R2"].power_on()
        here.wait_until_settled()
        rows = {router: set(here.rows(router)) for router in here.control}
        assert rows == {"R1": {"SVC-1"}, "R2": set(), "R3": {"SVC-2"}}
        (row,) = here.rows("R1")["SVC-1"]
        assert (row["mac-address"], row["address"]) == (builders.mac(1), ipv4(1))
        assert shown(here, "SVC-1") == {"R1": (True, "in_sync")}
        assert shown(here, "SVC-2") == {"R3": (True, "in_sync")}
        for router in here.control:
            assert here.leasewire("plan", router).returncode == 0


def test_a_scheduled_event_takes_effect_in_time_though_workers_are_killed(short_directory):
    with Installation(short_directory) as here:
        here.start_workers("events", "routers")
        applied(here, *publish(here, activated(1, "R1")))
        due_ms = here.store.records.now_ms() + 4_000
        moment = datetime.fromtimestamp(due_ms / 1000, UTC).isoformat()
        change = builders.mac_changed("SVC-1", builders.mac(7), effective_at=moment)
        gone = builders.cancelled("SVC-1", revision=9, effective_at=moment)
        back = builders.event("schedule_withdrawn", "SVC-1", revision=None, withdraws=[gone["id"]])
        publish(here, change, gone, back)
        eventually(
            lambda: (o := here.outcome(change)) and o.state == "scheduled",
            "it is scheduled",
            within_s=10,
        )
        calendar = here.store.schedule.events
        key = event_key(change["source"], change["id"])
        eventually(
            lambda: [place.key for place in calendar("all", 0, 10**15)] == [key],
            "it is in the calendar, and what was withdrawn is not",
        )
        for worker in here.workers:
            worker.process.kill()
            worker.process.wait()
        here.workers.clear()
        here.start_workers("events", "routers")
        seen = []

        def has_the_new_mac():
            before_ms = here.store.records.now_ms()
            (row,) = here.rows("R1")["SVC-1"]
            seen.append((row["mac-address"], here.store.records.now_ms(), before_ms))
            return row["mac-address"] == builders.mac(7)

        eventually(has_the_new_mac, "it took effect", within_s=20)
        assert seen[-1][1] >= due_ms
        assert all(mac == builders.mac(1) for mac, _, before in seen if before < due_ms)
        applied(here, change)
        assert here.outcome(gone).reason == "withdrawn"
        assert calendar("all", 0, 10**15) == calendar("other", 0, 10**15) == []
