"""A host whose processes died or were cut off has one alert, and none while Redis was away."""

from dataclasses import replace

import pytest

from tests.signs import give_signs, process
from tests.store.passing_time import let_pass
from worker.core.alerting.alerts import KINDS
from worker.store.connection import Scripts
from worker.store.heartbeat import Heartbeats
from worker.watching.backlogs import SILENT_MS, Backlogs

pytestmark = pytest.mark.redis

HERE, THERE = "events@noc-1:1", "routers@noc-2:2"


class Watcher:
    """The worker on noc-1, which looks for alerts once a minute and lives."""

    def __init__(self, store):
        self.now_s = 0.0
        scripts = Scripts(store.client, store.keys.prefix)
        now_s = lambda: self.now_s  # noqa: E731 - read at each sign
        signs = Heartbeats(
            store.client, scripts, store.keys, store_format=store.format, now_s=now_s
        )
        self.store = replace(store, heartbeats=signs)
        give_signs(self.store, HERE)

    def let_pass(self, seconds, *alive, redis_is_away=False):
        """So much time, in which this worker and these give signs, if Redis takes them."""
        for _ in range(0, seconds, 10):
            let_pass(self.store, 10_000)
            self.now_s += 10
            if not redis_is_away:
                give_signs(self.store, HERE, *alive)

    def check(self):
        """Look once; returns the texts of the alerts by host."""
        give_signs(self.store, HERE)
        self.store.client.delete(self.store.keys.alert_check)
        Backlogs(self.store, 3_600_000).check()
        return {
            alert.subject: alert.text
            for alert in self.store.alerts.all_open()
            if alert.kind == "host-silent"
        }


@pytest.fixture
def watcher(store):
    return Watcher(store)


def test_a_host_that_died_has_one_alert_until_it_is_back(watcher):
    also = "gateway@noc-2:3"
    watcher.let_pass(60, THERE, also)
    watcher.let_pass(SILENT_MS // 1000 - 10)
    assert watcher.check() == {}
    watcher.let_pass(20)
    (text,) = watcher.check().values()
    assert text.startswith("no sign of life of gateway and routers on noc-2 for 1 min")
    give_signs(watcher.store, THERE)
    assert "of gateway on noc-2" in watcher.check()["noc-2"]
    give_signs(watcher.store, "gateway@noc-2:4")  # it was started again
    assert watcher.check() == {}


def test_what_was_stopped_in_order_and_what_is_forgotten_has_none(watcher):
    watcher.let_pass(60, THERE)
    watcher.let_pass(70)
    assert list(watcher.check()) == ["noc-2"]
    watcher.store.heartbeats.end(process(THERE))
    assert watcher.check() == {}


def test_signs_that_are_old_because_redis_was_away_open_none(watcher):
    others = [f"routers@host-{number}:1" for number in range(5)]
    watcher.let_pass(60, *others)
    watcher.let_pass(600, redis_is_away=True)
    assert watcher.check() == {}
    watcher.let_pass(40)  # the others are late, and Redis goes away once more
    assert watcher.check() == {}
    watcher.let_pass(600, redis_is_away=True)
    assert watcher.check() == {}
    watcher.let_pass(20, *others[1:])
    assert watcher.check() == {}
    watcher.let_pass(50, *others[1:])
    assert list(watcher.check()) == ["host-0"]
    # One that is open stays open meanwhile, as nothing says that the host is back.
    watcher.let_pass(600, redis_is_away=True)
    assert list(watcher.check()) == ["host-0"]


def test_a_worker_that_has_just_started_resolves_none_that_another_opened(watcher, store):
    watcher.let_pass(60, THERE)
    watcher.let_pass(70)
    assert list(watcher.check()) == ["noc-2"]
    assert list(Watcher(store).check()) == ["noc-2"]


def test_it_is_notified_when_a_server_without_power_would_be_back():
    assert SILENT_MS / 1000 + KINDS["host-silent"].notified_after_s == 300
