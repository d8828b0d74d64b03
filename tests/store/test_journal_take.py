"""Taking from the journal: what is due, what the message carries, how often it was begun."""

import json
from contextlib import contextmanager

import pytest
import redis

from contracts import names
from tests.store.passing_time import let_pass
from worker.store.batches import Busy
from worker.store.commits import EventCommit, ServiceCommit
from worker.store.connection import connect
from worker.store.journal import WORK_MS
from worker.store.store import open_store

pytestmark = pytest.mark.redis

LANE = names.QUEUE_EVENTS


@pytest.fixture
def journal(store):
    return store.journal


@pytest.fixture
def put(client, prefix, store):
    """Writes entries as a publisher does; `in_ms` from now on they are due."""

    def put(*keys, in_ms=0, lane=LANE):
        due = store.records.now_ms() + in_ms
        for key in keys:
            client.hset(names.journal_body(prefix, lane), key, json.dumps({"id": key}))
            client.zadd(names.journal_due(prefix, lane), {key: due})

    return put


def keys_of(taken):
    return sorted(entry.key for entry in taken.entries)


def test_what_is_due_is_taken_and_what_is_not_is_left(journal, put):
    put("a", "b")
    put("later", in_ms=60_000)
    taken = journal.take(LANE, [], 500)
    assert keys_of(taken) == ["a", "b"]
    assert [json.loads(entry.raw)["id"] for entry in taken.entries] == ["a", "b"]
    assert not taken.full


def test_what_was_taken_is_ours_for_a_while_and_then_anybodys(journal, put, client, prefix):
    put("a")
    assert keys_of(journal.take(LANE, [], 500)) == ["a"]
    assert keys_of(journal.take(LANE, [], 500)) == []
    due = client.zscore(names.journal_due(prefix, LANE), "a")
    client.zadd(names.journal_due(prefix, LANE), {"a": due - 10_001})  # its score has microseconds
    assert keys_of(journal.take(LANE, [], 500)) == ["a"]


def test_a_carried_event_comes_from_the_journal_while_it_is_there(journal, put):
    put("a", "b")
    taken = journal.take(LANE, ["a", "nowhere"], 500)
    assert keys_of(taken) == ["a", "b"]
    assert taken.carried == [None, 0]


def test_a_carried_event_that_another_worker_has_is_left_to_it(journal, put):
    put("a")
    journal.take(LANE, [], 500)
    taken = journal.take(LANE, ["a"], 500)
    assert taken.carried == [None]
    assert taken.entries == []


def test_a_full_take_says_that_there_may_be_more(journal, put):
    put("a", "b", "c")
    assert journal.take(LANE, [], 2).full
    assert not journal.take(LANE, [], 2).full


def test_more_than_was_asked_for_is_never_taken_beside_what_is_carried(journal, put):
    put("a", "b", "c", "d")
    taken = journal.take(LANE, ["d"], 2)
    assert keys_of(taken) == ["a", "b", "d"]
    assert taken.full


def test_only_an_empty_journal_clears_the_flag(journal, put, client, prefix):
    flag = names.journal_notified(prefix, LANE)
    put("a")
    client.set(flag, "1")
    journal.take(LANE, [], 500)
    assert client.exists(flag)
    journal.take(LANE, [], 500)
    assert not client.exists(flag)


def test_what_the_message_carried_keeps_the_flag_until_its_commit(journal, put, client, prefix):
    """Else the next publish rings while we work, and we take its event before its message."""
    flag = names.journal_notified(prefix, LANE)
    put("a")
    client.set(flag, "1")
    assert keys_of(journal.take(LANE, ["a"], 500)) == ["a"]
    assert client.exists(flag)


def test_a_full_take_keeps_publishers_from_ringing_beside_it(journal, put, client, prefix):
    put("a", "b", "c")
    journal.take(LANE, [], 2)
    assert 0 < client.pttl(names.journal_notified(prefix, LANE)) <= names.NOTIFIED_LIFETIME_MS


def test_the_lanes_have_journals_of_their_own(journal, put):
    put("a", lane=names.QUEUE_BULK)
    assert keys_of(journal.take(LANE, [], 500)) == []
    assert keys_of(journal.take(names.QUEUE_BULK, [], 500)) == ["a"]
    put("b")
    assert (journal.depth(LANE), journal.depth(names.QUEUE_BULK)) == (1, 1)


def test_an_entry_without_its_event_is_forgotten(journal, put, client, prefix):
    put("a", "lost")
    client.hdel(names.journal_body(prefix, LANE), "lost")
    assert keys_of(journal.take(LANE, ["lost"], 500)) == ["a"]
    assert client.zscore(names.journal_due(prefix, LANE), "lost") is None


def test_the_first_beginning_is_counted_for_all_at_once(journal, put, client, store):
    put("a", "b")
    taken = journal.take(LANE, ["carried"], 500)
    assert [entry.attempts for entry in taken.entries] == [1, 1]
    assert taken.carried == [0]
    assert client.hgetall(store.keys.attempts) == {"a": "1", "b": "1", "carried": "1"}


