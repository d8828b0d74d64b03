"""Events that end the worker that folds them, broken ones, and workers that meet."""

import json
import threading
from dataclasses import replace

import pytest

from contracts import names
from tests.builders import SOURCE, activated, event, ipv4, mac, mac_changed, snapshot, suspended
from tests.worker.desk import POLICIES, Desk, key_of
from worker.errors import StoreUnavailable
from worker.store.connection import Scripts

pytestmark = pytest.mark.redis


class Crash(BaseException):
    """What ends a worker: nothing may catch it."""


class Deadly(dict):
    """Policies that end whoever asks for the router BOOM."""

    def get(self, name, default=None):
        if name == "BOOM":
            raise Crash
        return super().get(name, default)


@pytest.fixture
def doomed(store):
    return Desk(store, policies=Deadly(POLICIES))


def many(count):
    return [
        activated(f"SVC-{n}", mac=mac(n), ipv4=ipv4(n), router=f"R{n % 2 + 1}")
        for n in range(1, count + 1)
    ]


def attempts(desk):
    found = desk.store.client.hgetall(desk.store.keys.attempts)
    return {key: int(count) for key, count in found.items()}


@pytest.mark.parametrize("way", ["published", "sent", "both"])
def test_a_poison_event_takes_no_other_with_it(doomed, way):
    """It ends five workers; all the others are through by the third: then it is the last."""
    poison = activated("SVC-X", router="BOOM")
    events = many(60)
    events.insert(17, poison)
    carried = events if way in {"sent", "both"} else ()
    if way in {"published", "both"}:
        doomed.publish(*events)
    crashes = 0
    while crashes < 20:
        try:
            doomed.send(*carried)
            break
        except Crash:
            crashes += 1
            doomed.give_back()  # or its message comes back
            if crashes == 3:
                assert doomed.counters["accepted"] == 60
                assert attempts(doomed) == {key_of(poison): 3}
    assert crashes == 5
    assert doomed.state(poison) == "failed: poison"
    assert doomed.dead_letters[key_of(poison)].attempts == 6
    assert json.loads(doomed.dead_letters[key_of(poison)].body) == poison
    assert (doomed.counters["accepted"], doomed.counters["failed"]) == (60, 1)
    assert doomed.store.journal.depth(names.QUEUE_EVENTS) == 0
    assert attempts(doomed) == {}


@pytest.mark.parametrize("is_back", [True, False])
def test_what_redis_kept_us_from_ending_counts_no_attempt(store, monkeypatch, is_back):
    """The worker lives and says so; attempts find out events that end it."""
    desk = Desk(store)
    first, second = activated(), activated("SVC-2", mac=mac(2), ipv4=ipv4(2), router="R2")
    desk.publish(first)
    run = Scripts.run
    away = []

    def failing(self, name, *args, **more):
        if name == "commit" or (away and not is_back):
            away.append(name)
            raise StoreUnavailable("Connection closed by server.")
        return run(self, name, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Scripts, "run", failing)
        for _ in range(6):
            with pytest.raises(StoreUnavailable):
                desk.send()
            assert attempts(desk) == ({} if is_back else {key_of(first): 1})
            away.clear()  # and 10 seconds go by
            desk.give_back()
    desk.publish(second)
    desk.send()
    assert desk.state(first) == "accepted"
    assert desk.state(second) == "accepted"
    assert attempts(desk) == {}


def test_those_that_may_have_caused_the_crash_come_last(doomed):
    poison, *others = [activated("SVC-X", router="BOOM"), *many(5)]
    doomed.publish(poison)
    for _ in range(2):
        with pytest.raises(Crash):
            doomed.send()
        doomed.give_back()
    doomed.publish(*others)
    with pytest.raises(Crash):
        doomed.send()
    assert doomed.counters == {"accepted": 5}


BROKEN_TEXTS = [
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "{}",
    '{"id": NaN}',
    "[" * 5000,
    '{"a":1}{',
    "\x00",
]


def test_broken_entries_of_the_journal_are_kept_and_do_no_harm(desk):
    good = activated()
    desk.publish(*BROKEN_TEXTS, good)
    assert desk.send() == len(BROKEN_TEXTS) + 1
    assert desk.state(good) == "accepted"
    assert sorted(dead_letter.body for dead_letter in desk.dead_letters.values()) == sorted(
        BROKEN_TEXTS
    )
    assert {dead_letter.reason for dead_letter in desk.dead_letters.values()} <= {
        "invalid-event",
        "unsupported-type",
    }
    assert desk.counters == {"accepted": 1, "rejected": len(BROKEN_TEXTS)}
    assert desk.store.journal.depth(names.QUEUE_EVENTS) == 0


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"id": value}
    return value


BROKEN_ELEMENTS = [
    None,
    7,
    1.5,
    True,
    "text",
    "\ud800",
    [],
    [[]],
    {},
    {"id": 1, "source": 2},
    {"id": "x", "source": SOURCE},
    {"id": "\ud800", "source": "\ud800", "data": {"service_id": "\ud800"}},
    event("activated", revision="1"),
    activated() | {"data": []},
    nested(400),
    nested(20_000),
]


