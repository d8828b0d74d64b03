"""What a backup says is open is told when somebody sees it again, and never twice."""

import secrets

import pytest

from tests.alerts.mailbox import Inbox, serve
from tests.builders import activated
from worker.core.alerting.notifications import QUIET_MS, SETTLE_MS
from worker.inventory.alert_keys import AlertTarget
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.apprise_sender import send

pytestmark = [pytest.mark.redis, pytest.mark.router]

DOWN = "Leasewire acme: critical: router-down R1"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def tell(world, inbox):
    server, url = serve(inbox)
    target = AlertTarget(name="mail", url_env="MAIL", _environ={"MAIL": url})
    yield AlertNotifier(world.context.store, [target], "acme", send, secrets.token_hex(4))
    server.stop()


@pytest.fixture
def outage(world):
    """R1 is down, which an alert says."""
    world.context.store.bind_installation("acme")
    world.say(activated("SVC-1", server=None, ipv4="223.203.225.40"))
    world.r1.power_off()
    world.converge.run("R1")
    lasted(world)
    return world


def lasted(world):
    """Time enough goes by for each alert to be told."""
    store = world.context.store
    for name in store.client.zrange(store.keys.alerts_not_notified, 0, -1):
        store.client.zadd(store.keys.alerts_not_notified, {name: 1})
    store.alerts.notify_due()


def later(world):
    return world.context.store.records.now_ms() + 2 * QUIET_MS


def put_back(leasewire, world):
    shown = leasewire("restore", "then.gz", "--replace")
    assert shown.code == 0, shown.err
    lasted(world)


def seen_again(leasewire, world):
    """The router is released, and still is down."""
    assert leasewire("routers", "resume", "R1").code == 0
    store = world.context.store
    store.client.delete(store.keys.router("R1").state)  # it is time to try it again
    world.converge.run("R1")
    lasted(world)


def test_an_old_outage_is_not_mailed_again_after_a_restore(leasewire, outage, tell, inbox):
    assert leasewire("backup", "then.gz").code == 0
    tell.once()
    outage.context.store.alerts.resolve("router-down", "R1")
    tell.once(later(outage))
    tell.once(later(outage) + SETTLE_MS)
    assert inbox.titles == [DOWN, "Leasewire acme: resolved: router-down R1"]
    put_back(leasewire, outage)
    assert tell.once(later(outage)) == 0
    [alert] = leasewire("alerts", "list", "--json").document["alerts"]
    assert alert["kind"] == "router-down"
    # one that somebody sees is told
    seen_again(leasewire, outage)
    assert tell.once(later(outage)) == 1
    assert inbox.titles[2:] == [DOWN]


def test_what_was_mailed_before_the_backup_is_not_mailed_after_it(leasewire, outage, tell, inbox):
    tell.once()
    assert leasewire("backup", "then.gz").code == 0
    put_back(leasewire, outage)
    seen_again(leasewire, outage)
    assert tell.once(later(outage)) == 0
    assert inbox.titles == [DOWN]
