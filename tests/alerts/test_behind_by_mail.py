"""Two routers, one behind the other, without power: one mail from real workers that names both."""

import json

import pytest

from tests.alerts.mailbox import Inbox, serve
from tests.builders import activated, mac
from tests.installation import SERVER, Installation
from tests.waiting import eventually
from worker.core.alerting.notifications import GRACE_MS, SETTLE_MS, Notice

pytestmark = [pytest.mark.redis, pytest.mark.router, pytest.mark.e2e]

ROOT, CONSEQUENCE = "router-down|R1", "router-down|R2"
NOTED = f"through|{CONSEQUENCE}"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def place(inbox, short_directory):
    server, url = serve(inbox)
    table = '[alerts.noc]\nurl_env = "NOC_URL"\nkinds = ["router-down"]\n'
    fast = {"LEASEWIRE_ALERTS_EVERY_S": "0.5", "NOC_URL": url}
    behind = {"R2": {"behind": '"R1"'}}
    try:
        with Installation(
            short_directory, routers=2, inventory=behind, tables=table, environ_more=fast
        ) as found:
            yield found
    finally:
        server.stop()


def is_open(place, name):
    return place.client.hexists(place.store.keys.alerts, name)


def noted(place, name):
    """What was noted as told to the mailbox."""
    return place.store.notifications.notified("noc").get(name, Notice(0, ""))


def lasts(place, name):
    """Time goes by until the alert has lasted."""
    eventually(lambda: is_open(place, name), f"{name} is open", within_s=20)
    place.client.zadd(place.store.keys.alerts_not_notified, {name: 1})
    eventually(
        lambda: place.store.alerts.find(*name.split("|")).notified, f"{name} lasted", within_s=20
    )


def goes_by(place, name, ms):
    """So much time goes by since something was gone."""
    eventually(lambda: noted(place, name).gone_ms, f"{name} is gone", within_s=20)
    was = noted(place, name)
    gone = was._replace(gone_ms=was.gone_ms - ms)
    place.client.hset(place.store.keys.notified("noc"), name, json.dumps(gone))


def mails(inbox, count):
    eventually(lambda: len(inbox.mails) >= count, f"mail {count}", within_s=20)
    assert len(inbox.mails) == count
    return inbox.titles[-1], inbox.mails[-1].get_body().get_content()


def test_one_mail_names_both_and_what_outlasts_its_root_is_a_mail(place, inbox):
    for router in place.control.values():
        router.power_off()
    place.start_workers("events", "routers")
    place.publisher.publish([activated("SVC-2", router="R2", server=SERVER, mac=mac(2))])
    eventually(lambda: is_open(place, CONSEQUENCE), "the one behind is found first", within_s=20)
    place.publisher.publish([activated("SVC-1", router="R1", server=SERVER, mac=mac(1))])
    eventually(lambda: is_open(place, ROOT), "the root is found", within_s=20)
    lasts(place, CONSEQUENCE)
    eventually(lambda: noted(place, NOTED).at_ms, "it waits for its root", within_s=20)
    assert inbox.mails == []
    lasts(place, ROOT)
    title, message = mails(inbox, 1)
    assert title == "Leasewire tests: critical: router-down R1"
    assert "unreachable behind it: 1 router: R2" in message
    shown = json.loads(place.leasewire("alerts", "list", "--json").stdout)["alerts"]
    assert {alert["subject"]: alert.get("follows") for alert in shown} == {
        "R1": None,
        "R2": "behind R1",
    }

    place.control["R1"].power_on()
    goes_by(place, ROOT, SETTLE_MS)
    title, message = mails(inbox, 2)
    assert title == "Leasewire tests: resolved: router-down R1"
    assert "still unreachable behind it: 1 router: R2" in message
    goes_by(place, NOTED, GRACE_MS)
    title, message = mails(inbox, 3)
    assert title == "Leasewire tests: critical: router-down R2"
    assert "R1" not in message

    place.control["R2"].power_on()
    goes_by(place, CONSEQUENCE, SETTLE_MS)
    assert mails(inbox, 4)[0] == "Leasewire tests: resolved: router-down R2"


def test_both_back_is_one_mail(place, inbox):
    for router in place.control.values():
        router.power_off()
    place.start_workers("events", "routers")
    place.publisher.publish(
        [
            activated(f"SVC-{n}", router=f"R{n}", server=SERVER, mac=mac(n), ipv4=f"100.64.0.{n}")
            for n in (1, 2)
        ]
    )
    eventually(lambda: is_open(place, CONSEQUENCE), "the one behind is found", within_s=20)
    lasts(place, ROOT)
    mails(inbox, 1)
    lasts(place, CONSEQUENCE)
    for router in place.control.values():
        router.power_on()
    eventually(lambda: not place.store.alerts.all_open(), "both are back", within_s=20)
    goes_by(place, ROOT, SETTLE_MS)
    title, message = mails(inbox, 2)
    assert title == "Leasewire tests: resolved: router-down R1"
    assert "R2" not in message
    eventually(lambda: not noted(place, NOTED).at_ms, "nothing is left to tell", within_s=20)
    assert len(inbox.mails) == 2