def test_later_beginnings_are_counted_one_by_one(journal, put, client, store):
    """Else those behind a poison event would be counted with it, and given up with it."""
    put("a", "b")
    client.hset(store.keys.attempts, mapping={"a": 1, "b": 3})
    taken = journal.take(LANE, [], 500)
    assert {entry.key: entry.attempts for entry in taken.entries} == {"a": 2, "b": 4}
    assert client.hgetall(store.keys.attempts) == {"a": "1", "b": "3"}
    assert journal.begin(LANE, "a", taken.now_ms, journaled=True) == 2
    assert client.hgetall(store.keys.attempts) == {"a": "2", "b": "3"}


def test_who_walks_slowly_counts_nothing_that_others_have_taken_since(journal, put, client, store):
    """Else as many slow workers as an event may have attempts make a poison of an innocent one."""
    put("a", "b", "c")
    client.hset(store.keys.attempts, mapping={"a": 1, "b": 1, "c": 1})
    slow = journal.take(LANE, [], 500).now_ms
    assert journal.begin(LANE, "a", slow, journaled=True) == 2
    let_pass(store, WORK_MS + 1)
    # What it has begun is its own for as long again, and nobody has taken the others yet.
    slow -= WORK_MS + 1
    assert journal.begin(LANE, "b", slow, journaled=True) == 2
    later = journal.take(LANE, [], 500)
    assert keys_of(later) == ["a", "c"]
    done = ServiceCommit("SVC-1", events=[EventCommit("a", LANE, "duplicate")])
    store.records.commit([done], later.now_ms)
    assert journal.begin(LANE, "a", slow, journaled=True) == 0, "another is done with it"
    assert journal.begin(LANE, "c", slow, journaled=True) == 0, "another has it"
    assert client.hgetall(store.keys.attempts) == {"b": "2", "c": "1"}
    assert journal.begin(LANE, "c", later.now_ms, journaled=True) == 2
    assert journal.begin(LANE, "alone", slow, journaled=False) == 1


def test_a_commit_takes_the_event_out_of_the_journal_and_forgets_its_attempts(
    journal, put, client, store, prefix
):
    put("a", "b")
    journal.take(LANE, [], 500)
    done = ServiceCommit("SVC-1", events=[EventCommit("a", LANE, "duplicate")])
    assert store.records.commit([done], store.records.now_ms()).done == [True]
    assert client.hkeys(names.journal_body(prefix, LANE)) == ["b"]
    assert client.zrange(names.journal_due(prefix, LANE), 0, -1) == ["b"]
    assert client.hkeys(store.keys.attempts) == ["b"]


def test_a_slow_worker_that_commits_all_leaves_the_lane_for_the_next_publish_to_ring(
    journal, put, store
):
    put("a")
    journal.take(LANE, [], 500)
    let_pass(store, 60_000)  # what it took is due again
    done = ServiceCommit("SVC-1", events=[EventCommit("a", LANE, "duplicate")])
    assert store.records.commit([done], store.records.now_ms(), lane=LANE).drained


def test_a_take_whose_answer_was_lost_is_answered_again(own_valkey):
    """redis-py sends a script once more where the connection went before the answer."""
    with lossy_client(own_valkey) as (client, lose):
        store = open_store(client, "lw:")
        store.journal.take("events", [], 1)  # the script is there
        body, due = names.journal_body("lw:", LANE), names.journal_due("lw:", LANE)
        for number in range(3):
            client.hset(body, f"k{number}", f"body {number}")
            client.zadd(due, {f"k{number}": store.records.now_ms()})
        client.hset(store.keys.attempts, "k2", 3)
        lose()
        taken = store.journal.take("events", ["k0", "carried"], 2)
        begun = {entry.key: entry.attempts - 1 for entry in taken.entries}
        assert begun == {"k0": 0, "k1": 0, "k2": 3}
        assert taken.carried == [None, 0]
        assert client.hgetall(store.keys.attempts) == {
            "k0": "1",
            "k1": "1",
            "k2": "3",
            "carried": "1",
        }
        # nobody else has them, and of the take is nothing left when its time is over
        assert store.journal.take("events", [], 9).entries == []
        (key,) = client.keys("lw:take:*")
        assert 0 < client.pttl(key) <= WORK_MS


def test_a_router_whose_answer_was_lost_is_ours_all_the_same(own_valkey):
    with lossy_client(own_valkey) as (client, lose):
        store = open_store(client, "lw:")
        store.routers.acquire("R2", "warm", 1)
        store.routers.add_work("R1", ["SVC-1"])
        lose()
        acquired = store.routers.acquire("R1", "token-1", 10)
        assert [work_item.service_id for work_item in acquired.work_items] == ["SVC-1"]
        assert store.routers.acquire("R1", "token-2", 10) == Busy()


@contextmanager
def lossy_client(valkey):
    """A client as workers have it, and what makes it lose its next answer once it was given."""
    client = connect(valkey.url)
    to_lose = []

    class Lossy(redis.connection.UnixDomainSocketConnection):
        def read_response(self, *args, **kwargs):
            answer = super().read_response(*args, **kwargs)
            if to_lose:
                to_lose.pop()
                self.disconnect()
                raise redis.ConnectionError("gone before the answer")
            return answer

    client.connection_pool.connection_class = Lossy
    with client:
        yield client, lambda: to_lose.append(1)
        assert not to_lose
