"""Outcome webhooks: signed, in order, not lost while a target is away, and nobody held up by it."""

import json
import socket

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from structlog.testing import capture_logs

from gateway.keys import GatewayKeys
from gateway.outcomes.delivery import GIVE_UP_MS
from tests.outcomes.receiver import Receiver
from tests.waiting import eventually
from worker.store.feed import KEPT_MS

pytestmark = pytest.mark.redis


def test_each_change_comes_signed_once_and_in_order(post, receiver, secret):
    with post.delivering(post.target(receiver.port, secret)):
        post.say(1, 2, state="accepted")
        post.say(1)
        post.say(7, source="urn:isp:other")
        eventually(lambda: len(receiver.taken) == 3, "all came")
        post.say(3)
        eventually(lambda: len(receiver.taken) == 4, "the next one came")
    assert receiver.events() == ["e-1", "e-2", "e-1", "e-3"]
    first = receiver.taken[0]
    assert first["type"] == "leasewire.outcome.accepted.v1"
    assert (first["source"], first["subject"]) == ("urn:leasewire:acme", "service/SVC-1")
    assert post.deliveries().state()["delivered"] == "4"


def test_the_body_is_a_cloudevent(post, receiver, secret):
    with post.delivering(post.target(receiver.port, secret)):
        post.say(1)
        eventually(lambda: receiver.taken, "it came")
    message = HTTPMessage(
        {"Content-Type": "application/cloudevents+json"}, json.dumps(receiver.taken[0]).encode()
    )
    assert from_structured_event(message).get_type() == "leasewire.outcome.applied.v1"


def test_another_process_continues_where_the_first_ended(post, receiver, secret):
    target = post.target(receiver.port, secret)
    with post.delivering(target):
        post.say(1)
        eventually(lambda: receiver.taken, "it came")
    post.say(2)
    with post.delivering(target):
        eventually(lambda: len(receiver.taken) == 2, "the next one came")
    assert receiver.events() == ["e-1", "e-2"]


def test_two_processes_deliver_once(post, receiver, secret):
    target = post.target(receiver.port, secret)
    with post.delivering(target), post.delivering(target):
        for number in range(20):
            post.say(number)
        eventually(lambda: len(receiver.taken) >= 20, "all came")
    assert receiver.events() == [f"e-{n}" for n in range(20)]


def test_a_process_that_was_stopped_in_its_turn_sets_nothing_back(post, receiver, secret):
    """It goes on with an outcome in its hands, after another has delivered in its place."""
    target = post.target(receiver.port, secret)
    keys = GatewayKeys(post.prefix).target("bss")

    def take_over(_event):
        if not receiver.taken:
            post.client.set(keys.holder, "another")
            post.client.set(keys.cursor, post.store.feed.last())
        return 200, {}

    receiver.answers = take_over
    with capture_logs() as lines, post.delivering(target):
        post.say(1, 2, 3)
        eventually(lambda: any(line["event"] == "target.taken_over" for line in lines), "noticed")
        assert post.client.get(keys.cursor) == post.store.feed.last()
        post.client.delete(keys.holder)
        post.say(4)
        eventually(lambda: len(receiver.taken) == 2, "it has its turn again")
    assert receiver.events() == ["e-1", "e-4"]


def test_a_target_that_is_down_delays_no_other_and_gets_all_in_order_later(post, secret):
    with socket.create_server(("127.0.0.1", 0)) as silent, Receiver(secret) as well:
        port = silent.getsockname()[1]
        dead = post.target(port, secret, "dead", timeout_s=0.3)
        with post.delivering(dead, post.target(well.port, secret, "well")):
            post.say(1, 2, 3)
            eventually(lambda: len(well.taken) == 3, "the other target has them")
            eventually(lambda: "message" in post.deliveries("dead").state(), "it is failing")
    assert "no answer within" in post.deliveries("dead").state()["message"]
    with Receiver(secret) as back:
        with post.delivering(post.target(back.port, secret, "dead")):
            eventually(lambda: len(back.taken) == 3, "all came in the end")
        assert back.events() == ["e-1", "e-2", "e-3"]
    assert post.deliveries("dead").state()["dead"] == "0"


