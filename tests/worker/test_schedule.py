"""Events that are to take effect later: what becomes of them, in every order."""

import pytest

from tests import builders
from tests.builders import (
    activated,
    cancelled,
    event,
    mac,
    mac_changed,
    resumed,
    snapshot,
    suspended,
)
from tests.worker.desk import OPERATOR, OTHER, key_of
from tests.worker.paper_desk import NOON, PaperDesk, at
from worker.core.service.record_format import record_from_json, record_to_json
from worker.core.service.schedule import ENDED_MS, MAX_ENDED, MAX_PENDING
from worker.core.storage_format import FIRST_STORE_FORMAT
from worker.inventory.config import SourceConfig
from worker.store.records import Stored

HOUR, DAY = 3_600_000, 86_400_000


def plan(code, revision, **given):
    return event("plan_changed", revision=revision, plan={"code": code}, **given)


def withdrawal(*events, **given):
    ids = [each["id"] for each in events]
    return event("schedule_withdrawn", revision=None, withdraws=ids, **given)


@pytest.fixture
def desk():
    desk = PaperDesk()
    desk.send(activated(revision=1))
    return desk


def test_an_event_waits_for_its_time_and_says_so(desk):
    later = plan("HOME-100", 2, effective_at=at(HOUR))
    desk.send(later)
    assert desk.state(later) == "scheduled"
    assert desk.detail(later) == "takes effect at 2026-11-24T13:00:00Z"
    assert desk.outcomes[key_of(later)].effective_at_ms == NOON + HOUR
    assert desk.values["plan"] is None
    assert desk.pending == [later["id"]]
    assert desk.commits[-1].due_ms == NOON + HOUR
    assert desk.commits[-1].work_items == {"R1": 0}  # of the activation, which is outstanding still


def test_it_is_never_early_and_released_when_its_time_has_come(desk):
    later = plan("HOME-100", 2, effective_at=at(HOUR))
    desk.send(later)
    desk.release(NOON + HOUR - 1)
    assert desk.pending == [later["id"]]
    assert desk.commits[-1].record is None
    assert desk.commits[-1].due_ms == NOON + HOUR
    desk.release(NOON + HOUR)
    assert desk.values["plan"] == {"code": "HOME-100"}
    assert desk.pending == []
    assert desk.state(later) == "accepted"
    assert desk.commits[-1].due_ms == 0
    assert desk.ended() == {later["id"]: ("released", "")}
    assert desk.history()[-2:] == ["scheduled", "released"]


def test_a_fraction_of_a_millisecond_is_not_early(desk):
    later = plan("HOME-100", 2, effective_at="2026-11-24T13:00:00.000001Z")
    desk.send(later)
    desk.release(NOON + HOUR)
    assert desk.pending == [later["id"]]
    desk.release(NOON + HOUR + 1)
    assert desk.pending == []


def test_what_has_passed_when_it_is_accepted_is_an_ordinary_event(desk):
    late = plan("HOME-100", 2, effective_at=at(0))
    desk.send(late)
    assert desk.state(late) == "accepted"
    assert desk.values["plan"] == {"code": "HOME-100"}
    assert desk.record.registers["plan"].version.revision == 2


def test_what_is_released_beats_all_that_was_said_and_loses_to_the_next_word(desk):
    later = plan("HOME-100", 2, effective_at=at(HOUR))
    desk.send(later, snapshot(revision=7, plan={"code": "HOME-20"}))
    assert desk.values["plan"] == {"code": "HOME-20"}
    desk.release(NOON + HOUR)
    assert desk.values["plan"] == {"code": "HOME-100"}
    version = desk.record.registers["plan"].version
    assert (version.revision, version.local) == (7, (NOON + HOUR) * 1_000_000 + 1)
    desk.send(snapshot(revision=8, plan={"code": "HOME-20"}))
    assert desk.values["plan"] == {"code": "HOME-20"}


def test_what_changes_nothing_when_it_is_released_is_applied_at_once():
    desk = PaperDesk()
    desk.send(cancelled(revision=1))
    later = cancelled(revision=2, effective_at=at(HOUR))
    desk.send(later)
    desk.release(NOON + HOUR)
    assert desk.state(later) == "applied: already-current"


