"""What an event becomes: its outcome, its counter, what is kept of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from contracts import names
from tests.builders import (
    SOURCE,
    activated,
    cancelled,
    event,
    ipv4,
    mac,
    mac_changed,
    resumed,
    snapshot,
    suspended,
)
from tests.waiting import eventually
from tests.worker.desk import OTHER, TIMES, Desk
from worker.store.records import periods

pytestmark = pytest.mark.redis


def test_an_event_is_accepted_marked_and_rung_for(desk):
    first = activated()
    desk.send(first)
    assert desk.state(first) == "accepted"
    assert desk.outcome(first).service_id == "SVC-1"
    assert desk.record().status == "active"
    assert desk.record().owner == first["source"]
    assert desk.queued() == {"SVC-1": 0}
    assert desk.routers == ["R1"]
    assert desk.counters == {"accepted": 1}


def test_the_same_event_again_only_counts(desk):
    first = activated()
    desk.send(first)
    before = desk.store.records.read(["SVC-1"])
    said = desk.outcome(first)
    desk.send(first, first)
    assert desk.store.records.read(["SVC-1"]) == before
    assert desk.outcome(first) == said
    assert desk.counters == {"accepted": 1, "duplicate": 2}
    view = desk.store.views.service("SVC-1", ["R1"])
    assert (len(view.history), len(view.events)) == (1, 1)


def test_an_id_used_again_for_other_content_is_rejected_and_kept(desk):
    first, second = activated(id_="one"), mac_changed(id_="one")
    desk.send(first)
    desk.send(second)
    assert desk.state(first) == "accepted"
    assert desk.record().value("mac") == mac(1)
    (dead_letter,) = desk.dead_letters.values()
    assert dead_letter.reason == "event-id-reused"
    assert json.loads(dead_letter.body) == second
    assert desk.counters == {"accepted": 1, "rejected": 1}
    notified = [item.outcome for item in desk.store.feed.read([SOURCE], None, 10).items]
    assert [(each.event.id, each.state, each.reason) for each in notified] == [
        ("one", "accepted", ""),
        ("one", "rejected", "event-id-reused"),
    ]


def test_an_id_used_twice_in_one_message_for_two_services_is_rejected_once(desk):
    first, second = activated(id_="one"), activated("SVC-2", mac=mac(2), ipv4=ipv4(2), id_="one")
    desk.send(first, second)
    assert desk.counters == {"accepted": 1, "rejected": 1}
    assert [dead_letter.reason for dead_letter in desk.dead_letters.values()] == ["event-id-reused"]


def test_an_older_event_is_superseded_and_names_the_newer(desk):
    desk.send(activated())
    newer, older = mac_changed(mac=mac(3), revision=3), mac_changed(mac=mac(2), revision=2)
    desk.send(newer)
    desk.send(older)
    assert desk.record().value("mac") == mac(3)
    assert desk.outcome(older).detail == f"by {newer['id']}"
    assert desk.state(older) == "superseded"
    assert desk.counters == {"accepted": 2, "superseded": 1}


def test_what_a_newer_event_overtakes_before_a_router_saw_it_is_superseded(desk):
    first, second = mac_changed(mac=mac(2), revision=2), mac_changed(mac=mac(3), revision=3)
    desk.send(activated())
    desk.send(first)
    desk.send(second)
    assert desk.state(first) == "superseded"
    assert desk.outcome(first).detail == f"by {second['id']}"
    assert desk.state(second) == "accepted"
    assert desk.counters == {"accepted": 3, "superseded": 1}
    shown = [each.event.id for each in desk.store.views.service("SVC-1", []).events]
    assert shown[:2] == [second["id"], first["id"]]
    assert len(shown) == 3


def test_what_is_overtaken_in_the_commit_that_brings_it_is_said_so(desk):
    first, second = mac_changed(mac=mac(2), revision=2), mac_changed(mac=mac(3), revision=3)
    desk.send(activated(), first, second)
    assert (desk.state(first), desk.state(second)) == ("superseded", "accepted")
    assert desk.counters == {"accepted": 3, "superseded": 1}


def test_what_changes_nothing_leaves_only_a_counter(desk, client):
    desk.send(activated())
    desk.converge()
    history = desk.store.views.service("SVC-1", []).history
    snapshots = [snapshot(revision=n) for n in range(2, 102)]
    for start in range(0, 100, 10):
        desk.send(*snapshots[start : start + 10])
    view = desk.store.views.service("SVC-1", ["R1"])
    assert view.history == history
    assert len(view.events) == 1
    assert view.queued == []
    assert desk.counters == {"accepted": 1, "applied": 1, "unchanged": 100}
    assert desk.record().pending == ()
    for each in snapshots:
        assert desk.state(each) == "applied: already-current"
    seen = desk.store.keys.seen(periods(desk.store.records.now_ms())[1])
    assert client.hlen(seen) == 1


def test_what_changed_nothing_and_comes_again_is_a_duplicate(desk):
    """At-least-once: any message may come again after its commit."""
    desk.send(activated())
    desk.converge()
    same = snapshot(revision=2)
    desk.send(same)
    desk.send(same)
    assert desk.state(same) == "applied: already-current"
    assert desk.counters == {"accepted": 1, "applied": 1, "unchanged": 1, "duplicate": 1}
    desk.send(suspended(revision=3))
    desk.send(same)
    assert desk.state(same) == "applied: already-current"
    assert len(desk.store.views.service("SVC-1", []).history) == 3


def test_the_same_under_another_id_is_a_duplicate_and_says_of_what(desk):
    first, again = activated(id_="first"), activated(id_="second")
    desk.send(first)
    desk.send(again)
    assert desk.state(again) == "duplicate"
    assert "event first" in desk.outcome(again).detail
    assert [each.event.id for each in desk.record().pending] == ["first"]


def test_another_source_is_refused_and_may_come_again_later(desk):
    desk.send(activated())
    theirs = mac_changed(source=OTHER, revision=9)
    for _ in range(2):
        desk.send(theirs)
        assert desk.state(theirs) == "rejected: not-owner"
    assert desk.record().value("mac") == mac(1)
    assert [dead_letter.reason for dead_letter in desk.dead_letters.values()] == ["not-owner"]
    assert desk.counters == {"accepted": 1, "rejected": 2}


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (activated(source="urn:nobody"), "rejected: source-not-allowed"),
        (activated(revision=None), "rejected: revision-required"),
        (activated() | {"expirytime": "2020-01-01T00:00:00Z"}, "expired: expired"),
        (activated(effective_at="2100-01-01T00:00:00Z"), "rejected: beyond-horizon"),
        (event("upgraded"), "rejected: unsupported-type"),
        (activated(mac="nonsense"), "rejected: invalid-event"),
        (activated() | {"subject": "service/another"}, "rejected: invalid-event"),
        (activated(source=TIMES, time="2100-01-01T00:00:00Z"), "rejected: time-in-future"),
    ],
)
def test_what_cannot_be_folded_is_refused_with_its_reason(desk, wrong, expected):
    desk.publish(wrong)
    desk.send(wrong)
    assert desk.state(wrong) == expected
    assert desk.outcome(wrong).detail
    state = expected.split(":")[0]
    assert desk.counters == {state: 1}
    assert desk.record().status == "incomplete"
    assert desk.store.journal.depth(names.QUEUE_EVENTS) == 0
    kept = [] if state == "expired" else [wrong]
    assert [json.loads(dead_letter.body) for dead_letter in desk.dead_letters.values()] == kept


def test_an_effective_time_that_has_passed_makes_an_ordinary_event(desk):
    first = activated(effective_at="2020-01-01T00:00:00Z")
    desk.send(first)
    assert desk.state(first) == "accepted"


def test_an_applied_event_that_comes_again_after_it_expired_stays_applied(desk, store):
    end_ms = store.records.now_ms() + 200
    expiry = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=end_ms)
    first = activated() | {"expirytime": expiry.isoformat()}
    desk.send(first)
    desk.converge()
    eventually(lambda: store.records.now_ms() > end_ms, "its expirytime has passed")
    desk.send(first)
    assert desk.state(first) == "applied"
    assert desk.counters == {"accepted": 1, "applied": 1, "duplicate": 1}


def test_an_applied_event_stays_so_when_its_source_is_gone(desk, store):
    first = activated()
    desk.send(first)
    without = Desk(store, sources={})
    without.send(first)
    assert desk.state(first) == "accepted"
    assert desk.dead_letters == {}
    broken = first | {"data": {"service_id": 1}}
    without.send(broken)
    assert desk.state(first) == "accepted"
    assert [json.loads(dead_letter.body) for dead_letter in desk.dead_letters.values()] == [broken]


def test_events_before_the_activation_wait_and_then_go_on(desk):
    change, first = mac_changed(mac=mac(7), revision=2), activated(revision=1)
    desk.send(change)
    assert desk.state(change) == "waiting: incomplete"
    assert desk.queued() == {}
    desk.send(first)
    assert desk.record().value("mac") == mac(7)
    assert desk.queued() == {"SVC-1": 0}
    desk.converge()
    assert (desk.state(change), desk.state(first)) == ("applied", "applied")
    assert desk.counters == {"accepted": 2, "applied": 2}


def test_a_cancellation_that_comes_first_leaves_a_tombstone(desk):
    end, late = cancelled(revision=5), activated(revision=4)
    desk.send(end)
    assert desk.state(end) == "applied: on-no-router"
    assert desk.record().status == "cancelled"
    desk.send(late)
    assert desk.record().status == "cancelled"
    assert desk.queued() == {"SVC-1": 1}, "Redis may have lost that it had a row"
    newer = activated(revision=6)
    desk.send(newer)
    assert desk.record().status == "active"
    assert desk.queued() == {"SVC-1": 0}


def test_a_router_that_no_inventory_names_is_marked_all_the_same(desk):
    first = activated(router="R9")
    desk.send(first)
    assert desk.state(first) == "accepted"
    assert desk.queued("R9") == {"SVC-1": 0}
    assert desk.routers == ["R9"]


def test_removals_come_after_activations_and_bulk_after_both(desk):
    for n in (1, 2, 3, 4):
        desk.send(activated(f"SVC-{n}", mac=mac(n), ipv4=ipv4(n)))
    desk.converge()
    desk.send(cancelled("SVC-1"), suspended("SVC-2", revision=2))
    desk.send(cancelled("SVC-3"), mac_changed("SVC-4", mac(9)), lane=names.QUEUE_BULK)
    assert desk.queued() == {"SVC-1": 1, "SVC-2": 1, "SVC-3": 3, "SVC-4": 2}
    desk.send(resumed("SVC-2"))
    assert desk.queued()["SVC-2"] == 0


def test_events_of_one_revision_that_disagree_are_told_in_the_history(desk):
    desk.send(activated())
    one, two = mac_changed(mac=mac(2)), mac_changed(mac=mac(3))
    desk.send(one)
    with structlog.testing.capture_logs() as lines:
        desk.send(two)
    (alert,) = [line for line in lines if line["event"] == "event.revision_conflict"]
    assert (alert["log_level"], alert["registers"]) == ("warning", "mac")
    history = desk.store.views.service("SVC-1", []).history
    assert "revision-conflict" in [line["what"] for line in history]


def test_a_previous_value_that_was_another_is_told_and_does_no_harm(desk):
    desk.send(activated())
    wrong = mac_changed(mac=mac(2), previous_mac=mac(7))
    desk.send(wrong)
    assert desk.state(wrong) == "accepted"
    (line,) = [
        line
        for line in desk.store.views.service("SVC-1", []).history
        if line["event"] == wrong["id"]
    ]
    assert line["previous_differs"] == ["mac"]


def test_a_source_that_goes_by_times_is_ordered_to_the_microsecond(desk):
    old = mac_changed(mac=mac(2), revision=None, source=TIMES, time="2026-01-01T00:00:00.000001Z")
    new = mac_changed(mac=mac(3), revision=None, source=TIMES, time="2026-01-01T00:00:00.000002Z")
    desk.send(activated(source=TIMES, revision=None, time="2026-01-01T00:00:00Z"), new, old)
    assert desk.record().value("mac") == mac(3)
    assert desk.state(old) == "superseded"


def test_bad_input_makes_no_feed_of_its_own(store, client, prefix):
    desk = Desk(store)
    desk.send(*(activated(f"S{n}", source=f"urn:typo:{n}") for n in range(20)))
    desk.send(*(activated(f"S{n}", mac="no MAC", source=f"urn:typo:{n}") for n in range(20, 40)))
    desk.send(activated("S40", mac="no MAC"))
    names = {key.removeprefix(prefix) for key in client.scan_iter(f"{prefix}feed:*")}
    assert names == {"feed:last", "feed:gone", "feed:unknown_sources", f"feed:live:{SOURCE}"}
    for number, reason in ((7, "source-not-allowed"), (27, "invalid-event")):
        (item,) = store.feed.read([f"urn:typo:{number}"], None, 9, unknown_sources=True).items
        assert (item.outcome.service_id, item.outcome.reason) == (f"S{number}", reason)
