"""Who may speak of a service, and whose word counts for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.parse import parse_event
from tests.builders import (
    SOURCE,
    activated,
    cancelled,
    event,
    mac,
    mac_changed,
    snapshot,
    suspended,
)
from tests.worker.desk import OPERATOR, OTHER, POLICIES, SOURCES, TIMES, Desk
from tests.worker.paper_desk import PaperDesk, at
from worker.core.entry.wanted import wanted_entries
from worker.core.service.history import line_from_json
from worker.core.service.record_parts import Placement
from worker.core.service.writes import writes_of
from worker.inventory.config import SourceConfig
from worker.store.sources import KNOWN_MS


def operator(number, **given):
    return mac_changed(mac=mac(number), revision=None, source=OPERATOR, **given)


@pytest.fixture
def desk():
    desk = PaperDesk()
    desk.send(activated(revision=5))
    return desk


def test_an_operator_beats_all_that_was_said_and_loses_to_the_next_word(desk):
    desk.send(operator(7))
    assert desk.values["mac"] == mac(7)
    first = desk.record.registers["mac"].version
    assert first[:2] == (0, 5)
    late = mac_changed(revision=4, mac=mac(3))
    desk.send(late)
    assert desk.values["mac"] == mac(7)
    assert desk.state(late) == "superseded"
    desk.send(operator(8))  # said at the same time: the order of arrival counts
    assert desk.record.registers["mac"].version[:3] == (0, 5, first.local + 1)
    desk.send(mac_changed(revision=6, mac=mac(4)))
    assert desk.values["mac"] == mac(4)


OWNER = [
    activated(revision=5),
    mac_changed(revision=6, mac=mac(3)),
    suspended(revision=7),
    event("moved", revision=8, access={"router": "R2", "dhcp_server": "dhcp1"}),
]
WORDS = [
    mac_changed(mac=mac(7), revision=None, source=OPERATOR),
    suspended("SVC-1", "block", revision=None, source=OPERATOR),
    event("resumed", revision=None, source=OPERATOR),
    cancelled(revision=None, source=OPERATOR),
    activated(revision=None, source=OPERATOR, mac=mac(8)),
    event("moved", revision=None, source=OPERATOR, access={"router": "R2"}),
]
SECONDS = st.integers(0, 59).map(lambda n: f"2026-11-24T10:00:{n:02d}Z")


def said(raw, moment, number):
    return raw | {"time": moment, "id": f"op-{number}"}


@given(
    before=st.lists(st.sampled_from(OWNER), max_size=4),
    earlier=st.sampled_from([None, *WORDS]),
    message=st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)),
    moments=st.lists(SECONDS, min_size=3, max_size=3, unique=True).map(sorted),
)
def test_the_words_of_operators_go_by_their_times_whichever_is_folded_first(
    before, earlier, message, moments
):
    events = [*before, *([said(earlier, moments[0], 0)] if earlier else [])]
    first, second = (said(each, moments[n], n) for n, each in enumerate(message, 1))
    ends = []
    for order in ([first, second], [second, first], [second, first, second]):
        desk = PaperDesk()
        for each in (*events, *order):
            desk.send(each)
        ends.append({name: held[:3] for name, held in desk.record.registers.items()})
        mine = writes_of(parse_event(second)).together
        assert all(desk.record.value(name) == value for name, value in mine.items())
    assert ends[0] == ends[1] == ends[2]


def test_the_later_word_of_an_operator_holds_though_the_owner_spoke_between_them(desk):
    desk.send(operator(8, time="2026-11-24T10:00:05Z"))
    desk.send(suspended(revision=6))
    late = operator(7, time="2026-11-24T10:00:00Z")
    desk.send(late)
    assert desk.values["mac"] == mac(8)
    assert desk.state(late) == "superseded"
    desk.send(event("resumed", revision=None, source=OPERATOR, time="2026-11-24T10:00:01Z"))
    assert desk.record.status == "active"


@pytest.mark.redis
def test_a_word_that_a_slow_worker_folds_last_does_not_beat_a_later_one(store, monkeypatch):
    slow, fast = Desk(store), Desk(store)
    slow.send(activated(revision=5))
    first = suspended("SVC-1", "block", revision=None, source=OPERATOR, time="2026-11-24T10:00:00Z")
    second = event("resumed", revision=None, source=OPERATOR, time="2026-11-24T10:00:05Z")
    commit = store.records.commit
    between = [second]

    def commits(*given_, **more):
        while between:
            fast.send(between.pop())
        return commit(*given_, **more)

    monkeypatch.setattr(store.records, "commit", commits)
    slow.send(first)
    assert slow.record().status == "active"
    assert slow.state(first) == "superseded"


def test_the_clock_of_an_operator_that_counts_revisions_may_be_ahead_a_little(desk):
    desk.sources = SOURCES | {
        OPERATOR: SourceConfig(OPERATOR, "revisions", scopes=frozenset({"override"}))
    }
    desk.send(operator(7, time="2999-01-01T00:00:00Z"))
    desk.now_ms += 600_000
    desk.send(operator(8, time=at(600_000)))
    assert desk.values["mac"] == mac(8)


def test_the_history_names_who_acted(desk):
    desk.send(operator(7) | {"actor": "ann"}, mac_changed(revision=6) | {"actor": "a customer"})
    lines = [line_from_json(line) for line in desk.commits[-1].lines]
    assert [line.get("actor") for line in lines if line["what"] == "accepted"] == ["ann", None]


def test_an_operator_owns_no_service(desk):
    desk.send(operator(7))
    assert desk.record.owner == SOURCE
    alone = PaperDesk()
    alone.send(activated(source=OPERATOR, revision=None))
    assert alone.record.owner is None
    assert alone.record.status == "active"
    alone.send(activated(revision=1, mac=mac(9)))
    assert alone.record.owner == SOURCE
    assert alone.values["mac"] == mac(9)


def test_the_first_source_that_may_publish_owns_the_service():
    desk = PaperDesk()
    desk.send(mac_changed(source=OPERATOR), activated(source=OTHER, revision=1))
    assert desk.record.owner == OTHER
    refused = mac_changed(revision=9)
    desk.send(refused)
    assert desk.state(refused) == "rejected: not-owner"


def test_a_source_with_both_scopes_counts_for_its_own_and_is_an_operator_elsewhere():
    both = SourceConfig(OTHER, "revisions", scopes=frozenset({"publish", "override"}))
    desk = PaperDesk(SOURCES | {OTHER: both})
    desk.send(activated(revision=5), mac_changed(source=OTHER, revision=1, mac=mac(7)))
    assert desk.values["mac"] == mac(7)
    assert desk.record.registers["mac"].version[:2] == (0, 5)
    own = PaperDesk(SOURCES | {OTHER: both})
    own.send(activated(source=OTHER, revision=5))
    late = mac_changed(source=OTHER, revision=4)
    own.send(late)
    assert own.record.registers["mac"].version[:3] == (0, 5, 0)


def test_a_word_of_an_operator_counts_once_even_when_it_changed_nothing(desk):
    desk.stored = desk.stored._replace(record=in_sync(desk.record))
    word = operator(1)  # the MAC that it has already
    desk.send(word)
    assert desk.state(word) == "applied: already-current"
    desk.send(mac_changed(revision=6, mac=mac(4)))
    desk.send(word)  # delivered once more
    assert desk.values["mac"] == mac(4)


def in_sync(record):
    entry = wanted_entries(record, POLICIES)["R1"]
    return record._replace(pending=(), placements={"R1": Placement(entry.fields)})


def test_what_a_source_does_not_know_its_snapshots_leave_alone():
    knows_no_dns = SourceConfig(SOURCE, "revisions", unmanaged=frozenset({"dns_servers"}))
    desk = PaperDesk(SOURCES | {SOURCE: knows_no_dns})
    desk.send(activated(revision=1))
    dns = event("dns_changed", revision=None, source=OPERATOR, dns_servers=["198.51.100.53"])
    desk.send(dns, snapshot(revision=2, mac=mac(3)))
    assert desk.values["dns_servers"] == ["198.51.100.53"]
    assert desk.values["mac"] == mac(3)
    desk.send(event("dns_changed", revision=3, dns_servers=[]))
    assert desk.values["dns_servers"] == []


def test_a_mac_that_was_overtaken_is_not_applied_because_of_the_client_of_its_device():
    knows_no_ipv6 = SourceConfig(SOURCE, "revisions", unmanaged=frozenset({"ipv6", "duid", "iaid"}))
    desk = PaperDesk(SOURCES | {SOURCE: knows_no_ipv6})
    changed = mac_changed(mac=mac(2), revision=2)
    desk.send(activated(revision=1), changed)
    assert desk.state(changed) == "accepted"
    desk.send(snapshot(revision=3, mac=mac(3)))
    assert desk.record.registers["duid"].event == changed["id"]
    assert desk.state(changed) == "superseded"


def test_what_no_router_can_hold_yet_is_not_applied():
    knows_no_mac = SourceConfig(SOURCE, "revisions", unmanaged=frozenset({"mac"}))
    desk = PaperDesk(SOURCES | {SOURCE: knows_no_mac})
    first, again = activated(revision=1), activated(revision=2)
    desk.send(first)
    assert desk.state(first) == "waiting: incomplete"
    assert desk.detail(first) == "its MAC is not known yet: nothing is written to a router"
    desk.send(again)
    assert desk.state(again) == "waiting: incomplete"
    assert desk.state(first) == "superseded"
    assert not desk.commits[-1].work_items
    desk.send(operator(7))
    assert desk.commits[-1].work_items.keys() == {"R1"}
    assert desk.record.pending[0].event.id == again["id"]
    unheard = PaperDesk(SOURCES | {SOURCE: knows_no_mac})
    end = cancelled(revision=2)
    unheard.send(first, end)
    assert unheard.state(end) == "applied: on-no-router"


def test_the_owner_needs_a_revision_and_an_operator_does_not(desk):
    refused = mac_changed(revision=None)
    desk.send(refused)
    assert desk.state(refused) == "rejected: revision-required"
    unknown = PaperDesk()
    unknown.send(refused)
    assert unknown.record.owner is None


def test_a_source_without_scope_publish_and_override_speaks_of_nothing(desk):
    unknown_source = mac_changed(source=TIMES, revision=None)
    desk.send(unknown_source)
    assert desk.state(unknown_source) == "rejected: not-owner"


@pytest.mark.redis
def test_two_workers_stamp_an_operators_word_once(store):
    one, other = Desk(store), Desk(store)
    one.send(activated(revision=5))
    word = operator(7)
    one.send(word)
    other.send(mac_changed(revision=6, mac=mac(4)))
    other.send(word)
    assert one.record().value("mac") == mac(4)
    assert one.counters["duplicate"] == 1


@pytest.mark.redis
def test_a_source_that_only_a_newer_inventory_has_is_left_to_a_worker_that_has_it(store):
    older = Desk(store, {SOURCE: SOURCES[SOURCE]})
    newer = Desk(store)
    store.sources.save_known(SOURCES)
    carried, published = activated(source=OTHER), activated("SVC-2", source=OTHER, mac=mac(2))
    older.publish(published)
    older.send(carried)
    assert older.outcome(carried) is None
    assert not older.dead_letters
    assert store.journal.depth("events") == 2
    assert not store.client.exists(store.keys.attempts)
    newer.give_back()
    newer.send()
    assert newer.state(carried) == newer.state(published) == "accepted"
    # Once nobody living knows it, it is refused.
    store.client.zadd(store.keys.sources_known, {OTHER: store.records.now_ms() - KNOWN_MS})
    late = mac_changed(source=OTHER, revision=2)
    older.send(late)
    assert older.state(late) == "rejected: source-not-allowed"
    store.sources.save_known([SOURCE])
    known = store.client.zrange(store.keys.sources_known, 0, -1)
    assert set(known) == SOURCES.keys() - {OTHER}
