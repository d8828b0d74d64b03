"""`leasewire alerts`: what is open, what is muted and by whom, and a message to try a target."""

import pytest

from tests.builders import SOURCE, activated, mac, mac_changed
from tests.signs import give_signs
from tests.store.passing_time import let_pass
from worker.watching.alert_notifier import AlertNotifier
from worker.watching.backlogs import Backlogs

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_open_alerts_are_listed_with_their_runbook(world, leasewire):
    assert leasewire("alerts", "list").code == 0
    world.context.store.alerts.open("drift", "R1", "3 services are not as written")
    shown = leasewire("alerts", "list")
    assert shown.code == 1
    assert "3 services are not as written" in shown.out
    assert "leasewire runbook drift" in shown.out
    (alert,) = leasewire("alerts", "list", "--json").document["alerts"]
    assert (alert["kind"], alert["subject"], alert["notified"]) == ("drift", "R1", [])
    assert "no target" in shown.out
    world.context.store.alerts.notify_due()
    (change,) = leasewire("alerts", "list", "--past", "--json").document["changes"]
    assert (change["what"], change["kind"]) == ("begun", "drift")


def test_a_target_counts_as_notified_when_it_has_taken_a_message(world, leasewire, monkeypatch):
    path = world.context.settings.inventory
    path.write_text(path.read_text() + '[alerts.noc]\nurl_env = "NOC"\n')
    monkeypatch.setenv("NOC", "json://127.0.0.1:1/")
    store, behind = world.context.store, {"R2": "R1"}
    path.write_text(path.read_text().replace("[routers.R2]\n", '[routers.R2]\nbehind = "R1"\n'))
    for router in ("R1", "R2"):
        store.alerts.open("router-down", router, "no route")
        store.client.zadd(store.keys.alerts_not_notified, {f"router-down|{router}": 1})
    store.alerts.notify_due()

    def notified():
        shown = leasewire("alerts", "list", "--json").document["alerts"]
        return {alert["subject"]: alert["notified"] for alert in shown}

    assert notified() == {"R1": [], "R2": []}
    assert "not yet" in leasewire("alerts", "list").out
    target = world.context.unpinned_inventory.alerts["noc"]
    assert AlertNotifier(store, [target], "acme", lambda *_: "is away", "t", behind).once() == 0
    assert notified() == {"R1": [], "R2": []}
    assert AlertNotifier(store, [target], "acme", lambda *_: "", "t", behind).once() == 1
    assert notified() == {"R1": ["noc"], "R2": ["noc"]}  # R2 in the message of its root


def test_who_could_send_no_alert_is_refused_at_the_start(world, leasewire, monkeypatch):
    path = world.context.settings.inventory
    path.write_text(path.read_text() + '[alerts.noc]\nurl_env = "NOC"\n')
    monkeypatch.setattr("worker.watching.apprise_sender.find_spec", lambda _: None)
    for command in (("worker",), ("up", "--data", str(path.parent / "data")), ("alerts", "test")):
        refused = leasewire(*command)
        assert refused.code == 2
        assert "[alerts.noc] needs apprise: install leasewire[alerts]" in refused.err


def test_a_kind_of_a_newer_version_is_listed(world, leasewire):
    store = world.context.store
    store.alerts.open("drift", "R1", "words of tomorrow")
    newer = store.alerts.find("drift", "R1").to_json().replace('"drift"', '"of-tomorrow"')
    store.client.hset(store.keys.alerts, mapping={"of-tomorrow|R1": newer})
    shown = leasewire("alerts", "list")
    assert "What to do about of-tomorrow: leasewire runbook other" in shown.out
    assert "What to do about drift: leasewire runbook drift" in shown.out


def test_a_router_behind_one_that_is_down_is_listed_as_such(world, leasewire):
    path = world.context.settings.inventory
    path.write_text(path.read_text().replace("[routers.R2]\n", '[routers.R2]\nbehind = "R1"\n'))
    for router in ("R1", "R2"):
        world.context.store.alerts.open("router-down", router, "no route")
    assert "behind R1" in leasewire("alerts", "list").out
    world.context.store.alerts.resolve("router-down", "R1")
    assert "behind R1" not in leasewire("alerts", "list").out
    path.write_text("this is no inventory")
    assert leasewire("alerts", "list").code == 1


