"""Canaries through each queue; alerts that lasted are told, and those nobody ended end."""

import json
from dataclasses import replace

import pytest
import structlog

from contracts import names
from contracts.names import INTAKE_DEPTH
from gateway.api.limits import Depth
from tests import builders
from tests.brake.floor import Floor
from tests.builders import ipv4, mac
from tests.store.passing_time import let_pass
from tests.worker.desk import Desk
from worker.core.alerting import alerts
from worker.core.alerting.alerts import KINDS
from worker.core.alerting.notifications import body_of, notices_of
from worker.core.policy.circuit import RouterState
from worker.core.policy.policy import RouterPolicy
from worker.core.service.conflicts import Conflict
from worker.store.batches import Conclusion
from worker.store.canaries import QUEUES
from worker.watching.maintenance import SILENT_MS, Maintenance

pytestmark = pytest.mark.redis

HOUR_MS = 3_600_000
POLICIES = {name: RouterPolicy("acme") for name in ("R1", "R2", "R3")} | {
    "R9": RouterPolicy("acme", mode="observe")
}


@pytest.fixture
def sent():
    return []


@pytest.fixture
def maintenance(store, sent):
    def send(queue):
        sent.append(queue)
        store.client.lpush(store.keys.queue(queue), "canary")

    return Maintenance(store, send, HOUR_MS, POLICIES)


@pytest.fixture
def next_round(store, maintenance):
    """A round of canaries after so much time."""

    def go(after_ms=0):
        store.client.delete(store.keys.canary_claim, store.keys.alert_check)
        for queue, at_ms in store.client.hgetall(store.keys.canaries).items():
            store.client.hset(store.keys.canaries, queue, int(at_ms) - after_ms)
        with structlog.testing.capture_logs() as logs:
            maintenance.check()
        return [line["event"] for line in logs]

    return go


def take(store, maintenance, queue):
    store.client.rpop(store.keys.queue(queue))
    maintenance.arrived(queue)


def test_one_goes_through_each_queue_and_no_more_while_it_waits(
    store, maintenance, sent, next_round
):
    next_round()
    maintenance.check()  # too early
    next_round()
    assert sent == list(QUEUES)
    take(store, maintenance, "events")
    next_round()
    assert sent == [*QUEUES, "events"]


def test_a_lost_one_is_sent_again(store, maintenance, sent, next_round):
    next_round()
    store.client.delete(*(store.keys.queue(queue) for queue in QUEUES))
    next_round()
    assert sent == [*QUEUES, *QUEUES]


def test_a_queue_that_nobody_serves_is_told_of_until_somebody_does(
    store, maintenance, next_round, monkeypatch
):
    silent = KINDS["worker-silent"]._replace(notified_after_s=0)
    monkeypatch.setitem(alerts.KINDS, "worker-silent", silent)
    next_round()
    take(store, maintenance, "events")
    take(store, maintenance, "bulk")
    assert next_round(SILENT_MS - 1000) == []
    assert store.alerts.all_open() == []
    next_round(2000)
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("worker-silent", "routers")
    assert next_round() == ["alert.logged"]
    take(store, maintenance, "routers")
    assert store.alerts.all_open() == []
    assert [change.what for change in store.alerts.changes()] == ["ended", "begun"]


def test_bulk_may_wait_while_there_are_events(store, maintenance, next_round):
    next_round()
    take(store, maintenance, "routers")
    next_round(2 * SILENT_MS)
    assert [alert.subject for alert in store.alerts.all_open()] == ["events"]


def test_an_alert_that_its_worker_could_not_end_is_ended(store, next_round):
    for router in ("R1", "R2", "R3"):
        store.alerts.open("router-down", router, "no route")
        store.routers.acquire(router, "aa", 1)
    store.routers.open_circuit("R1", "aa", 1000, RouterState("unreachable"))
    store.routers.set_state("R2", "aa", RouterState())
    store.fleet.pause("R3", "a new mast", "anna")
    next_round()
    assert [alert.subject for alert in store.alerts.all_open()] == ["R1", "R3"]
    let_pass(store, 1000)
    store.routers.acquire("R1", "bb", 1)
    store.routers.set_state("R1", "bb", RouterState(away_since_ms=1))  # its backlog is drained
    next_round()
    assert [alert.subject for alert in store.alerts.all_open()] == ["R1", "R3"]