SUPERSEDING = [
    (plan("P", 2, effective_at=at(HOUR)), plan("Q", 3), True),
    (plan("P", 3, effective_at=at(HOUR)), plan("Q", 2), False),
    (plan("P", 2, effective_at=at(HOUR)), snapshot(revision=3, plan={"code": "Q"}), False),
    (plan("P", 2, effective_at=at(HOUR)), mac_changed(revision=3), False),
    (
        plan("P", 2, effective_at=at(HOUR)),
        mac_changed(revision=3, service=builders.service_block(plan={"code": "Q"})),
        False,  # the block says how the service is, not that its plan is to stay
    ),
    (
        plan("P", 2, effective_at=at(HOUR), customer_id="C-1"),
        mac_changed(revision=3, customer_id="C-1"),
        False,
    ),
    (plan("P", 2, effective_at=at(HOUR)), cancelled(revision=3), True),
    (plan("P", 3, effective_at=at(HOUR)), cancelled(revision=2), False),
    (plan("P", 2, effective_at=at(HOUR)), activated(revision=3), True),
    (suspended(revision=2, effective_at=at(HOUR)), resumed(revision=3), True),
    (cancelled(revision=2, effective_at=at(HOUR)), resumed(revision=3), False),
    (cancelled(revision=2, effective_at=at(HOUR)), activated(revision=3), True),
    (
        event("moved", revision=2, access={"router": "R2"}, effective_at=at(HOUR)),
        event("moved", revision=3, access={"router": "R1"}),
        True,
    ),
    (
        event("device_swapped", revision=2, device={"mac": mac(5)}, effective_at=at(HOUR)),
        mac_changed(revision=3),
        True,
    ),
    # What is scheduled itself supersedes nothing: withdraw the first one and send again.
    (plan("P", 2, effective_at=at(HOUR)), plan("Q", 3, effective_at=at(DAY)), False),
]


@pytest.mark.parametrize(("later", "newer", "ends"), SUPERSEDING)
def test_only_a_newer_event_about_the_same_supersedes_in_either_order(desk, later, newer, ends):
    desk.send(later)
    desk.send(newer)
    other = PaperDesk()
    other.send(activated(revision=1), newer, later)
    for each in (desk, other):
        assert (later["id"] not in each.pending) == ends
        assert each.state(later) == ("superseded" if ends else "scheduled")
        if ends:
            assert each.detail(later) == f"by {newer['id']}"
            assert each.ended()[later["id"]] == ("superseded", newer["id"])
    assert desk.record.registers == other.record.registers


def test_what_superseded_it_is_known_behind_a_snapshot_too():
    desk = PaperDesk()
    later = plan("P", 2, effective_at=at(HOUR))
    desk.send(activated(revision=1), plan("Q", 3), snapshot(revision=4, plan={"code": "R"}), later)
    assert desk.state(later) == "superseded"
    assert desk.detail(later) == "by a newer event about the same"
    assert desk.pending == []


