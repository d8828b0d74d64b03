"""A bug, or a broken record, stops the service that meets it, and no other of its router."""

import json

import pytest
from structlog.testing import capture_logs

from tests.builders import mac, mac_changed
from tests.small_installation import SmallInstallation, activated
from worker.convergence import batch as rounds
from worker.convergence import conclude, observe
from worker.convergence.concurrency import PassLimits
from worker.convergence.faults import MOST_FAILED
from worker.core.policy.circuit import BackOff
from worker.store.routers import Routers

pytestmark = [pytest.mark.redis, pytest.mark.router]

SPAN = 10**13


@pytest.fixture(autouse=True)
def logged():
    """What is logged; tracebacks on a terminal take seconds."""
    with capture_logs() as lines:
        yield lines


BAD = "SVC-7"


@pytest.fixture
def small():
    with SmallInstallation(1, limits=PassLimits(back_off=BackOff(0.1, 1.0, 1.0))) as small:
        yield small


def hurry(small, router="R1"):
    """Let all waits be over; the order in which marks are due stays."""
    block, now_ms = small.block(router), small.store.records.now_ms()
    small.client.delete(block.notified)
    work_items = small.client.zrange(block.due, 0, -1, withscores=True)
    for at, (service, score) in enumerate(work_items):
        due = now_ms - len(work_items) + at
        small.client.zadd(block.due, {service: int(score) // SPAN * SPAN + due})


def passes(small, most=20):
    """Passes, each without its wait, until no mark is left; returns how many there were."""
    for number in range(most):
        if number and not small.client.zcard(small.block("R1").due) and not state(small).open:
            return number
        hurry(small)
        small.converge.run("R1")
        assert not small.client.exists(small.block("R1").lock)
    return most


def state(small):
    return small.store.views.state("R1")


def alerts(small):
    return [(each.kind, each.subject) for each in small.store.alerts.all_open()]


def failing(monkeypatch, target, name, fails):
    """Have a function raise where `fails` says so of its arguments; returns how often it did."""
    real, times = getattr(target, name), []

    def call(*args, **kwargs):
        if fails(*args, **kwargs):
            times.append(1)
            raise KeyError("no such thing")
        return real(*args, **kwargs)

    monkeypatch.setattr(target, name, call)
    return times


def is_planned(wanted, *_, **__):
    return any(one.entry.service_id == BAD for one in wanted)


def is_written(_session, _hold, made, *_):
    return any(each.service_id == BAD for each in made.operations)


def is_confirmed(item, *_, **__):
    return item.work_item.service_id == BAD


def is_concluded(_self, _router, _token, ends):
    """When it is confirmed: the end of a service that is given up is another."""
    return any(end.work_item.service_id == BAD and end.result == "confirmed" for end in ends)


@pytest.mark.parametrize(
    ("target", "name", "fails"),
    [
        (rounds, "plan", is_planned),
        (rounds, "write", is_written),
        (rounds, "confirmed", is_confirmed),
        (Routers, "conclude", is_concluded),
    ],
    ids=["planning", "writing", "confirming", "concluding"],
)
def test_the_service_that_makes_passes_fail_is_found_and_the_others_go_on(
    small, monkeypatch, target, name, fails
):
    events = {f"SVC-{n}": activated(f"SVC-{n}", n) for n in range(1, 41)}
    small.say(*events.values())
    failing(monkeypatch, target, name, fails)
    small.converge.run("R1")
    # told at once, and the router is free
    assert (state(small).state, state(small).cause) == ("blocked", "internal-error")
    assert "KeyError: 'no such thing'" in state(small).message
    assert alerts(small) == [("router-blocked", "R1")]
    assert not small.client.exists(small.block("R1").lock)
    passes(small)
    for service, event in events.items():
        if service != BAD:
            assert small.outcome(event).startswith("applied"), service
    said = small.outcome(events[BAD])
    assert said.startswith("failed: internal-error (KeyError: 'no such thing'")
    (dead_letter,) = small.store.views.dead_letters()
    assert (dead_letter.id, dead_letter.reason) == (f"{BAD}@R1", "internal-error")
    assert state(small).state == "up"
    assert alerts(small) == []


def test_services_that_are_given_up_try_anew_with_their_next_event(small, monkeypatch):
    small.say(activated(BAD, 7))
    failing(monkeypatch, rounds, "plan", is_planned)
    passes(small)
    assert small.outcome(activated(BAD, 7)).startswith("failed: internal-error")
    monkeypatch.undo()  # the bug is mended
    change = mac_changed(BAD, mac(8))
    small.say(change)
    passes(small)
    assert small.outcome(change).startswith("applied")
    assert small.rows("R1")[0]["mac-address"] == mac(8)
    left = small.client.hkeys(small.store.keys.router("R1").memory)
    assert {*left} <= {"setup", "misfits", "effect-facts"}


def test_who_is_in_the_way_of_others_is_found_itself(small, monkeypatch):
    """The other one is brought in with each look at it."""
    small.say(activated(BAD, 7), activated("SVC-1", 1))
    passes(small)
    # the two swap their MACs
    swap = [mac_changed(BAD, mac(1)), mac_changed("SVC-1", mac(7))]
    small.say(*swap)
    failing(monkeypatch, rounds, "plan", is_planned)
    passes(small, 12)
    assert small.outcome(swap[0]).startswith("failed: internal-error")
    assert small.outcome(swap[1]).startswith("waiting: ")
    monkeypatch.undo()
    small.store.routers.add_work("R1", [BAD, "SVC-1"])
    passes(small)
    passes(small)
    assert small.outcome(swap[0]).startswith("applied")
    assert small.outcome(swap[1]).startswith("applied")


def test_what_is_no_services_fault_is_tried_again_and_gives_nobody_up(small, monkeypatch):
    event = activated()
    small.say(event)
    failing(monkeypatch, small.sessions, "open", lambda *_: True)
    for attempt in range(1, 5):
        hurry(small)
        small.converge.run("R1")
        assert state(small).cause == "internal-error"
        assert state(small).attempts == attempt
        assert not small.client.exists(small.block("R1").lock)
    monkeypatch.undo()
    passes(small)
    assert small.outcome(event).startswith("applied")
    assert (state(small).state, alerts(small)) == ("up", [])
    assert not small.store.views.dead_letters()


def test_a_router_whose_troubles_cannot_be_read_is_free_again(small):
    event = activated()
    small.say(event)
    small.client.hset(small.store.keys.router("R1").memory, "lacks:pool", "not a time")
    small.converge.run("R1")
    assert state(small).cause == "internal-error"
    assert not small.client.exists(small.block("R1").lock)
    small.client.delete(small.store.keys.router("R1").memory)
    passes(small)
    assert small.outcome(event).startswith("applied")
    assert alerts(small) == []


def test_a_record_that_cannot_be_read_is_given_up_and_the_others_go_on(small):
    small.say(activated(BAD, 7), activated("SVC-1", 1))
    key = small.store.keys.record(BAD)
    small.client.set(key, small.client.get(key).replace('"owner"', '"own'))
    passes(small)
    assert small.outcome(activated("SVC-1", 1)).startswith("applied")
    (dead_letter,) = small.store.views.dead_letters()
    assert (dead_letter.id, dead_letter.reason) == (f"{BAD}@R1", "internal-error")
    assert "its record cannot be read: JSONDecodeError" in dead_letter.detail
    assert (state(small).state, alerts(small)) == ("up", [])


def test_who_cannot_even_be_given_up_goes_with_a_letter(small, monkeypatch):
    small.say(activated(BAD, 7), activated("SVC-1", 1))
    failing(monkeypatch, rounds, "plan", is_planned)
    failing(monkeypatch, conclude, "_outcomes", lambda item, *_: item.service_id == BAD)
    passes(small)
    (dead_letter,) = small.store.views.dead_letters()
    assert (dead_letter.id, dead_letter.reason) == (f"{BAD}@R1", "internal-error")
    assert small.outcome(activated("SVC-1", 1)).startswith("applied")


def test_a_report_that_fails_holds_up_no_service(small, monkeypatch):
    small.say(activated())
    passes(small)
    failing(monkeypatch, small.store.full_reads.__class__, "save_pools", lambda *_: True)
    change = mac_changed(mac=mac(2))
    small.client.sadd(small.store.keys.reports.asked, "R1")
    small.say(change)
    small.converge.run("R1")
    assert small.outcome(change).startswith("applied")
    assert (state(small).state, alerts(small)) == ("up", [])


def test_an_observed_router_finds_it_too(monkeypatch):
    lines = {"R1": 'mode = "observe"'}
    limits = PassLimits(back_off=BackOff(0.1, 1.0, 1.0))
    with SmallInstallation(1, router_lines=lines, limits=limits) as small:
        events = {f"SVC-{n}": activated(f"SVC-{n}", n) for n in range(1, 21)}
        small.say(*events.values())
        failing(monkeypatch, observe, "plan", is_planned)
        passes(small)
        assert small.outcome(events[BAD]).startswith("failed: internal-error")
        said = {small.outcome(event)[:8] for name, event in events.items() if name != BAD}
        assert said == {"observed"}


def test_a_bug_that_concerns_many_gives_few_of_them_up(small, monkeypatch):
    events = {f"SVC-{n}": activated(f"SVC-{n}", n) for n in range(1, 13)}
    small.say(*events.values())
    healthy = "SVC-9"

    def fails(wanted, *_, **__):
        return any(one.entry.service_id != healthy for one in wanted)

    failing(monkeypatch, rounds, "plan", fails)
    passes(small, 60)
    assert small.outcome(events[healthy]).startswith("applied")
    assert len(small.store.views.dead_letters()) == MOST_FAILED
    assert alerts(small) == [("router-blocked", "R1")]
    monkeypatch.undo()  # the bug is mended
    passes(small, 10)
    dead_letters = {dead_letter.service_id for dead_letter in small.store.views.dead_letters()}
    said = {small.outcome(event)[:7] for name, event in events.items() if name not in dead_letters}
    assert said == {"applied"}
    assert alerts(small) == []


def test_another_pass_of_this_process_is_no_fault_of_the_router(small):
    event = activated()
    small.say(event)
    session = small.sessions.open("R1")  # of a pass whose lease ran out
    small.converge.run("R1")
    assert (state(small).state, alerts(small)) == ("up", [])
    block = small.block("R1")
    assert not small.client.exists(block.lock)
    assert 0 < small.client.pttl(block.notified) <= 500
    small.sessions.give_back("R1", session)
    passes(small)
    assert small.outcome(event).startswith("applied")


def newer(small, service):
    """What a version with the next record format would have written."""
    key = small.store.keys.record(service)
    text = small.client.get(key)
    assert '"format":4' in text
    small.client.set(key, text.replace('"format":4', '"format":9'))


def older(small, service):
    key = small.store.keys.record(service)
    small.client.set(key, small.client.get(key).replace('"format":9', '"format":4'))


def test_a_newer_record_is_left_alone_and_its_neighbours_go_on(small):
    a, b = activated("SVC-A", 1), activated("SVC-B", 2)
    small.say(a, b)
    small.drain()
    newer(small, "SVC-A")
    change = mac_changed("SVC-B", mac(3))
    small.say(change)
    small.store.routers.add_work("R1", ["SVC-A"])
    small.converge.run("R1")
    assert small.outcome(change).startswith("applied")
    assert (state(small).state, alerts(small)) == ("up", [])
    assert not small.client.exists(small.block("R1").lock)
    # it waits a moment, for a worker that can read it
    assert small.store.views.router_waiting("R1")["SVC-A"]["reason"] == "newer-version"
    wait_ms = next(iter(small.client.zrange(small.block("R1").due, 0, -1, withscores=True)))[1]
    assert 0 < wait_ms % SPAN - small.store.records.now_ms() <= 2_000
    older(small, "SVC-A")  # as the newer one would see it
    passes(small)
    assert small.store.views.router_waiting("R1") == {}


def test_a_newer_record_alone_opens_no_session(small, monkeypatch):
    small.say(activated("SVC-A", 1))
    newer(small, "SVC-A")
    logins = failing(monkeypatch, small.sessions, "open", lambda *_: True)
    small.converge.run("R1")
    assert not logins
    assert json.loads(small.client.hget(small.block("R1").waiting, "SVC-A"))["since_ms"]


def test_who_wants_what_a_newer_record_holds_waits_for_a_holder_that_is_not_named(small):
    """Whose service it is cannot be read: so its name is withheld, as that of another source."""
    a, b = activated("SVC-A", 1), activated("SVC-B", 2)
    small.say(a, b)
    small.drain()
    newer(small, "SVC-A")
    change = mac_changed("SVC-B", mac(1))
    small.say(change)
    small.converge.run("R1")
    assert small.outcome(change).startswith("waiting: claim-held")
    assert f"mac:{mac(1)} is held by a service of another source" in small.outcome(change)
    assert "SVC-A" not in small.outcome(change)
    (held,) = small.store.claims.at("R1", [f"mac:{mac(1)}"])
    assert (held.holder, held.is_held, held.waiters) == ("SVC-A", True, ("SVC-B",))
    assert (state(small).state, alerts(small)) == ("up", [])
