"""The outcome feeds: told in the step that says it, in one order, bounded, nothing lost unsaid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import names
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import Outcome
from worker.store.commits import EventCommit, ServiceCommit
from worker.store.feed import KEPT_MS, CursorTooOldError, position
from worker.store.store import open_store

pytestmark = pytest.mark.redis

BSS, OTHER = "urn:isp:bss", "urn:isp:other"
MOST = 50_000
STEP = 100


def outcome(number, state="accepted", source=BSS, accepted_at_ms=0, bulk=False, **more):
    event = EventRef(f"{source}|{number}", f"e-{number}", source, "t", accepted_at_ms, bulk)
    return Outcome(event, "SVC-1", state, at_ms=1, **more)


@pytest.fixture
def say(store):
    def say(*outcomes):
        now_ms = store.records.now_ms()
        store.records.commit([ServiceCommit("", outcomes=outcomes)], now_ms)

    return say


def notified(page):
    return [(item.outcome.event.id, item.outcome.state) for item in page.items]


def test_each_change_is_told_once_in_the_order_in_which_it_was_said(store, say):
    say(outcome(1))
    say(outcome(1, "waiting", reason="foreign-row"))
    say(outcome(1, "waiting", reason="foreign-row")._replace(at_ms=2))
    say(outcome(1, "waiting", reason="claim-held"), outcome(2))
    say(outcome(1, "applied"))
    page = store.feed.read([BSS], None, 100)
    states = [("e-1", "accepted"), ("e-1", "waiting"), ("e-1", "waiting"), ("e-2", "accepted")]
    assert notified(page) == [*states, ("e-1", "applied")]


def test_the_same_word_at_another_time_is_no_news(store, say):
    word = outcome(1, "waiting", reason="foreign-row", accepted_at_ms=5)
    for at_ms in (7, 3, 9):  # a clock may be set back
        say(word._replace(at_ms=at_ms))
    assert notified(store.feed.read([BSS], None, 9)) == [("e-1", "waiting")]
    say(word._replace(at_ms=9, detail="another row"))
    assert len(store.feed.read([BSS], None, 9).items) == 2


def test_what_came_is_told_by_the_commit_that_takes_it_from_the_journal(store, client, prefix):
    client.hset(names.journal_body(prefix, "events"), "k", "{}")
    word = Outcome(EventRef("k", "e", BSS, "t"), "SVC-1", "accepted")
    commit = ServiceCommit("SVC-1", generation=7, events=[EventCommit("k", "events", "n", word)])
    assert store.records.commit([commit], 1).done == [False]
    assert notified(store.feed.read([BSS], None, 9)) == []
    store.records.commit([commit._replace(generation=0)], 1)
    assert notified(store.feed.read([BSS], None, 9)) == [("e", "accepted")]
    assert store.journal.depth("events") == 0


def test_only_the_sources_asked_for_are_told_of(store, say):
    say(outcome(1), outcome(1, source=OTHER), outcome(2))
    say(outcome(9, source=""))
    assert notified(store.feed.read([OTHER], None, 100)) == [("e-1", "accepted")]
    assert len(store.feed.read([BSS, OTHER], None, 100).items) == 3


@settings(max_examples=30)
@given(
    said=st.lists(st.lists(st.tuples(st.sampled_from([BSS, OTHER]), st.booleans()), max_size=4)),
    most=st.integers(1, 5),
)
def test_one_cursor_reads_all_feeds_without_gap_or_repetition(valkey_server, said, most):
    with valkey_server.client() as client:
        client.flushall()
        store, cursor, found, wanted = open_store(client, "p:"), None, [], []
        for number, together in enumerate(said):
            message = [
                outcome(f"{number}.{i}", source=source, bulk=bulk)
                for i, (source, bulk) in enumerate(together)
            ]
            store.records.commit([ServiceCommit("", outcomes=message)], store.records.now_ms())
            wanted += [word.event.id for word in message]
            page = store.feed.read([BSS, OTHER], cursor, most)
            found, cursor = found + page.items, page.cursor
        while page := store.feed.read([BSS, OTHER], cursor, most).items if said else []:
            found, cursor = found + page, store.feed.read([BSS, OTHER], cursor, most).cursor
        assert [item.outcome.event.id for item in found] == wanted
        ids = [position(item.id) for item in found]
        assert ids == sorted(set(ids))


def test_ids_go_up_though_the_clock_was_set_back(store, client, say):
    ahead = f"{store.records.now_ms() + 60_000}-7"
    client.set(store.keys.feed_last, ahead)
    say(outcome(1), outcome(2))
    assert len(store.feed.read([BSS], ahead, 9).items) == 2


def fill(client, feed, number):
    with client.pipeline(transaction=False) as pipe:
        for i in range(1, number + 1):
            pipe.xadd(feed, {"outcome": '[2,"accepted"]'}, id=f"{i}-0")
        pipe.execute()


def test_bulk_pushes_out_no_live_event_and_a_reader_is_told_what_it_missed(store, client, say):
    fill(client, store.keys.feed(f"bulk:{BSS}"), MOST + STEP - 1)
    say(outcome(1))
    client.hset(store.keys.feed_gone, store.keys.feed(f"bulk:{BSS}"), "0-0")
    say(outcome(2, bulk=True))
    assert client.xlen(store.keys.feed(f"bulk:{BSS}")) == MOST
    assert client.xlen(store.keys.feed(f"live:{BSS}")) == 1
    with pytest.raises(CursorTooOldError):
        store.feed.read([BSS], f"{STEP - 1}-0", 1)
    assert store.feed.read([BSS], f"{STEP}-0", 1).items[0].id == f"{STEP + 1}-0"
    assert store.feed.read([OTHER], "1-0", 1).items == []


def test_old_items_go_and_the_cursor_of_a_quiet_source_stays_good(store, client, say):
    say(outcome(1))
    first = store.feed.read([BSS], None, 9).cursor
    say(outcome(2), outcome(3, source=OTHER))
    quiet = store.feed.read([BSS], first, 9).cursor
    store.feed.trim(store.records.now_ms() + KEPT_MS + 1_000)
    assert not client.exists(store.keys.feed(f"live:{BSS}"))
    with pytest.raises(CursorTooOldError):
        store.feed.read([BSS], first, 9)
    say(outcome(4))
    assert notified(store.feed.read([BSS], quiet, 9)) == [("e-4", "accepted")]
    assert notified(store.feed.read([BSS], None, 9)) == [("e-4", "accepted")]


@pytest.fixture
def refuse(store):
    """Say of events of sources that nobody knows that they are refused."""

    def refuse(*message):
        events = [EventCommit(w.key, None, "rejected", w, unknown_source=True) for w in message]
        store.records.commit([ServiceCommit("", events=events)], store.records.now_ms())

    return refuse


def feeds(client, prefix):
    return {key.removeprefix(prefix) for key in client.scan_iter(f"{prefix}feed:*")}


def test_sources_that_nobody_knows_share_one_feed_and_see_their_own_of_it(
    store, client, prefix, say, refuse
):
    say(outcome(0))
    refuse(*(outcome(n, "rejected", source=f"urn:isp:typo-{n}") for n in range(300)))
    assert feeds(client, prefix) == {
        "feed:last",
        "feed:gone",
        f"feed:live:{BSS}",
        "feed:unknown_sources",
    }
    assert client.hkeys(store.keys.feed_gone) == [
        store.keys.feed(f"live:{BSS}"),
        store.keys.feed("unknown_sources"),
    ]
    for number in (0, 150, 299):
        page = store.feed.read([f"urn:isp:typo-{number}"], None, 7, unknown_sources=True)
        assert notified(page) == [(f"e-{number}", "rejected")]
    both = store.feed.read([BSS, "urn:isp:typo-9"], None, 1000, unknown_sources=True)
    assert notified(both) == [("e-0", "accepted"), ("e-9", "rejected")]
    assert (both.cursor, both.more) == (store.feed.last(), False)
    assert notified(store.feed.read([BSS], None, 1000)) == [("e-0", "accepted")]


@settings(max_examples=30)
@given(
    said=st.lists(st.sampled_from([BSS, OTHER, "urn:isp:typo"]), max_size=20),
    most=st.integers(1, 5),
)
def test_a_stranger_reads_its_own_without_gap_or_repetition(valkey_server, said, most):
    with valkey_server.client() as client:
        client.flushall()
        store, cursor, found = open_store(client, "p:"), None, []
        for number, source in enumerate(said):
            word = outcome(number, "rejected", source=source)
            event = EventCommit(word.key, None, "rejected", word, unknown_source=source != BSS)
            store.records.commit([ServiceCommit("", events=[event])], store.records.now_ms())
        mine = [BSS, "urn:isp:typo"]
        while True:
            page = store.feed.read(mine, cursor, most, unknown_sources=True)
            assert page.items or not page.more
            found, cursor = found + page.items, page.cursor
            if not page.more:
                break
        wanted = [f"e-{number}" for number, source in enumerate(said) if source in mine]
        assert [item.outcome.event.id for item in found] == wanted


def test_what_was_let_go_of_strangers_is_said_to_strangers_alone(store, client, say, refuse):
    fill(client, store.keys.feed("unknown_sources"), MOST + STEP - 1)
    say(outcome(1))
    refuse(outcome(2, source="urn:isp:typo"))
    assert client.xlen(store.keys.feed("unknown_sources")) == MOST
    with pytest.raises(CursorTooOldError):
        store.feed.read(["urn:isp:typo"], f"{STEP - 1}-0", 9, unknown_sources=True)
    assert store.feed.read([BSS], f"{STEP - 1}-0", 9).items
    store.feed.trim(store.records.now_ms() + KEPT_MS + 1_000)
    assert not client.exists(store.keys.feed("unknown_sources"))
