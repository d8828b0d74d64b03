"""What a bulk message carries is folded in parts, and whatever is live comes before each."""

from dataclasses import replace

import pytest

from contracts import names
from tests.builders import activated
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
