"""`leasewire alerts deliver` as processes: one of two is frozen, and an inventory changes."""

import asyncio
import json
from threading import Event

import pytest

from tests.alerts.mailbox import Inbox, serve
from tests.parts import running
from tests.waiting import eventually
from worker.core.alerting.notifications import QUIET_MS, SETTLE_MS

pytestmark = [pytest.mark.redis, pytest.mark.e2e]

INVENTORY = """\
[installation]
id = "acme"
[sources."urn:bss"]
order = "revisions"
"""
COMMAND = "alerts deliver"


class SlowInbox(Inbox):
    """Takes its time to answer."""

    def __init__(self):
        super().__init__()
        self.taking, self.answer = Event(), Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.taking.set()
        await asyncio.to_thread(self.answer.wait, 20)
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def mailbox():
    """Makes mailboxes: gives the inbox and its URL."""
    servers = []

    def make():
        inbox = SlowInbox()
        server, url = serve(inbox)
        servers.append(server)
        return inbox, url

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def start(valkey, prefix, tmp_path):
    settings = {"LEASEWIRE_REDIS_URL": valkey.url, "LEASEWIRE_KEY_PREFIX": prefix}
    return lambda: running(tmp_path, COMMAND, LEASEWIRE_ALERTS_EVERY_S="0.2", **settings)


def write(folder, url, more=""):
    (folder / "url").write_text(url)
    target = '[alerts.noc]\nurl_file = "url"\n'
    (folder / "routers.toml").write_text(f"{INVENTORY}{target if url else ''}{more}")


def let_last(store, kind, subject):
    """Open an alert, and let time go by until it is notified."""
    store.alerts.open(kind, subject, "something is wrong")
    store.client.zadd(store.keys.alerts_not_notified, {f"{kind}|{subject}": 1})
    store.alerts.notify_due()


def let_settle(store, name):
    """Let time go by until it is notified that an alert is resolved."""

    def notice():
        return store.notifications.notified("noc").get(name)

    eventually(lambda: notice() and notice().gone_ms, f"{name} is gone")
    known = notice()
    past = known._replace(at_ms=known.at_ms - QUIET_MS, gone_ms=known.gone_ms - SETTLE_MS)
    store.client.hset(store.keys.notified("noc"), name, json.dumps(past))


def test_an_alerter_that_was_frozen_while_it_sent_forgets_what_it_knew(
    start, store, mailbox, tmp_path
):
    inbox, url = mailbox()
    write(tmp_path, url)

    def came(*wanted):
        titles = [f"Leasewire acme: {title}" for title in wanted]
        eventually(lambda: inbox.titles == titles, f"mail about {wanted}")

    with start() as first:
        eventually(lambda: store.client.exists(store.keys.notifications), "the first one notifies")
        with start() as second:
            second.printed("Sending alerts to noc")
            let_last(store, "brake", "R1")
            assert inbox.taking.wait(20)
            first.freeze()
            inbox.answer.set()
            opened = "critical: brake R1"
            came(opened)
            store.client.pexpire(store.keys.notifications, 1)  # as if a minute had passed
            came(opened, opened)  # what it had in its hands
            store.alerts.resolve("brake", "R1")
            let_settle(store, "brake|R1")
            came(opened, opened, "resolved: brake R1")
            first.wake()
            let_last(store, "brake", "R2")
            came(opened, opened, "resolved: brake R1", "critical: brake R2")
        store.client.pexpire(store.keys.notifications, 1)
        let_last(store, "brake", "R3")
        rest = ("resolved: brake R1", "critical: brake R2", "critical: brake R3")
        came(opened, opened, *rest)
    assert "brake|R1" not in store.notifications.notified("noc")  # it is over


def test_an_alerter_that_is_stopped_while_it_sends_notes_what_it_sent(
    start, store, mailbox, tmp_path
):
    inbox, url = mailbox()
    write(tmp_path, url)
    with start() as alerter:
        let_last(store, "brake", "R1")
        assert inbox.taking.wait(20)
        alerter.process.terminate()
        inbox.answer.set()
    assert inbox.titles == ["Leasewire acme: critical: brake R1"]
    assert "brake|R1" in store.notifications.notified("noc")


def test_targets_that_changed_are_used_after_a_reload_and_wrong_ones_are_not(
    start, store, mailbox, tmp_path
):
    (inbox, url), (other, other_url) = mailbox(), mailbox()
    for box in (inbox, other):
        box.answer.set()
    write(tmp_path, url)
    with start() as alerter:
        let_last(store, "brake", "R1")
        eventually(lambda: inbox.titles, "the first mail")
        (tmp_path / "other").write_text(other_url)
        write(tmp_path, url, '[alerts.other]\nurl_file = "other"\nkinds = ["drift"]\n')
        alerter.reload("alert target other: added")
        let_last(store, "drift", "R1")
        eventually(lambda: other.titles == ["Leasewire acme: warning: drift R1"], "its first mail")
        write(tmp_path, "")
        alerter.reload("has no table [alerts.NAME]")
        let_last(store, "drift", "R2")
        eventually(lambda: len(other.titles) == 2, "all goes on as before")