def test_the_alert_of_a_rebuild_that_is_over_ends_too(store, next_round):
    store.alerts.open("rebuild", "R1", "9 of 10 rows are gone")
    next_round()
    assert store.alerts.all_open() == []


def test_alerts_of_a_router_that_the_inventory_lost_end(store, next_round):
    for kind, each in alerts.KINDS.items():
        subjects = ("R1", "GONE", "GONE 00:00:5E:00:53:01") if each.of_router else ("GONE",)
        for subject in subjects:
            store.alerts.open(kind, subject, "message")
    store.alerts.open("rogue-device", "R9 00:00:5E:00:53:01", "watched while it was managed")
    store.alerts.open("drift", "R9", "observed routers are read fully too")
    next_round()
    left = {(each.kind, each.subject) for each in store.alerts.all_open()}
    assert {subject for _, subject in left if "GONE" in subject} == {"GONE"}
    assert not {kind for kind, subject in left if subject == "GONE" and KINDS[kind].of_router}
    assert {("drift", "R1"), ("drift", "R9"), ("pool-nearly-full", "R1")} <= left
    assert ("rogue-device", "R1") in left
    assert not any(subject.startswith("R9 ") for _, subject in left)


def test_a_kind_of_a_newer_worker_ends_nothing_here(store, next_round):
    store.alerts.open("drift", "R1", "message")
    newer = store.alerts.find("drift", "R1").to_json().replace('"drift"', '"of-tomorrow"')
    name = "of-tomorrow|R1"
    store.client.hset(store.keys.alerts, name, newer)
    store.client.zadd(store.keys.alerts_not_notified, {name: 1})
    assert next_round().count("alert.logged") == 2
    (alert,) = [each for each in store.alerts.all_open() if each.kind == "of-tomorrow"]
    assert (alert.notified, alert.severity, alert.runbook) == (True, "warning", "other")
    notified = notices_of(store.alerts.all_open(), {}, [], 1)
    assert "warning: of-tomorrow R1: message" in body_of(notified)
    assert "`leasewire runbook other`" in body_of(notified)


def test_what_the_brake_holds_is_told_of_though_whoever_held_it_died(store, next_round):
    floor = Floor(store)
    floor.activate([f"S{i}" for i in range(8)])
    floor.cancel(*(f"S{i}" for i in range(6)))
    assert store.alerts.resolve("brake", "router:R1")  # as if it had never been begun
    next_round()
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("brake", "router:R1")
    store.brake.approve("router:R1", store.brake.held(), "anna", 1)
    next_round()
    assert store.alerts.all_open() == []


def test_dead_letters_are_told_of_while_there_are_any(store, next_round):
    next_round()
    assert store.alerts.all_open() == []
    Desk(store).send(builders.activated("S1", mac="no MAC"), builders.activated("S2", mac="none"))
    next_round()
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("dead-letters", "")
    message = "2 dead letters (2 invalid-event; 2 of urn:isp:bss:test)"
    assert alert.text == f"{message}: see `leasewire dead-letters list`"
    for dead_letter in store.dead_letters.all():
        store.dead_letters.settle(dead_letter, "discarded", "anna", 1)
    next_round()
    assert store.alerts.all_open() == []


def conflicts(store):
    return {e.subject: e.text for e in store.alerts.all_open() if e.kind == "revision-conflict"}


def test_events_that_disagree_are_told_of_by_source_until_newer_ones_came(store, next_round):
    desk = Desk(store)
    for number in (1, 2):
        service = f"S{number}"
        desk.send(builders.activated(service, revision=1, mac=mac(number), ipv4=ipv4(number)))
        desk.send(builders.mac_changed(service, mac(10 + number), revision=2))
    next_round()
    assert conflicts(store) == {}
    for number in (1, 2):
        desk.send(builders.mac_changed(f"S{number}", mac(20 + number), revision=2))
    next_round()
    message = "it sent different values under one revision of S1 (mac), S2 (mac): see"
    assert conflicts(store)[builders.SOURCE].startswith(message)
    desk.send(builders.event("suspended", "S1", revision=3))  # which says nothing of its MAC
    desk.send(builders.mac_changed("S2", mac(30), revision=3))
    next_round()
    assert conflicts(store)[builders.SOURCE].startswith(message.replace(", S2 (mac)", ""))
    desk.send(builders.cancelled("S1", revision=4))
    next_round()
    assert conflicts(store) == {}
    assert store.client.exists(store.keys.conflicts(builders.SOURCE)) == 0


