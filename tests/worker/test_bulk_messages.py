"""What a bulk message carries is folded in parts, and whatever is live comes before each."""

import pytest

from contracts import names
from tests.builders import activated
from tests.worker.desk import Desk
from worker.intake.accept import BULK_AT_ONCE

pytestmark = pytest.mark.redis


class Interrupted(Desk):
    """A live event is published whenever a router is rung for."""

    def __init__(self, store):
        super().__init__(store)
        self.said = []
        self.accept = type(self.accept)(
            store, self.accept.sources, self.accept.policies, self.lanes.append, self._rung
        )

    def _rung(self, router):
        self.said.append(router)
        self.publish(live(len(self.said)))


def live(number):
    return service(10_000 + number, "R2")


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
    first, second = desk.said[:2]
    assert (first, second) == ("R1", "R2")
    moment = desk.outcome(live(1)).at_ms
    later = sum(desk.outcome(each).at_ms > moment for each in carried)
    assert later >= names.MAX_EVENTS_PER_MESSAGE - 2 * BULK_AT_ONCE


def test_all_that_a_message_carries_is_folded_whatever_the_journal_holds(store, carried):
    desk = Desk(store)
    others = [service(number, "R2") for number in range(20_000, 20_000 + 3 * BULK_AT_ONCE)]
    desk.publish(*others, lane=names.QUEUE_BULK)
    desk.send(*carried, lane=names.QUEUE_BULK)
    assert {desk.state(each) for each in carried} == {"accepted"}
