"""What the brake holds, as pages count it in steps."""

from types import SimpleNamespace

import pytest

from tests.brake.floor import Floor
from worker.admin import summaries
from worker.admin.approvals import approvals, approve
from worker.admin.held_lists import HeldLists
from worker.core.entry.brake import BrakeLimits

pytestmark = pytest.mark.redis
IDS = [f"S{i:03}" for i in range(130)]


@pytest.fixture
def floor(store):
    floor = Floor(
        store, routers=("R1", "R2"), limits=BrakeLimits(router_percent=0, source_services=1000)
    )
    floor.activate(IDS[:100], "R1")
    floor.activate(IDS[100:], "R2", at=200)
    floor.cancel(*IDS[:60])
    floor.suspend(*IDS[60:90])
    floor.cancel(*IDS[100:])
    return floor


@pytest.fixture
def lists(floor, monkeypatch):
    monkeypatch.setattr(summaries, "_REST", 0)  # what is listed is as it is now
    inventory = SimpleNamespace(policies=floor.policies)
    return HeldLists(floor.store, lambda: inventory)


def counted(lists):
    """The lists once all is counted."""
    while True:
        found = lists.all()
        if all(held.counted == len(held.approval.work_items) for held in found):
            return found


def test_lists_are_those_that_are_read_in_full(floor, lists):
    found, whole = counted(lists), approvals(floor.store, floor.policies)
    assert len(whole) > 1
    assert [held.approval.scope for held in found] == [approval.scope for approval in whole]
    assert [held.approval.digest for held in found] == [approval.digest for approval in whole]
    assert [dict(held.kinds) for held in found] == [approval.kinds for approval in whole]


def test_what_changed_since_a_list_was_shown(floor, lists):
    shown = counted(lists)[0].approval
    assert lists.find(shown.id).approval == shown
    lists.remember(shown)
    gone, changed = shown.work_items[0].service_id, shown.work_items[1].service_id
    floor.suspend(changed)
    floor.store.client.hdel(floor.store.keys.braked, shown.work_items[0].field)
    now = next(held for held in counted(lists) if held.approval.id == shown.id)
    assert now.approval.digest != shown.digest
    change = lists.change_since(now.approval, shown.digest)
    assert [item.service_id for item in change.gone] == [gone]
    assert [item.service_id for item in change.changed] == [changed]
    assert change.added == []
    assert lists.change_since(now.approval, "0" * 12) is None

    late = approve(floor.store, floor.policies, shown.id, shown.digest, "anna")
    assert late.result == "changed"
    assert len(floor.held()) == sum(len(held.approval.work_items) for held in counted(lists))