def test_a_scheduled_cancellation_ends_what_is_older_when_it_takes_effect(desk):
    older = plan("P", 2, effective_at=at(2 * HOUR))
    sooner = plan("Q", 3, effective_at=at(HOUR // 2))
    end = cancelled(revision=4, effective_at=at(HOUR))
    back = activated(revision=5, effective_at=at(DAY))
    desk.send(older, sooner, end, back)
    desk.release(NOON + HOUR // 2)
    assert desk.values["plan"] == {"code": "Q"}
    assert desk.pending == [end["id"], older["id"], back["id"]]
    desk.release(NOON + HOUR)
    assert desk.record.status == "cancelled"
    assert desk.pending == [back["id"]]
    assert desk.detail(older) == f"by {end['id']}"
    late = mac_changed(revision=3, effective_at=at(2 * HOUR))
    desk.send(late)  # older than the cancellation, which has taken effect
    assert desk.state(late) == "superseded"
    desk.release(NOON + DAY)
    assert desk.record.status == "active"


def test_events_of_one_time_take_effect_in_the_order_of_their_versions(desk):
    first, second = (plan(c, r, effective_at=at(HOUR)) for c, r in (("P", 2), ("Q", 3)))
    desk.send(second, first)
    desk.release(NOON + 2 * HOUR)
    assert desk.values["plan"] == {"code": "Q"}
    assert desk.state(first) == "superseded"
    assert desk.state(second) == "accepted"


def test_what_an_event_only_mentions_is_as_old_as_the_event(desk):
    block = builders.service_block(mac=mac(7), label="then")
    desk.send(plan("P", 2, effective_at=at(HOUR), service=block), mac_changed(revision=3))
    desk.release(NOON + HOUR)
    assert desk.values["plan"] == {"code": "P"}
    assert desk.values["label"] == "then"
    assert desk.values["mac"] == mac(2)  # a newer one than the block's


@pytest.mark.parametrize("first", [True, False])
def test_a_withdrawal_works_before_and_after_and_twice(desk, first):
    later = plan("P", 2, effective_at=at(HOUR))
    back = withdrawal(later)
    desk.send(*((back, later) if first else (later, back)))
    desk.send(back)
    desk.send(later)
    assert desk.pending == []
    assert desk.state(later) == "superseded: withdrawn"
    assert desk.detail(later) == f"by {back['id']}"
    assert desk.state(back) == "applied"
    assert desk.ended() == {later["id"]: ("withdrawn", back["id"])}
    desk.release(NOON + DAY)
    assert desk.values["plan"] is None


def test_a_withdrawal_says_what_it_found(desk):
    a, b, c, d = (plan(code, n, effective_at=at(n * HOUR)) for n, code in enumerate("ABCD", 2))
    desk.send(a, b, c)
    desk.release(NOON + 2 * HOUR)
    desk.send(mac_changed(revision=9))
    back = withdrawal(a, b, d)
    desk.send(back)
    said = f"withdrawn: {b['id']}; not come yet: {d['id']}; left as it was: {a['id']} (released)"
    assert desk.detail(back) == said
    assert desk.pending == [c["id"]]


def test_a_withdrawn_event_that_comes_after_its_time_does_nothing(desk):
    later = plan("P", 2, effective_at=at(HOUR))
    desk.send(withdrawal(later))
    desk.now_ms = NOON + DAY
    desk.send(later)
    assert desk.state(later) == "superseded: withdrawn"
    assert desk.values["plan"] is None


def test_only_what_is_scheduled_is_withdrawn(desk):
    now = plan("P", 2)
    desk.send(withdrawal(now), now)
    assert desk.values["plan"] == {"code": "P"}


def test_what_ended_and_comes_again_does_nothing_even_when_its_id_is_forgotten(desk):
    released = plan("P", 2, effective_at=at(HOUR))
    superseded = mac_changed(revision=3, mac=mac(8), effective_at=at(DAY))
    withdrawn = suspended(revision=4, effective_at=at(DAY))
    desk.send(released, superseded, withdrawn, mac_changed(revision=5))
    desk.send(withdrawal(withdrawn))
    desk.release(NOON + HOUR)
    before = desk.record
    desk.forget_seen()
    desk.send(released, superseded, withdrawn)
    assert desk.record == before
    desk.now_ms = NOON + 2 * DAY
    desk.send(released, superseded, withdrawn)
    assert desk.record == before


def test_an_operator_may_withdraw_and_another_source_may_not(desk):
    later = plan("P", 2, effective_at=at(HOUR))
    desk.send(later)
    unknown_source = withdrawal(later, source=OTHER)
    desk.send(unknown_source)
    assert desk.state(unknown_source) == "rejected: not-owner"
    assert desk.pending == [later["id"]]
    operator = withdrawal(later, source=OPERATOR)
    desk.send(operator)
    assert desk.pending == []


def test_a_service_keeps_a_bounded_number_of_scheduled_events(desk):
    many = [plan(f"P{n}", n, effective_at=at(n * HOUR)) for n in range(2, MAX_PENDING + 3)]
    desk.send(*many)
    assert len(desk.pending) == MAX_PENDING
    assert desk.state(many[-1]) == "rejected: too-many-scheduled"


def test_what_ended_is_forgotten_by_number_and_by_age(desk):
    for n in range(3):
        ids = [f"e-{n}-{m}" for m in range(50)]
        desk.send(
            event("schedule_withdrawn", revision=None, withdraws=ids, reason={"code": str(n)})
        )
    ended = desk.ended()
    assert len(ended) == MAX_ENDED
    assert "e-0-49" not in ended
    assert {"e-1-0", "e-2-49"} <= ended.keys()
    desk.now_ms = NOON + ENDED_MS
    desk.send(event("schedule_withdrawn", revision=None, withdraws=["last"]))
    assert desk.ended().keys() == {"last"}


def test_the_record_of_a_scheduled_service_comes_back_from_text(desk):
    desk.send(plan("P", 2, effective_at=at(HOUR)), mac_changed(revision=3, effective_at=at(DAY)))
    desk.send(event("schedule_withdrawn", revision=None, withdraws=["x"]))
    desk.send(mac_changed(revision=4))
    text = record_to_json(desk.record, FIRST_STORE_FORMAT)
    read = record_from_json(text, "SVC-1")
    assert read == desk.record
    assert record_to_json(read, FIRST_STORE_FORMAT) == text


def further(number=2):
    address = {"mode": "static", "ipv4": "198.51.100.20"}
    return {"number": number, "mac": mac(5), "address": address}


@pytest.mark.parametrize("first", ["block", "device"])
@pytest.mark.parametrize("unmanaged", [frozenset(), frozenset({"label"}), frozenset({"devices"})])
def test_a_scheduled_block_without_devices_ends_them_whichever_came_first(first, unmanaged):
    source = SourceConfig(builders.SOURCE, "revisions", unmanaged)
    desk = PaperDesk(sources={builders.SOURCE: source})
    desk.send(activated(revision=1))
    block = snapshot(revision=3, effective_at=at(HOUR))
    device = event("device_added", revision=2, device=further())
    desk.send(*([block, device] if first == "block" else [device, block]))
    desk.stored = Stored(
        1, record_from_json(record_to_json(desk.record, FIRST_STORE_FORMAT), "SVC-1")
    )
    desk.release(NOON + HOUR)
    assert list(desk.record.devices) == (["2"] if "devices" in unmanaged else [])


def test_a_scheduled_block_without_devices_is_read_by_a_version_that_knows_none(desk):
    desk.send(snapshot(revision=2, effective_at=at(HOUR)))
    text = record_to_json(desk.record, FIRST_STORE_FORMAT)
    assert '"devices"' not in text
    assert '"format":6' not in text
