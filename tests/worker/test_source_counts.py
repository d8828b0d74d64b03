"""A source of which most events come too late is told once, and once more when it recovers."""

import pytest
import structlog

from tests.builders import SOURCE, activated, event, mac, mac_changed
from tests.worker.desk import OTHER, Desk
from worker.store.commits import ServiceCommit
from worker.store.sources import LEAST, WINDOW, SourceCount

pytestmark = pytest.mark.redis

NEW, LATE = SourceCount(1, 0), SourceCount(1, 1)


def feed(store, counts, count, at_once=1):
    """One by one, so many of them in a message to Redis; returns the alarms."""
    commits = [ServiceCommit("", source_counts={SOURCE: counts})] * at_once
    told = [store.records.commit(commits, 0).alarms for _ in range(count // at_once)]
    return [alarm for alarms in told for alarm in alarms]


def test_the_alarm_goes_up_once_and_down_once(store):
    assert feed(store, NEW, 30) == []
    assert feed(store, LATE, 30) == []
    (up,) = feed(store, LATE, 200)
    assert up.up
    assert up.superseded * 2 > up.events
    assert store.sources.views([SOURCE])[SOURCE].alarm_ms > 0
    assert feed(store, LATE, 100) == []
    (down,) = feed(store, NEW, 500)
    assert not down.up
    assert store.sources.views([SOURCE])[SOURCE].alarm_ms == 0
    view = store.sources.views([SOURCE])[SOURCE]
    assert (view.events, view.superseded) == (860, 330)


def test_a_few_tell_nothing_and_half_of_them_keep_it_as_it_is(store):
    assert feed(store, LATE, LEAST - 1) == []
    assert len(feed(store, LATE, 1)) == 1
    swings = [c for n in range(500) for c in feed(store, LATE if n % 2 else NEW, 1)]
    assert swings == []  # neither clearly bad nor clearly well


def test_what_is_long_ago_does_not_count(store):
    feed(store, NEW, 50 * WINDOW, at_once=WINDOW)
    assert len(feed(store, LATE, 2 * WINDOW)) == 1


def test_accepting_counts_what_was_new_and_what_came_too_late(store):
    desk = Desk(store)
    first, late = mac_changed(revision=3), mac_changed(revision=2, mac=mac(5))
    desk.send(activated(), first, late, first)
    desk.send(event("plan_changed", revision=4, plan={"code": "P"}, source=OTHER))  # refused
    view = store.sources.views([SOURCE])[SOURCE]
    assert (view.events, view.superseded) == (3, 1)
    assert store.sources.views([OTHER])[OTHER].events == 0
    assert view.last_ms > 0


def test_the_alarm_is_one_line_with_what_to_do(store):
    desk = Desk(store)
    desk.send(activated(revision=1_000))
    with structlog.testing.capture_logs() as lines:
        for n in range(1, 2 * LEAST):
            desk.send(mac_changed(revision=n, mac=mac(n)))
    (line,) = [each for each in lines if each["event"] == "source.mostly_superseded"]
    assert line["source"] == SOURCE
    assert line["log_level"] == "error"
    assert "sources rebase" in line["advice"]