def test_a_conflict_is_noted_before_its_commit_and_goes_if_there_is_none(store, next_round):
    of = Conflict("S-never", ("mac",), (0, 2, 0))
    store.conflicts.note(builders.SOURCE, [of], store.records.now_ms())
    next_round()
    assert "S-never (mac)" in conflicts(store)[builders.SOURCE]
    store.conflicts.note(builders.SOURCE, [of], store.records.now_ms() - 700_000)
    next_round()
    assert conflicts(store) == {}


def test_a_worker_that_dies_in_its_commit_leaves_the_conflict_noted(store, next_round):
    class Dying:
        def __getattr__(self, name):
            return getattr(store.records, name)

        def commit(self, commits, *rest):
            if commits:
                raise KeyboardInterrupt
            return store.records.commit(commits, *rest)

    Desk(store).send(builders.activated("S1", revision=1, mac=mac(1)))
    with pytest.raises(KeyboardInterrupt):
        Desk(replace(store, records=Dying())).send(
            builders.mac_changed("S1", mac(2), revision=2),
            builders.mac_changed("S1", mac(3), revision=2),
        )
    next_round()
    assert "S1 (mac)" in conflicts(store)[builders.SOURCE]


def test_many_conflicts_name_the_first_services(store, next_round):
    found = [Conflict(f"S{number:02}", ("mac",), (0, 2, 0)) for number in range(40)]
    store.conflicts.note(builders.SOURCE, found, store.records.now_ms())
    next_round()
    assert "S00 (mac), S01 (mac), S02 (mac) and 37 others" in conflicts(store)[builders.SOURCE]


def postpone(store, service, reason, waited_ms):
    store.routers.add_work("R1", [service])
    work_items = store.routers.acquire("R1", "aa", 500).work_items
    (work_item,) = [each for each in work_items if each.service_id == service]
    why = {"reason": reason, "detail": "", "since_ms": store.records.now_ms() - waited_ms}
    end = Conclusion(work_item, "postponed", wait_ms=HOUR_MS, waiting=json.dumps(why))
    assert store.routers.conclude("R1", "aa", [end]) == [True]
    store.routers.next_batch("R1", "aa", 0)


def test_services_that_wait_longer_than_they_may_are_told_of_by_reason(store, next_round):
    postpone(store, "S1", "claimed", HOUR_MS - 60_000)
    postpone(store, "S2", "held-for-approval", 2 * HOUR_MS)
    next_round()
    assert store.alerts.all_open() == []
    postpone(store, "S3", "unknown-server", HOUR_MS)
    next_round()
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("waiting-too-long", "unknown-server")
    assert alert.text.startswith("1 service waits (unknown-server), the first for 60 min")
    postpone(store, "S3", "unknown-server", 0)
    next_round()
    assert store.alerts.all_open() == []


def test_a_full_journal_is_told_of_until_there_is_room(store, next_round):
    body = names.journal_body(store.keys.prefix, names.QUEUE_EVENTS)
    store.client.hset(body, mapping=dict.fromkeys(map(str, range(INTAKE_DEPTH)), "{}"))
    next_round()
    (alert,) = store.alerts.all_open()
    assert (alert.kind, alert.subject) == ("intake-full", "journal")
    # As long as the gateway: it opens again below 80 %, not with the first event that leaves.
    gateway = Depth(store.client, store.keys.prefix)
    assert not gateway.has_room()
    first, rest = INTAKE_DEPTH // 5, INTAKE_DEPTH // 5 + 1
    store.client.hdel(body, *map(str, range(first)))
    next_round()
    assert store.alerts.all_open()
    assert not gateway.has_room()
    store.client.hdel(body, str(rest))
    next_round()
    assert store.alerts.all_open() == []
    assert gateway.has_room()
    next_round()
    assert store.alerts.all_open() == []


def test_one_worker_looks_for_what_piles_up_once_a_minute(store, maintenance, next_round):
    next_round()
    Desk(store).send(builders.activated("S1", mac="no MAC"))
    store.client.delete(store.keys.canary_claim)
    maintenance.check()
    assert store.alerts.all_open() == []
    assert 0 < store.client.pttl(store.keys.alert_check) <= 60_000
