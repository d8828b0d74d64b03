"""What is told of alerts: that they began, that they are over, and only the root of a chain."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from worker.core.alerting.alerts import Alert
from worker.core.alerting.notifications import (
    ANY,
    QUIET_MS,
    SETTLE_MS,
    Mute,
    Notice,
    body_of,
    notices_of,
    title_of,
)

NOW = 1_800_000_000_000
DOWN = Alert("router-down", "R1", "no answer", NOW, notified=True)


def names(notices):
    return [alert.name for alert in notices.opened], [name for name, _ in notices.resolved]


def test_an_alert_is_notified_once_when_it_opens_and_once_when_resolved():
    first = notices_of([DOWN], {}, [], NOW)
    assert names(first) == (["router-down|R1"], [])
    assert notices_of([DOWN], first.notified, [], NOW + 10 * QUIET_MS).empty
    gone = notices_of([], first.notified, [], NOW + 1000)
    assert gone.empty
    over = notices_of([], gone.notified, [], NOW + 1000 + SETTLE_MS)
    assert names(over) == ([], ["router-down|R1"])
    assert notices_of([], over.notified, [], NOW + 1001 + SETTLE_MS).empty
    assert notices_of([], over.notified, [], NOW + QUIET_MS).notified == {}


def test_a_flapping_alert_is_notified_at_most_once_an_hour():
    notified = notices_of([DOWN], {}, [], NOW).notified
    begun = 0
    for minute in range(1, 180):
        notices = notices_of([DOWN] if minute % 4 < 2 else [], notified, [], NOW + minute * 60_000)
        begun += len(notices.opened)
        notified = notices.notified
    assert begun == 2


def test_a_short_alert_is_not_notified():
    assert notices_of([replace(DOWN, notified=False)], {}, [], NOW).empty


def test_an_alert_that_returns_before_it_settled_is_not_resolved():
    notified = notices_of([DOWN], {}, [], NOW).notified
    notified = notices_of([], notified, [], NOW + 1000).notified
    notified = notices_of([replace(DOWN, notified=False)], notified, [], NOW + 2000).notified
    assert notices_of([], notified, [], NOW + 1000 + SETTLE_MS).empty


def test_a_muted_alert_is_notified_when_the_mute_ends():
    for mute in (
        Mute("router-down", "R1", NOW + 10, "ann", ""),
        Mute("router-down", "", NOW + 10, "ann", ""),
        Mute(ANY, "R1", NOW + 10, "ann", ""),
    ):
        assert notices_of([DOWN], {}, [mute], NOW).empty
        assert not notices_of([DOWN], {}, [mute], NOW + 10).empty
    other = Mute("router-down", "R2", NOW + 10, "ann", "")
    assert not notices_of([DOWN], {}, [other], NOW).empty


def test_many_of_a_kind_are_ten_lines_and_a_number():
    alerts = [Alert("dead-letters", f"S{n}", "refused", NOW, notified=True) for n in range(37)]
    notices = notices_of([DOWN, *alerts], {}, [], NOW)
    body = body_of(notices)
    assert body.splitlines()[0] == "critical: router-down R1: no answer"
    assert "and 27 more of dead-letters" in body
    assert "`leasewire runbook dead-letters`" in body
    assert title_of(notices, "acme") == "Leasewire acme: 38 alerts (1 critical)"
    over = {alert.name: Notice(NOW, "refused", gone_ms=NOW) for alert in alerts}
    ended = notices_of([], over, [], NOW + SETTLE_MS)
    assert "and 27 more resolved" in body_of(ended)
    both = notices_of([DOWN], over, [], NOW + SETTLE_MS)
    assert title_of(both, "acme") == "Leasewire acme: 1 alert (1 critical), 37 resolved"


@given(st.lists(st.sets(st.sampled_from(["R1", "R2", "R3"])), max_size=40))
def test_only_notified_alerts_are_reported_resolved_and_once(rounds):
    notified, open_to_them = {}, set()
    for number, subjects in enumerate(rounds):
        alerts = [replace(DOWN, subject=subject) for subject in sorted(subjects)]
        notices = notices_of(alerts, notified, [], NOW + number * 45_000)
        began, ended = names(notices)
        assert not set(began) & open_to_them
        assert set(ended) <= open_to_them
        open_to_them = (open_to_them | set(began)) - set(ended)
        notified = notices.notified
