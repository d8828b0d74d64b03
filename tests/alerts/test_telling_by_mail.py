"""Alerts arrive as mail at a real SMTP server: each once, and later where it was away."""

import secrets

import pytest

from tests.alerts.mailbox import PASSWORD, Inbox, serve
from tests.waiting import eventually
from worker.core.alerting.notifications import QUIET_MS, SETTLE_MS
from worker.inventory.alert_keys import AlertTarget
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.apprise_sender import send

pytestmark = pytest.mark.redis


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def target(inbox):
    server, url = serve(inbox)
    yield AlertTarget(name="mail", url_env="MAIL", _environ={"MAIL": url})
    server.stop()


@pytest.fixture
def tell(store, target):
    return AlertNotifier(store, [target], "acme", send, secrets.token_hex(4))


def lasted(store):
    """Time enough goes by for each alert to be told."""
    key = store.keys.alerts_not_notified
    for name in store.client.zrange(key, 0, -1):
        store.client.zadd(key, {name: 1})
    store.alerts.notify_due()


def test_one_mail_when_an_alert_opens_and_one_when_it_is_resolved(store, tell, inbox):
    store.alerts.open("router-down", "tower-7", "no route to it")
    now_ms = store.records.now_ms()
    assert tell.once(now_ms) == 0
    lasted(store)
    assert tell.once(now_ms) == 1
    assert tell.once(now_ms + QUIET_MS) == 0
    (mail,) = inbox.mails
    assert mail["Subject"] == "Leasewire acme: critical: router-down tower-7"
    message = mail.get_body().get_content()
    assert "no route to it" in message
    assert "`leasewire runbook router-down`" in message
    store.alerts.resolve("router-down", "tower-7")
    tell.once(now_ms + QUIET_MS)
    assert tell.once(now_ms + QUIET_MS + SETTLE_MS) == 1
    assert inbox.titles[1:] == ["Leasewire acme: resolved: router-down tower-7"]
    message = inbox.mails[1].get_body().get_content()
    assert "resolved after 1h: router-down tower-7 (it was: no route to it)" in message


def test_mail_that_was_not_taken_comes_later(store, tell, inbox):
    now_ms = store.records.now_ms()
    store.alerts.open("brake", "R1", "15 cancellations")
    lasted(store)
    inbox.away = True
    assert tell.once(now_ms) == 0
    inbox.away = False
    assert tell.once(now_ms + 1000) == 0  # it waits before it tries again
    assert tell.once(now_ms + 60_000) == 1
    assert len(inbox.mails) == 1


def test_one_worker_notifies_at_a_time_and_another_takes_over(store, tell, inbox, target):
    other = AlertNotifier(store, [target], "acme", send, "other")
    store.alerts.open("brake", "R1", "15 cancellations")
    lasted(store)
    assert tell.once() == 1
    store.alerts.open("brake", "R2", "15 cancellations")
    lasted(store)
    assert other.once() == 0
    store.client.delete(store.keys.notifications)
    assert other.once() == 1
    assert inbox.titles == [
        "Leasewire acme: critical: brake R1",
        "Leasewire acme: critical: brake R2",
    ]


@pytest.mark.parametrize("other", ["is there", "is gone too"])
def test_a_worker_that_was_stopped_while_it_sent_forgets_what_it_knew(
    store, tell, inbox, target, other
):
    def sends_slowly(where, title, body):
        """Meanwhile another takes over, and all is over when this goes on."""
        store.client.delete(store.keys.notifications)
        assert tell.once() == 1
        store.alerts.resolve("brake", "R1")
        tell.once(store.records.now_ms() + QUIET_MS)
        assert tell.once(store.records.now_ms() + QUIET_MS + SETTLE_MS) == 1
        if other == "is gone too":
            store.client.delete(store.keys.notifications)
        return send(where, title, body)

    store.alerts.open("brake", "R1", "15 cancellations")
    lasted(store)
    assert AlertNotifier(store, [target], "acme", sends_slowly, "stopped").once() == 0
    assert len(inbox.titles) == 3  # what it had in its hands came again, and nothing else
    assert [notice.resolved for notice in store.notifications.notified("mail").values()] == [True]


def test_target_may_want_critical_ones_or_some_kinds_only(store, target, inbox):
    some = AlertTarget(
        name="chat",
        url_env="MAIL",
        severity="critical",
        _environ=target._environ,  # noqa: SLF001 - the same mailbox
    )
    kinds = AlertTarget(
        name="drifts",
        url_env="MAIL",
        kinds=frozenset({"drift"}),
        _environ=target._environ,  # noqa: SLF001 - see above
    )
    store.alerts.open("drift", "R1", "2 rows")
    store.alerts.open("brake", "R1", "15 cancellations")
    lasted(store)
    assert AlertNotifier(store, [some, kinds], "acme", send, "a").once() == 2
    assert inbox.titles == [
        "Leasewire acme: critical: brake R1",
        "Leasewire acme: warning: drift R1",
    ]


def test_a_failure_is_reported_without_the_secret(target, inbox):
    inbox.away = True
    problem = send(target, "title", "body")
    assert problem
    assert PASSWORD not in problem
    assert PASSWORD not in repr(target)
    nowhere = AlertTarget(name="m", url_env="MAIL", _environ={"MAIL": f"nothing://{PASSWORD}"})
    assert PASSWORD not in send(nowhere, "title", "body")
    missing = AlertTarget(name="m", url_env="MAIL", _environ={})
    assert "alerts.m: the variable MAIL is empty" in send(missing, "title", "body")
    eventually(lambda: not inbox.mails, "nothing was taken")