def test_mute_names_who_and_ends(world, leasewire):
    world.context.store.alerts.open("drift", "R1", "3 services are not as written")
    made = leasewire("alerts", "mute", "drift", "R1", "--for", "2h", "--actor", "ann")
    assert made.code == 0
    assert "by ann: drift R1" in made.out
    document = leasewire("alerts", "list", "--json").document
    assert document["alerts"][0]["muted"] == "by ann"
    assert [mute["by"] for mute in document["mutes"]] == ["ann"]
    assert leasewire("alerts", "unmute", "drift", "R1", "--actor", "bob").code == 0
    assert leasewire("alerts", "unmute", "drift", "R1").code == 1
    entries = world.context.store.audit.entries()
    assert [(entry.by, entry.what, entry.subject) for entry in entries] == [
        ("bob", "alert.unmuted", "drift R1"),
        ("ann", "alert.muted", "drift R1"),
    ]


def test_a_conflict_of_events_is_dismissed_by_a_person(world, leasewire):
    store = world.context.store
    world.say(activated("SVC-1", revision=1), mac_changed("SVC-1", mac(2), revision=2))
    world.say(mac_changed("SVC-1", mac(3), revision=2))
    backlogs = Backlogs(store, 1_000)
    backlogs.check()
    (alert,) = leasewire("alerts", "list", "--json").document["alerts"]
    assert (alert["kind"], alert["subject"]) == ("revision-conflict", SOURCE)
    assert leasewire("alerts", "dismiss", "drift", "R1").code == 2
    assert leasewire("alerts", "dismiss", "revision-conflict", "urn:other").code == 1
    dismissed = leasewire("alerts", "dismiss", "revision-conflict", SOURCE, "--actor", "ann")
    assert dismissed.code == 0
    store.client.delete(store.keys.alert_check)
    backlogs.check()
    assert leasewire("alerts", "list").code == 0
    (entry,) = store.audit.entries()
    assert (entry.by, entry.what) == ("ann", "alert.dismissed")
    world.say(mac_changed("SVC-1", mac(4), revision=2))
    store.client.delete(store.keys.alert_check)
    backlogs.check()
    assert leasewire("alerts", "list").code == 1


def test_a_host_that_is_gone_for_good_is_dismissed_by_a_person(world, leasewire):
    store = world.context.store
    give_signs(store, "routers@noc-2:1", "events@noc-1:1", "events@noc-3:1")
    let_pass(store, 60_000)
    give_signs(store, "events@noc-1:1")
    store.alerts.open("host-silent", "noc-2", "no sign of life")
    assert leasewire("alerts", "dismiss", "host-silent", "noc-1").code == 1
    assert leasewire("alerts", "dismiss", "host-silent", "noc-2", "--actor", "ann").code == 0
    assert store.alerts.all_open() == []
    assert leasewire("alerts", "dismiss", "host-silent", "noc-2").code == 1
    # Before it has lasted long enough for an alert.
    assert leasewire("alerts", "dismiss", "host-silent", "noc-3").code == 0
    assert [sign.process.name for sign in store.heartbeats.seen()] == ["events@noc-1:1"]
    assert {entry.subject for entry in store.audit.entries()} == {
        *("host-silent noc-2", "host-silent noc-3")
    }


def test_bad_input_is_reported(world, leasewire):
    for message in (
        ("mute", "drfit", "--for", "2h"),
        ("mute", "drift", "--for", "2"),
        ("mute", "drift", "--for", "99d"),
        ("test",),
        ("deliver",),
    ):
        assert leasewire("alerts", *message).code == 2
    path = world.context.settings.inventory
    path.write_text(path.read_text() + "\n[alerts.mail]\nseverity = 'critical'\n")
    answer = leasewire("alerts", "test")
    assert answer.code == 2
    assert "alerts.mail: needs either url_env or url_file" in answer.err
    path.write_text(path.read_text() + "url_env = 'NO_SUCH_URL'\n")
    assert "alerts.other" not in leasewire("alerts", "test", "other").out
    answer = leasewire("alerts", "test", "mail")
    assert answer.code == 1
    assert "the variable NO_SUCH_URL is empty" in answer.out
