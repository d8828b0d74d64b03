"""Events ahead of Redis's clock: nobody knows whether that or the BSS's is wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts import names
from tests.builders import activated, mac, mac_changed
from tests.waiting import eventually
from tests.worker.desk import TIMES
from worker.watching.backlogs import Backlogs

pytestmark = pytest.mark.redis

SKEW_S = 300
DAY_S = 86_400


def ahead(desk, seconds, make=activated, **more):
    """An event whose time is that far ahead of Redis's clock."""
    now_ms = desk.store.records.now_ms()
    moment = datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(seconds=seconds)
    return make(source=TIMES, time=moment.isoformat(), revision=None, **more)


def alerts(desk):
    desk.store.client.delete(desk.store.keys.alert_check)
    Backlogs(desk.store, 3_600_000).check()
    return {(each.kind, each.subject): each.text for each in desk.store.alerts.all_open()}


@pytest.mark.parametrize("by", ["journal", "message"])
def test_it_waits_in_the_journal_until_redis_is_near_its_time(desk, by):
    event = ahead(desk, SKEW_S + 1.5)
    if by == "journal":
        desk.publish(event)
        desk.send()
    else:
        desk.send(event)
    assert (desk.state(event), desk.dead_letters) == (None, {})
    assert desk.store.journal.depth("events") == 1
    assert desk.send() == 0, "nobody looks before its time"
    eventually(lambda: desk.send() == 1, "it is folded", within_s=10)
    assert desk.state(event) == "accepted"
    assert desk.store.journal.depth("events") == 0


def test_looking_at_it_early_makes_no_poison_of_it(desk, store):
    """As after Redis's clock was set back, which brings what waits to be looked at again."""
    event = ahead(desk, 3600)
    desk.send(event)
    for _ in range(7):
        desk.give_back()
        assert desk.send() == 1
    assert store.client.hgetall(store.keys.attempts) == {}
    assert desk.dead_letters == {}
    assert store.journal.depth("events") == 1


def test_it_keeps_no_other_event_waiting(desk):
    early, other = ahead(desk, 3600), activated("SVC-2", mac=mac(2), ipv4="198.51.100.2")
    desk.publish(early, other)
    desk.send()
    assert (desk.state(early), desk.state(other)) == (None, "accepted")


def test_each_source_of_such_events_is_told_of_until_none_waits(desk, store):
    event = ahead(desk, 3600)
    desk.send(event, ahead(desk, 3700, mac_changed, mac=mac(2)))
    message = alerts(desk)[("time-in-future", TIMES)]
    assert message.startswith("2 events wait, more than 5 minutes ahead of Redis's clock")
    for key in (names.journal_body, names.journal_due):
        store.client.delete(key(store.keys.prefix, "events"))
    assert alerts(desk) == {}


def test_what_a_worker_has_in_hand_is_no_event_ahead(desk, store):
    desk.publish(activated())
    store.journal.take("events", [], 500)
    assert alerts(desk) == {}


def test_one_that_is_ahead_of_every_clock_by_more_than_a_day_is_refused(desk):
    event = ahead(desk, DAY_S + SKEW_S)
    desk.send(event)
    assert desk.state(event) == "rejected: time-in-future"


def test_where_redis_is_days_behind_the_workers_clock_counts(desk, store):
    """A Redis that began in 1970 refuses nothing for good."""
    event = ahead(desk, 9 * DAY_S)
    now_s = store.records.now_ms() / 1000
    desk.accept = replace(desk.accept, clock=lambda: now_s + 9 * DAY_S)
    desk.send(event)
    assert desk.state(event) is None
    assert store.journal.depth("events") == 1