def test_a_slow_answer_times_out(post, secret):
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = post.target(server.getsockname()[1], secret, timeout_s=0.5)
        with post.delivering(target):
            post.say(1)
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 2")
                eventually(lambda: "message" in post.deliveries().state(), "it is given up")


@pytest.mark.parametrize("status", [400, 500, 301])
def test_a_refused_outcome_is_retried_and_the_others_are_delivered(post, receiver, secret, status):
    bad = {"e-1"}
    receiver.answers = lambda event: (
        (status, {"Location": "http://127.0.0.1:1/"})
        if event["data"]["event"] in bad
        else (200, {})
    )
    with post.delivering(post.target(receiver.port, secret)):
        post.say(1, 2)
        eventually(lambda: receiver.events() == ["e-2"], "the other one came")
        eventually(lambda: post.deliveries().state()["aside"] == "1", "it is set aside")
        bad.clear()
        post.clock.ahead_ms += 10_000
        eventually(lambda: receiver.events() == ["e-2", "e-1"], "it came in the end")
    assert post.deliveries().state()["aside"] == "0"
    assert len({each["id"] for each in receiver.attempts}) == 2


def test_503_keeps_the_order_and_its_retry_after(post, receiver, secret):
    away = [(503, {"Retry-After": "1"})]
    receiver.answers = lambda event: away.pop() if away else (200, {})
    with post.delivering(post.target(receiver.port, secret)):
        post.say(1, 2)
        eventually(lambda: receiver.events() == ["e-1", "e-2"], "both came in order")
    assert len(receiver.attempts) == 3


def test_after_three_days_an_outcome_is_kept_for_a_person_to_retry(post, receiver, secret):
    receiver.answers, receiver.clock = lambda event: (400, {}), post.clock
    with post.delivering(post.target(receiver.port, secret)):
        post.say(1)
        eventually(lambda: post.deliveries().state()["aside"] == "1", "it is set aside")
        post.clock.ahead_ms += GIVE_UP_MS + 60_000
        eventually(lambda: post.deliveries().state()["dead"] == "1", "it is given up")
        (dead,) = post.deliveries().dead()
        assert (dead.tries, dead.message) == (2, "answered 400")
        receiver.answers = lambda event: (200, {})
        assert post.deliveries().retry([dead.id], post.clock(), "{}") == 1
        eventually(lambda: receiver.events() == ["e-1"], "it came")
    assert post.deliveries().dead() == []


def test_a_target_that_is_down_for_three_days_loses_nothing_silently(post, secret):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with post.delivering(post.target(port, secret)):
        post.say(1, 2)
        eventually(lambda: "message" in post.deliveries().state(), "it is failing")
        post.clock.ahead_ms += GIVE_UP_MS + 60_000
        eventually(lambda: post.deliveries().state()["dead"] == "2", "both are kept")
    assert [each.event["data"]["event"] for each in post.deliveries().dead()] == ["e-1", "e-2"]


def test_a_target_that_was_down_for_too_long_gets_a_missed_event(post, receiver, secret):
    deliveries = post.deliveries()
    deliveries.cursor(post.store.feed.last())
    post.say(1)
    post.store.feed.trim(post.store.records.now_ms() + KEPT_MS + 1_000)
    post.say(2)
    with post.delivering(post.target(receiver.port, secret)):
        eventually(lambda: len(receiver.taken) == 2, "both came")
    assert {each["type"] for each in receiver.taken} == {
        "leasewire.outcome.missed.v1",
        "leasewire.outcome.applied.v1",
    }


def test_only_the_configured_states_are_delivered(post, receiver, secret):
    with post.delivering(post.target(receiver.port, secret, states=frozenset({"applied"}))):
        post.say(1, state="accepted")
        post.say(1)
        eventually(lambda: receiver.taken, "it came")
    assert [each["data"]["state"] for each in receiver.attempts] == ["applied"]
