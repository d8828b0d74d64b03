"""What each safeguard is for: a moment that the real build survives, and the one without it not."""

import math
import os
import signal
import sys

import pytest

from tests import builders
from tests.faults.chaos.conflicts import Conflicting
from tests.installation import LEASES, SERVER
from tests.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.redis,
    pytest.mark.router,
    pytest.mark.timeout(120),
]

PRINT, SET = f"{LEASES}/print".encode(), f"{LEASES}/set".encode()
TIMES = {
    "LEASEWIRE_ROUTER_LOCK_S": "2",
    "LEASEWIRE_COMMAND_TIMEOUT_S": "1",
    "LEASEWIRE_BACKOFF_CAP_S": "0.2",
}


def installation(directory, build):
    module = ["tests.faults.broken", build] if build else ["worker.runtime.process"]
    here = Conflicting(
        directory,
        transport="api",
        user_timeout_s=math.inf,
        worker_command=[sys.executable, "-m", *module],
    )
    here.environ_more = TIMES
    return here


def address(number):
    return f"100.64.0.{number}"


def activated(number=1, **given):
    given = {"server": SERVER, "mac": builders.mac(number), "ipv4": address(number)} | given
    return builders.activated(f"SVC-{number}", **given)


def is_applied(here, event):
    said = here.outcome(event)
    return said is not None and said.state == "applied"


def publish(here, *events, wait=True):
    here.publisher.publish(events)
    for event in events if wait else ():
        eventually(lambda e=event: is_applied(here, e), f"applied: {event['type']}", within_s=20)
    return list(events)


def woken_while_it_is_told_to_wait(here):
    """What it waits for is let go of during the look that finds it taken."""
    said, link = publish(here, activated()), here.links["R1"]
    here.wait_until_settled()
    link.catch(PRINT, "late")
    said += publish(here, activated(2, ipv4=address(1)), wait=False)
    eventually(link.caught.is_set, "it found its address taken, and reads", within_s=20)
    said += publish(here, builders.cancelled("SVC-1"), wait=False)
    eventually(lambda: here.outcome(said[-1]), "it is let go of", within_s=20)
    link.release()
    return said


def two_that_want_the_same_at_once(here):
    """Both are looked at in one pass."""
    here.control["R1"].power_off()
    said = publish(here, activated(1), activated(2, ipv4=address(1)), wait=False)
    eventually(lambda: here.store.views.router("R1").queued == 2, "both are marked", within_s=20)
    here.control["R1"].power_on()
    return said


def an_old_connection_delivers_at_last(here):
    """A write stalls, is given up and done anew; another follows; then the link is back."""
    said, link = publish(here, activated()), here.links["R1"]
    link.catch(SET, "stall")
    said += publish(here, builders.mac_changed(mac=builders.mac(2)))
    assert link.caught.is_set()
    said += publish(here, builders.mac_changed(mac=builders.mac(3), revision=3))
    here.wait_until_settled()
    link.release()
    eventually(lambda: link.lost_by_reset + link.delivered_late, "the link is back", within_s=20)
    eventually(
        lambda: link.lost_by_reset or here.rows("R1")["SVC-1"][0]["mac-address"] != said[-1],
        "",
        within_s=5,
    )
    return said


def a_write_of_a_killed_worker_lands_late(here):
    """The next one reads before it lands, and finds all as wanted."""
    said, link = publish(here, activated()), here.links["R1"]
    here.wait_until_settled()
    link.catch(SET, "late")
    said += publish(here, builders.mac_changed(mac=builders.mac(2)), wait=False)
    eventually(link.caught.is_set, "the write is under way", within_s=20)
    for worker in here.workers:  # all at once: one that lives gives the write up, and writes anew
        worker.process.kill()
    for worker in here.workers:
        here.kill(worker)
    said += publish(here, builders.mac_changed(mac=builders.mac(1), revision=3))
    link.release()
    eventually(
        lambda: any(
            (e["after"] or {}).get("mac-address") == builders.mac(2) for e in here.writes("R1")
        ),
        "it landed",
        within_s=20,
    )
    return said


MOMENTS = [
    ("confirm-without-the-stamp", woken_while_it_is_told_to_wait),
    ("claims-outside-the-script", two_that_want_the_same_at_once),
    ("plain-close", an_old_connection_delivers_at_last),
    ("no-notes", a_write_of_a_killed_worker_lands_late),
]


def run(directory, build, moment):
    """What does not hold after a moment."""
    conflicting = moment is two_that_want_the_same_at_once
    directory.mkdir(exist_ok=True)
    with installation(directory, build) as here:
        here.start_workers("events", "routers")
        said = moment(here)
        unrest = here.come_to_rest(6 if build else 30, conflicting=conflicting)
        return unrest + (here.conflicts if conflicting else here.differences)(said)


def test_a_worker_that_resumes_after_others_took_over_does_no_harm(short_directory):
    with installation(short_directory, "stops-before-sending") as here:
        here.start_workers("events", "routers", "routers")
        said = publish(here, activated())
        said += publish(here, builders.mac_changed(mac=builders.mac(2)))
        stopped = short_directory / "stopped"
        eventually(stopped.exists, "it stopped before it sent that change", within_s=20)
        said += publish(here, builders.mac_changed(mac=builders.mac(3), revision=3))
        here.wait_until_settled()  # the second look of the next holder too
        os.kill(int(stopped.read_text()), signal.SIGCONT)
        eventually(lambda: len(here.writes("R1")) > 3, "its change landed", within_s=20)
        assert here.come_to_rest(20, conflicting=False) == []
        eventually(lambda: not here.differences(said), "it was seen and put right", within_s=10)


@pytest.mark.parametrize(("build", "moment"), MOMENTS)
def test_the_real_build_survives(short_directory, build, moment):
    assert run(short_directory, None, moment) == []


@pytest.mark.parametrize(("build", "moment"), MOMENTS)
def test_a_build_without_its_safeguard_does_not(short_directory, build, moment):
    """The moment is one of timing: on a busy machine a later read may repair what was lost."""
    assert any(run(short_directory / str(attempt), build, moment) for attempt in range(3))
