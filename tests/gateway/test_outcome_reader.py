"""A BSS reads what became of its events: by the Python client, from a real gateway."""

import pytest

from contracts.identity import event_key
from gateway.api.api_keys import KeyScope
from gateway.api.states import EVENT_STATES
from producers.errors import KeyRefused
from producers.outcome_reader import (
    FINAL_STATES,
    CursorTooOld,
    OutcomeReader,
    ReadFailed,
    outcome_of,
)
from tests import builders
from tests.gateway.test_outcome_feed import NOC, say
from tests.producers.fake_gateway import FakeGateway
from worker.core.service.event_ref import EventRef
from worker.core.service.outcome import Outcome
from worker.store.commits import ServiceCommit

pytestmark = pytest.mark.redis


@pytest.fixture
def reader_with(gateway):
    """Makes readers with keys of their own."""
    made = []

    def make(*scopes, **options):
        made.append(OutcomeReader(gateway.url, gateway.key(*scopes).token, **options))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def commit(gateway, state):
    """Let the event e-1 have this outcome."""
    at_ms = gateway.store.records.now_ms()
    event = EventRef(event_key(builders.SOURCE, "e-1"), "e-1", builders.SOURCE, "t")
    outcome = Outcome(event, "S", state, at_ms=at_ms)
    gateway.store.records.commit([ServiceCommit("", outcomes=[outcome])], at_ms)


def test_final_means_what_the_gateway_says():
    states = {name for name, state in EVENT_STATES.items() if state.final}
    assert states - {"acting"} == FINAL_STATES  # `acting` is of feed and webhooks alone


def test_an_event_is_read_by_source_and_id(gateway, reader_with):
    reader = reader_with()
    assert reader.outcome(builders.SOURCE, "no/../id?") is None
    event = builders.mac_changed("S", id_="odd:id")
    gateway.client().post("/v1/events", json=event).raise_for_status()
    found = reader.outcome(builders.SOURCE, "odd:id")
    assert (found.event_id, found.state, found.is_final) == ("odd:id", "journaled", False)


def test_a_caller_waits_until_the_outcome_is_final(gateway, reader_with):
    states = ["accepted", "waiting", "applied", "failed"]
    now = [0.0]

    def sleep(pause_s):
        now[0] += pause_s
        commit(gateway, states.pop(0))

    reader = reader_with(sleep=sleep, clock=lambda: now[0])
    assert reader.wait_until_final(builders.SOURCE, "e-1", within_s=60).state == "applied"
    assert states == ["failed"]


def test_when_time_is_up_it_gets_the_last_outcome(gateway, reader_with):
    commit(gateway, "waiting")
    reader = reader_with()
    assert reader.wait_until_final(builders.SOURCE, "e-1", within_s=0).state == "waiting"
    assert reader.wait_until_final(builders.SOURCE, "e-2", within_s=0) is None


def test_the_feed_is_read_page_by_page(gateway, reader_with):
    for number in range(3):
        say(gateway, number, "waiting", reason="foreign-row")
    say(gateway, 9, source=NOC)
    reader = reader_with()
    first = reader.page(most=2)
    second = reader.page(first.cursor)
    assert (first.more, second.more) == (True, False)
    assert [
        (outcome.event_id, outcome.state, outcome.reason, outcome.service_id)
        for outcome in (*first.outcomes, *second.outcomes)
    ] == [(f"e-{number}", "waiting", "foreign-row", "S") for number in range(3)]
    assert reader.page("latest").outcomes == ()
    say(gateway, 0, "applied")
    [applied] = reader.page(second.cursor, wait_s=5).outcomes
    assert (applied.is_final, applied.document["state"]) == (True, "applied")


def test_a_cursor_that_is_too_old_and_a_key_that_may_not_read_are_said(gateway, reader_with):
    say(gateway, 1)
    reader = reader_with()
    cursor = reader.page().cursor
    say(gateway, 2)
    gateway.store.feed.trim(gateway.store.records.now_ms() + 40 * 86_400_000)
    with pytest.raises(CursorTooOld, match=r"410: .*start without a cursor"):
        reader.page(cursor)
    publisher = reader_with(KeyScope.PUBLISH)
    with pytest.raises(KeyRefused, match="correct the key or its scopes"):
        publisher.outcome(builders.SOURCE, "e-1")
    with pytest.raises(KeyRefused):
        publisher.wait_until_final(builders.SOURCE, "e-1", within_s=60)


def test_who_is_no_gateway_is_said_at_the_end_of_the_wait():
    now = [0.0]

    def sleep(pause_s):
        now[0] += pause_s

    with (
        FakeGateway() as other,
        OutcomeReader(other.url, "key", sleep=sleep, clock=lambda: now[0]) as reader,
        pytest.raises(ReadFailed, match=r"the gateway answers|cannot be reached"),
    ):
        reader.wait_until_final(builders.SOURCE, "e-1", within_s=2)
    assert now == [2.0]
    with pytest.raises(ValueError, match="must not be sent unencrypted"):
        OutcomeReader("http://provisioning.example", "key")


@pytest.mark.parametrize("document", [{}, {"data": 1}, {"event": "e", "source": "s", "state": 1}])
def test_what_is_no_outcome_is_refused(document):
    with pytest.raises(ValueError, match="no outcome"):
        outcome_of(document)
