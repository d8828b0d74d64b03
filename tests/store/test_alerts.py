"""An alert is told when it lasts, and its end only if it was told."""

import pytest

from tests.waiting import eventually
from worker.core.alerting import alerts as core
from worker.core.alerting.alerts import KINDS

pytestmark = pytest.mark.redis


def short(monkeypatch, kind, seconds):
    monkeypatch.setitem(core.KINDS, kind, KINDS[kind]._replace(notified_after_s=seconds))


def test_what_ends_soon_is_never_told(store):
    assert store.alerts.open("router-down", "R1", "no answer")
    assert store.alerts.notify_due() == []
    assert store.alerts.resolve("router-down", "R1")
    assert not store.alerts.resolve("router-down", "R1")
    assert store.alerts.all_open() == []
    assert store.alerts.changes() == []


def test_it_is_begun_once_and_keeps_since_when(store):
    assert store.alerts.open("brake", "R1", "15 cancellations")
    (first,) = store.alerts.all_open()
    assert len(store.alerts.notify_due()) == 1
    eventually(lambda: store.records.now_ms() > first.since_ms, "the clock went on")
    assert not store.alerts.open("brake", "R1", "16 cancellations")
    (alert,) = store.alerts.all_open()
    assert (alert.since_ms, alert.text, alert.notified) == (
        first.since_ms,
        "16 cancellations",
        True,
    )
    assert store.alerts.notify_due() == []


def test_it_is_told_when_it_lasts_and_so_is_its_end(store, monkeypatch):
    short(monkeypatch, "router-down", 0.05)
    store.alerts.open("router-down", "R1", "no answer")
    assert store.alerts.notify_due() == []
    eventually(store.alerts.notify_due, "it lasts")
    store.alerts.resolve("router-down", "R1", "back, 3 written")
    ended, begun = store.alerts.changes()
    assert (begun.what, begun.alert.name, begun.text) == ("begun", "router-down|R1", "no answer")
    assert (ended.what, ended.alert.since_ms) == ("ended", begun.alert.since_ms)
    assert ended.text == "back, 3 written"
    assert ended.at_ms >= begun.at_ms
