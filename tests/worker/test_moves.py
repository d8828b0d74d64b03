"""A service moves between routers: what each of them says, and what is left to clean where."""

import pytest

from tests.builders import activated, cancelled, event
from tests.worker.desk import POLICIES
from tests.worker.paper_desk import NOON, PaperDesk
from worker.convergence.batch_item import BatchItem
from worker.convergence.conclude import failed, waiting
from worker.convergence.concurrency import TimeLimits
from worker.convergence.confirm import confirmed
from worker.core.entry.entry import Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.rows.operations import Waiting
from worker.store.batches import WorkItem
from worker.store.records import Stored


def moved(router, revision):
    return event("moved", revision=revision, access={"router": router})


class Paper(PaperDesk):
    """With routers that answer when a test says so."""

    def look(self, router):
        entry = wanted_entries(self.record, POLICIES).get(router, Entry("SVC-1", None))
        work_item = WorkItem("SVC-1", "work_version", 0, self.stored)
        return BatchItem(work_item, router, entry)

    def confirm(self, router):
        end = confirmed(self.look(router), NOON)
        if end.record is not None:
            self.stored = Stored(self.stored.generation + 1, end.record)
        self.outcomes |= {each.key: each for each in end.outcomes}
        return end


@pytest.fixture
def desk():
    desk = Paper()
    desk.send(activated(revision=1))
    desk.confirm("R1")
    return desk


def test_a_move_is_applied_by_the_new_router_and_says_what_is_left(desk):
    move = moved("R2", 2)
    desk.send(move)
    assert desk.commits[-1].work_items == {"R1": 1, "R2": 0}
    assert not desk.confirm("R2").gone
    assert desk.state(move) == "applied"
    assert desk.detail(move) == "still to clean on R1"
    assert desk.record.placements.keys() == {"R1", "R2"}
    end = desk.confirm("R1")
    assert (end.gone, end.outcomes) == (True, [])
    assert desk.record.placements.keys() == {"R2"}


def test_a_router_that_is_only_to_be_cleaned_says_nothing_of_the_move(desk):
    move = moved("R2", 2)
    desk.send(move)
    refused = failed(desk.look("R1"), "operation-refused", "no", NOON)
    assert refused.outcomes == []
    (dead_letter,) = refused.dead_letters
    assert dead_letter.event_keys == ()
    postpone = waiting(desk.look("R1"), Waiting("row-in-the-way", "row *1"), NOON, TimeLimits())
    assert postpone.outcomes == []
    assert desk.state(move) == "accepted"
    assert [o.state for o in failed(desk.look("R2"), "r", "no", NOON).outcomes] == ["failed"]


def test_moved_on_and_back_leaves_the_entry_where_it_began(desk):
    for revision, router in ((2, "R2"), (3, "R9"), (4, "R1")):
        desk.send(moved(router, revision))
    assert desk.record.placements.keys() == {"R1", "R2", "R9"}
    entries = wanted_entries(desk.record, POLICIES)
    assert {name: entry.fields is None for name, entry in entries.items()} == {
        "R1": False,
        "R2": True,
        "R9": True,
    }
    assert desk.commits[-1].work_items == {"R1": 0, "R2": 1, "R9": 1}
    desk.confirm("R1")
    assert desk.detail(moved("R1", 4)) == "still to clean on R2, R9"
    assert {desk.state(moved(r, n)) for n, r in ((2, "R2"), (3, "R9"))} == {"superseded"}


def test_a_cancellation_is_applied_when_the_last_router_is_clean(desk):
    end = cancelled(revision=3)
    desk.send(moved("R2", 2), end)
    desk.confirm("R2")
    assert desk.state(end) == "accepted"
    desk.confirm("R1")
    assert desk.state(end) == "applied"
    assert desk.record.placements == {}
