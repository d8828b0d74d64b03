"""A commit: all of a service or nothing of it, and what is kept for how long."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import names
from tests.builders import mac
from tests.calls import calls, take_calls
from worker.core.entry.entry import Claim
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement
from worker.errors import StoreRefused
from worker.store.batches import Busy
from worker.store.commits import Committed, EventCommit, ServiceCommit
from worker.store.records import SEEN_PERIOD_S, periods
from worker.store.store import open_store
from worker.store.views import HOUR_MS

pytestmark = pytest.mark.redis

LANE = names.QUEUE_EVENTS
DAY_MS = 86_400_000
MAC = Claim(f"mac:{mac(1)}", "dhcp1")


def outcome(key, state="accepted"):
    return Outcome(EventRef(key, f"id-{key}", "urn:s", "t"), "SVC-1", state)


def dead_letter(id_, at_ms=0):
    return DeadLetter(id_, "event", "invalid-event", "all wrong", at_ms=at_ms)


def full_commit(generation=0, key="e1", service="SVC-1"):
    """One of everything that a commit can do."""
    return ServiceCommit(
        service_id=service,
        generation=generation,
        record=ServiceRecord(service, owner="urn:s", placements={"R1": Placement(None)}),
        claims={"R1": frozenset({MAC})},
        work_items={"R1": 0},
        events=[EventCommit(key, LANE, "accepted", outcome(key), "c" * 64)],
        outcomes=[outcome("earlier", "superseded")],
        counts={"superseded": 1},
        dead_letters=[dead_letter("dead_letter")],
        lines=['[2,1,"accepted"]'],
    )


@pytest.fixture
def everything(client, prefix):
    """All that is stored under the prefix."""

    def everything():
        return {key: client.dump(key) for key in client.scan_iter(match=prefix + "*")}

    return everything


@pytest.fixture
def in_journal(client, prefix):
    client.hset(names.journal_body(prefix, LANE), "e1", "{}")
    client.zadd(names.journal_due(prefix, LANE), {"e1": 1})
    client.hset(f"{prefix}attempts", "e1", 1)


@pytest.mark.usefixtures("in_journal")
def test_a_commit_says_it_all_in_one_step(store, client):
    now = store.records.now_ms()
    assert store.records.commit([full_commit()], now).done == [True]
    assert calls(client, store.keys.queue(names.QUEUE_ROUTERS)) == [["R1"]]
    stored = store.records.read(["SVC-1"])["SVC-1"]
    assert stored.generation
    assert stored.record.owner == "urn:s"
    assert store.journal.depth(LANE) == 0
    assert client.hgetall(store.keys.attempts) == {}
    said = [outcome("e1"), outcome("earlier", "superseded")]
    assert store.views.outcomes(["e1", "earlier"]) == said
    assert store.views.counters() == {"accepted": 1, "superseded": 1}
    assert [each.id for each in store.views.dead_letters()] == ["dead_letter"]
    view = store.views.service("SVC-1", ["R1"])
    assert view.events == [outcome("e1")]
    assert view.history == [{"at_ms": 1, "what": "accepted"}]
    assert view.queued == ["R1"]
    assert store.views.router("R1").services == 1
    assert store.routers.claim("R1", [("SVC-2", 0, frozenset({MAC}))]) == [[(MAC.key, "SVC-1")]]


@pytest.mark.usefixtures("in_journal")
def test_a_commit_that_comes_second_leaves_everything_untouched(store, everything):
    first = ServiceCommit("SVC-1", 0, ServiceRecord("SVC-1"))
    store.records.commit([first], store.records.now_ms())
    before = everything()
    late = store.records.commit([full_commit(generation=0)], store.records.now_ms())
    assert late == Committed([False], {}, alarms=[], generation=late.generation)
    assert everything() == before


def test_the_others_of_the_call_go_through(store):
    store.records.commit([full_commit(service="SVC-2", key="e2")], store.records.now_ms())
    again = [full_commit(service=f"SVC-{n}", key=f"e{n}") for n in (1, 2, 3)]
    assert store.records.commit(again, store.records.now_ms()).done == [True, False, True]
    assert store.views.outcomes(["e1", "e3"]) == [outcome("e1"), outcome("e3")]


def test_many_commits_are_split_and_answered_in_order(store):
    store.records.commit([ServiceCommit("SVC-77", 0, ServiceRecord("SVC-77"))], 0)
    many = [
        full_commit(service=f"SVC-{n}", key=f"e{n}")._replace(
            claims={}, work_items={f"R{n % 3}": 0}
        )
        for n in range(120)
    ]
    result = store.records.commit(many, store.records.now_ms())
    assert [n for n, done in enumerate(result.done) if not done] == [77]
    called = calls(store.client, store.keys.queue(names.QUEUE_ROUTERS))
    assert sorted(called) == [["R0"], ["R1"], ["R2"]]


def test_a_message_is_rung_for_once_until_the_router_is_taken(store):
    generation = 0
    for rings in ([["R1"]], []):
        commit = full_commit(generation=generation)
        generation = store.records.commit([commit], store.records.now_ms()).generation
        assert take_calls(store.client, store.keys.queue(names.QUEUE_ROUTERS)) == rings
    assert store.routers.acquire("R1", "token", 10) != Busy()
    assert store.records.commit([full_commit(generation)], store.records.now_ms()).done == [True]
    assert take_calls(store.client, store.keys.queue(names.QUEUE_ROUTERS)) == []


def test_a_commit_without_a_record_writes_none(store):
    only_said = ServiceCommit("SVC-1", events=[EventCommit("e1", LANE, "duplicate")])
    assert store.records.commit([only_said], store.records.now_ms()).done == [True]
    assert store.records.read(["SVC-1"])["SVC-1"].generation == 0
    assert store.views.counters() == {"duplicate": 1}


def test_what_changed_nothing_is_kept_for_an_hour_and_is_no_event_of_its_service(store, client):
    now = store.records.now_ms()
    said = [
        EventCommit("long", LANE, "accepted", outcome("long")),
        EventCommit("short", LANE, "unchanged", outcome("short", "applied"), listed=False),
    ]
    commit = ServiceCommit("SVC-1", record=ServiceRecord("SVC-1"), events=said)
    assert store.records.commit([commit], now).done == [True]
    assert [each.key for each in store.views.outcomes(["short", "long"])] == ["short", "long"]
    assert [each.key for each in store.views.service("SVC-1", []).events] == ["long"]
    assert client.ttl(store.keys.brief(now // HOUR_MS)) > 2 * 3600
    client.rename(store.keys.brief(now // HOUR_MS), store.keys.brief(now // HOUR_MS - 1))
    assert len(store.views.outcomes(["short", "long"])) == 2


@pytest.mark.parametrize("first_at", [-1, 1])
@pytest.mark.parametrize("states", [("accepted", "applied"), ("applied", "accepted")])
def test_the_last_word_on_what_changed_nothing_counts_whatever_the_clock_said(
    store, client, first_at, states
):
    """The hour of the first word is later than that of the last where the clock was set back."""
    now = store.records.now_ms()
    hour = now // HOUR_MS
    for state, at in zip(states, (hour + first_at, hour), strict=True):
        said = [EventCommit("k", LANE, "unchanged", outcome("k", state), listed=False)]
        store.records.commit([ServiceCommit("SVC-1", events=said)], now)
        if at != hour:
            client.rename(store.keys.brief(hour), store.keys.brief(at))
    assert [each.state for each in store.views.outcomes(["k"])] == ["applied"]


def test_history_keeps_fifty_lines_and_the_list_of_events_twenty(store):
    generation = 0
    for n in range(60):
        commit = ServiceCommit(
            "SVC-1",
            generation=generation,
            record=ServiceRecord("SVC-1"),
            events=[EventCommit(f"e{n}", LANE, "n", outcome(f"e{n}", "applied"))],
            lines=[json.dumps([2, 2 * n, "a"]), json.dumps([2, 2 * n + 1, "a"])],
        )
        result = store.records.commit([commit], store.records.now_ms())
        assert result.done == [True]
        generation = result.generation
    view = store.views.service("SVC-1", [])
    assert [line["at_ms"] for line in view.history] == list(range(119, 69, -1))
    assert [each.key for each in view.events] == [f"e{n}" for n in range(59, 39, -1)]


def test_an_event_stands_once_among_those_of_its_service(store):
    generation = 0
    for key in ("a", "b", "a"):
        said = EventCommit(key, LANE, "released", outcome(key))
        commit = ServiceCommit("SVC-1", generation, ServiceRecord("SVC-1"), events=[said])
        generation = store.records.commit([commit], store.records.now_ms()).generation
    assert [each.key for each in store.views.service("SVC-1", []).events] == ["a", "b"]


@pytest.mark.parametrize("day", range(32))
def test_ids_are_remembered_for_31_days(store, client, day):
    """On whichever day of a period the event came."""
    came = (20_000 * SEEN_PERIOD_S) * 1000 + day * DAY_MS // 4
    said = EventCommit("0123456789abcdef-rest", LANE, "accepted", None, "c" * 12)
    store.records.commit([ServiceCommit("SVC-1", events=[said])], came)
    for later_days in (31, 0, -8):  # a clock may be set back
        found = store.records.seen(["0123456789abcdef-rest", "other"], came + later_days * DAY_MS)
        assert found == {"0123456789abcdef-rest": "c" * 12}
    ttl_s = client.ttl(store.keys.seen(periods(came)[1]))
    assert 39 * 86_400 < ttl_s <= 40 * 86_400


def test_the_time_limit_of_remembered_ids_is_set_once(store, client):
    now = store.records.now_ms()
    said = EventCommit("a", LANE, "accepted", None, "c" * 12)
    store.records.commit([ServiceCommit("SVC-1", events=[said])], now)
    client.expire(store.keys.seen(periods(now)[1]), 1000)
    store.records.commit([ServiceCommit("SVC-2", events=[said._replace(key="b")])], now)
    assert client.ttl(store.keys.seen(periods(now)[1])) <= 1000


def test_dead_letters_are_shown_newest_first_and_overwritten_by_id(store):
    now = store.records.now_ms()
    for id_ in ("a", "b", "a"):
        store.records.commit([ServiceCommit("", dead_letters=[dead_letter(id_, at_ms=now)])], now)
    assert sorted(each.id for each in store.views.dead_letters()) == ["a", "b"]
    assert store.views.dead_letter("a") == dead_letter("a", at_ms=now)
    assert store.views.dead_letter("c") is None


@pytest.mark.usefixtures("in_journal")
def test_a_key_of_another_kind_stops_the_commit_before_its_first_write(store, client, everything):
    now, keys = store.records.now_ms(), store.keys
    for key in (keys.record("SVC-1"), keys.history("SVC-1")):
        was = client.dump(key)
        client.delete(key)
        client.xadd(key, {"not": "ours"})
        before = everything()
        with pytest.raises(StoreRefused, match=f"{key} is a stream: it is not ours"):
            store.records.commit([full_commit()], now)
        assert everything() == before, key
        client.delete(key)
        if was is not None:
            client.restore(key, 0, was)
    assert store.records.commit([full_commit()], now).done == [True]


def test_of_those_that_fall_off_the_list_the_open_ones_keep_their_outcome(store):
    message = [outcome("ended", "applied"), outcome("open", "waiting")]
    message += [outcome(f"e{n}", "applied") for n in range(20)]
    said = [EventCommit(each.key, LANE, "accepted", each) for each in message]
    commit = ServiceCommit("SVC-1", record=ServiceRecord("SVC-1"), events=said)
    store.records.commit([commit], store.records.now_ms())
    kept = [each.key for each in store.views.service("SVC-1", []).events]
    assert kept == [*(f"e{n}" for n in reversed(range(20))), "open"]
    # Whoever waits for the last word may not have read it yet.
    assert store.views.outcomes(["ended", "open"]) == message[:2]


@given(
    said=st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["accepted", "applied", "waiting"])),
        max_size=60,
    )
)
def test_the_last_twenty_events_of_a_service_and_the_open_ones_are_kept(valkey_server, said):
    """Of any events, each said once first and then again, as passes do."""
    with valkey_server.client() as client:
        client.flushall()
        store, generation, model = open_store(client, "p:"), 0, {}
        for number, state in said:
            word = outcome(f"{number:024x}", state)
            if word.key in model:
                model[word.key] = word
                more = {"outcomes": [word]}
            else:
                model = {word.key: word} | model
                more = {"events": [EventCommit(word.key, LANE, "n", word)]}
            commit = ServiceCommit("SVC-1", generation, ServiceRecord("SVC-1"), **more)
            now_ms = store.records.now_ms()
            generation = store.records.commit([commit], now_ms).generation
            if "events" in more:  # a last word stays until another event comes
                model = {
                    key: each
                    for at, (key, each) in enumerate(model.items())
                    if at < 20 or each.state != "applied"
                }
        view = store.views.service("SVC-1", [])
        assert (view.events if view else []) == list(model.values())
        assert store.views.outcomes(list(model)) == list(model.values())


def test_a_redis_that_rolled_back_gives_no_generation_twice(store, client):
    """As after a failover to a replica that lacks the last second."""
    key, now_ms = store.keys.record("SVC-1"), store.records.now_ms()
    first = store.records.commit([ServiceCommit("SVC-1", 0, ServiceRecord("SVC-1"))], now_ms)
    before = client.get(key)

    def commit(generation, owner):
        change = ServiceCommit("SVC-1", generation, ServiceRecord("SVC-1", owner=owner))
        return store.records.commit([change], now_ms)

    lost = commit(first.generation, "urn:lost")
    client.set(key, before)
    assert commit(first.generation, "urn:after").done == [True]
    assert commit(lost.generation, "urn:of-before").done == [False]
    assert store.records.read(["SVC-1"])["SVC-1"].record.owner == "urn:after"