def test_broken_elements_of_a_message_are_kept_and_do_no_harm(desk):
    good = activated("SVC-9")
    desk.send(*BROKEN_ELEMENTS, good)
    assert desk.state(good) == "accepted"
    assert desk.counters == {"accepted": 1, "rejected": len(BROKEN_ELEMENTS)}
    bodies = [dead_letter.body for dead_letter in desk.dead_letters.values()]
    assert len(bodies) == len(BROKEN_ELEMENTS)
    assert json.dumps(BROKEN_ELEMENTS[9]) in bodies


def test_no_depth_of_nesting_is_too_deep_to_be_refused(desk):
    """What can just be read may be too deep to be written, a few calls further down."""
    depths = range(850, 1050)
    for depth in depths:
        assert desk.send(nested(depth)) == 1
    desk.publish(*['{"id":' * depth + "1" + "}" * depth for depth in depths])
    desk.send()
    assert desk.counters == {"rejected": 2 * len(depths)}


@pytest.mark.parametrize("arguments", [{}, {"args": [1]}, {"args": ["\ud800"], "kwargs": {"a": 1}}])
def test_a_message_with_other_arguments_becomes_a_dead_letter(desk, arguments):
    desk.accept.refuse_message(arguments)
    (dead_letter,) = desk.dead_letters.values()
    assert dead_letter.reason == "invalid-message"
    assert json.loads(dead_letter.body) == arguments


class Meeting:
    """Records of one worker, where another comes in before a step."""

    def __init__(self, records, before, hook):
        self._records = records
        self._before = before
        self._hook = hook

    def __getattr__(self, name):
        hook, self._hook = (self._hook, None) if name == self._before else (None, self._hook)
        if hook is not None:
            hook()
        return getattr(self._records, name)


def meeting(desk, before, hook):
    return Desk(replace(desk.store, records=Meeting(desk.store.records, before, hook)))


@pytest.mark.parametrize("before", ["read_for", "commit"])
def test_what_another_worker_commits_in_between_is_folded_into(desk, before):
    desk.send(activated())
    change, suspension = mac_changed(mac=mac(5)), suspended()
    meeting(desk, before, lambda: desk.send(change)).send(suspension)
    record = desk.record()
    assert (record.value("mac"), record.status) == (mac(5), "suspended")
    assert [each.event.id for each in record.pending][1:] == [change["id"], suspension["id"]]
    assert desk.counters == {"accepted": 3}


@pytest.mark.parametrize("before", ["read_for", "commit"])
def test_an_event_that_two_workers_fold_at_once_is_a_duplicate_for_one(desk, before):
    desk.send(activated())
    change, newer = mac_changed(mac=mac(5)), mac_changed(mac=mac(6), revision=3)

    def other():
        desk.send(change)
        desk.converge()
        desk.send(newer)

    meeting(desk, before, other).send(change)
    assert desk.state(change) == "applied"
    assert desk.counters == {"accepted": 3, "applied": 2, "duplicate": 1}


def test_two_workers_share_a_journal(desk, store, valkey):
    """Each event is folded once, whoever takes it, and the records are those of one order."""
    services = [f"SVC-{n}" for n in range(8)]
    events = [activated(s, mac=mac(n), ipv4=ipv4(n)) for n, s in enumerate(services)]
    events += [
        mac_changed(s, mac(100 + (7 * r + n) % 100), revision=r)
        for r in range(2, 40)
        for n, s in enumerate(services)
    ]
    desk.publish(*events)
    failures = []

    def work(worker):
        try:
            while worker.store.journal.depth(names.QUEUE_EVENTS):
                worker.send()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    workers = [Desk(store), Desk(store)]
    for worker in workers:
        # takes are small, so that both meet over the same services
        object.__setattr__(worker.accept, "store", replace(store, journal=Sips(store.journal)))
    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for n, service in enumerate(services):
        assert desk.record(service).value("mac") == mac(100 + (7 * 39 + n) % 100)
    counts = desk.counters
    assert counts["accepted"] + counts["superseded"] >= len(events)
    assert attempts(desk) == {}


class Sips:
    """A journal of which one takes a few entries at a time."""

    def __init__(self, journal):
        self._journal = journal

    def take(self, lane, carried, most):
        return self._journal.take(lane, carried, 5)

    def __getattr__(self, name):
        return getattr(self._journal, name)


def test_a_backlog_is_worked_off_and_a_second_worker_is_called(desk):
    desk.publish(*[snapshot(f"S-{n}", pool="cust") for n in range(600)])
    assert desk.send() == 600
    assert desk.lanes == ["events"]  # by the first take, which was full
    assert desk.store.journal.depth(names.QUEUE_EVENTS) == 0


def test_bulk_is_served_only_while_there_are_no_live_events(desk):
    desk.publish(snapshot("S-1", mac=mac(1)), lane=names.QUEUE_BULK)
    desk.publish(snapshot("S-2", mac=mac(1)))
    desk.send(lane=names.QUEUE_BULK)
    # the live one had the MAC first
    held = desk.store.client.hget(desk.store.keys.router("R1").claims, f"mac:{mac(1)}")
    assert json.loads(held) == {"dhcp1": ["S-2", 1]}
