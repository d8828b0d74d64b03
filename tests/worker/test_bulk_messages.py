"""What a bulk message carries is folded in parts, and whatever is live comes before each."""

from dataclasses import replace

import pytest

from contracts import names
from tests.builders import activated, ipv4, mac, snapshot
from tests.worker.desk import Desk
from worker.intake.accept import BULK_AT_ONCE

pytestmark = pytest.mark.redis

LIVE = 100_000
"""Services from here on are of live events."""


class Interrupted(Desk):
    """A live event is published after each commit of others."""

    def __init__(self, store):
        super().__init__(replace(store, records=Interrupting(store.records, self)))
        self.said = 0

    def interrupt(self):
        self.said += 1
        self.publish(live(self.said))


class Interrupting:
    """Records of which somebody hears after each commit."""

    def __init__(self, records, desk):
        self._records = records
        self._desk = desk

    def commit(self, commits, *given):
        done = self._records.commit(commits, *given)
        if any(int(each.service_id.removeprefix("SVC-")) < LIVE for each in commits):
            self._desk.interrupt()
        return done

    def __getattr__(self, name):
        return getattr(self._records, name)


def live(number):
    return service(LIVE + number, "R2")


def service(number, router="R1"):
    return activated(
        f"SVC-{number}",
        router=router,
        mac=f"00:00:5E:{number >> 16:02X}:{number >> 8 & 255:02X}:{number & 255:02X}",
        ipv4=f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
    )


@pytest.fixture
def carried():
    return [service(number) for number in range(names.MAX_EVENTS_PER_MESSAGE)]


@pytest.mark.parametrize("journaled", [True, False])
def test_a_live_event_waits_for_one_part(store, carried, journaled):
    desk = Interrupted(store)
    if journaled:
        desk.publish(*carried, lane=names.QUEUE_BULK)
    desk.send(*carried, lane=names.QUEUE_BULK)
    assert {desk.state(each) for each in carried} == {"accepted"}
    assert desk.routers[:2] == ["R1", "R2"]
    moment = desk.outcome(live(1)).at_ms
    later = sum(desk.outcome(each).at_ms > moment for each in carried)
    assert later >= names.MAX_EVENTS_PER_MESSAGE - 2 * BULK_AT_ONCE


def test_all_that_a_message_carries_is_folded_whatever_the_journal_holds(store, carried):
    desk = Desk(store)
    others = [service(number, "R2") for number in range(20_000, 20_000 + 3 * BULK_AT_ONCE)]
    desk.publish(*others, lane=names.QUEUE_BULK)
    desk.send(*carried, lane=names.QUEUE_BULK)
    assert {desk.state(each) for each in carried} == {"accepted"}


@pytest.mark.parametrize(("pause_s", "takes"), [(0.0, 5), (0.1, 0)])
def test_an_import_goes_on_while_live_events_never_pause(store, pause_s, takes):
    """A worker that always finds a live message gets none of the bulk lane from Celery."""
    now_s = 1_000.0

    def clock():
        nonlocal now_s
        now_s += 0.02  # so long is a task
        return now_s

    desk = Desk(store)
    desk.accept = replace(desk.accept, clock=clock)
    rows = [activated(f"BULK-{n}", mac=mac(n), ipv4=ipv4(n)) for n in range(60)]
    desk.publish(*rows, lane="bulk")
    number, end_s = 0, now_s + 5.5
    while now_s < end_s:
        number += 1
        desk.send(snapshot("SVC-1", revision=number, mac=mac(200), ipv4=ipv4(200)))
        now_s += pause_s
    assert store.journal.depth("bulk") == 60 - takes * BULK_AT_ONCE
