"""A manifest finds what a source no longer has; nothing happens before all of it is there."""

from datetime import UTC, datetime

import pytest

from contracts import event_key
from tests.builders import SOURCE, activated, cancelled, event, mac, mac_changed, snapshot
from tests.waiting import eventually
from tests.worker.desk import OTHER, SOURCES, Desk
from worker.intake.admission import Intake, admit, key_of
from worker.intake.manifest import Manifests

pytestmark = pytest.mark.redis


@pytest.fixture
def desk(store):
    desk = Desk(store)
    desk.send(*(activated(f"S-{n}", mac=mac(n), ipv4=f"198.51.100.{n}") for n in range(1, 5)))
    desk.send(
        activated("S-5", source=OTHER, mac=mac(5), ipv4="198.51.100.5"),
        activated("S-6", router="R2", mac=mac(6), ipv4="198.51.100.6"),
    )
    return desk


def now(store):
    return datetime.fromtimestamp(store.records.now_ms() / 1000, UTC).isoformat()


def manifest(taken_at, *services, part=1, parts=1, missing="cancel", routers=None):
    data = {
        "manifest_id": "m",
        "part": part,
        "parts": parts,
        "taken_at": taken_at,
        "missing": missing,
        "services": [{"service_id": each} for each in services],
    }
    if routers:
        data["scope"] = {"routers": routers}
    raw = event("x") | {"id": f"m-{part}", "type": "leasewire.inventory.manifest.v1"}
    return raw | {"subject": "inventory/m", "data": data}


def statuses(desk):
    return {n: desk.record(f"S-{n}").status for n in range(1, 7)}


def test_what_is_missing_is_cancelled_once_all_parts_are_there(desk, store):
    taken_at = now(store)
    eventually(lambda: now(store) != taken_at, "a millisecond is over")
    desk.send(mac_changed("S-3", mac=mac(9)))  # after it was taken: left alone
    first = manifest(taken_at, "S-1", part=1, parts=2)
    second = manifest(taken_at, "S-6", part=2, parts=2)
    desk.send(second)
    desk.send(second)  # a part that comes twice is one part
    assert set(statuses(desk).values()) == {"active"}
    assert desk.outcome(second).detail == "1 of 2 parts are here"
    desk.send(first)
    gone = [n for n, status in statuses(desk).items() if status == "cancelled"]
    assert gone == [2, 4]
    assert desk.outcome(first).detail == "2 listed, 2 missing and cancelled: S-2, S-4"
    assert desk.state(first) == "applied"
    desk.send(activated("S-2", revision=2), first)  # it comes back; the manifest once more
    assert desk.record("S-2").status == "active"
    assert not store.client.exists(store.keys.manifests)


def test_it_may_only_report_or_suspend(desk, store):
    desk.send(manifest(now(store), "S-1", "S-2", missing="report"))
    assert set(statuses(desk).values()) == {"active"}
    said = store.views.outcomes([event_key(SOURCE, "m-1")])[0].detail
    assert said == "2 listed, 3 missing and reported: S-3, S-4, S-6"
    suspend = manifest(now(store), "S-1", "S-2", missing="suspend", routers=["R1"])
    desk.send(suspend | {"id": "m-2"})
    gone = [n for n, status in statuses(desk).items() if status == "suspended"]
    assert gone == [3, 4]


def test_a_crash_before_the_end_does_it_again(desk, store):
    given = manifest(now(store), "S-1", "S-2", "S-3", "S-6")
    part = admit(Intake(given, None, 1, key_of(given)), SOURCES, store.records.now_ms())
    endings = Manifests(store).take(part, store.records.now_ms())
    desk.send(*(each.raw for each in endings))  # and here the process ends
    assert desk.record("S-4").status == "cancelled"
    desk.send(given)
    assert desk.state(given) == "applied"
    assert not store.client.exists(store.keys.manifests)


def test_parts_that_never_come_are_a_dead_letter(desk, store):
    desk.send(manifest(now(store), "S-1", part=1, parts=3))
    desk.accept.expire_manifests()
    assert not desk.letters
    store.client.zadd(store.keys.manifests, {f"{SOURCE}|m": 1})  # an hour later
    desk.accept.expire_manifests()
    (letter,) = desk.letters.values()
    assert letter.reason == "manifest-incomplete"
    assert set(statuses(desk).values()) == {"active"}
    desk.accept.expire_manifests()
    assert len(desk.letters) == 1


def test_a_manifest_of_tomorrow_is_refused(desk):
    given = manifest("2999-01-01T00:00:00Z", "S-1")
    desk.send(given)
    assert desk.state(given) == "rejected: time-in-future"


def test_snapshots_and_a_manifest_in_any_order(desk, store):
    taken_at = now(store)
    rows = [
        snapshot(f"S-{n}", mac=mac(n + 20), ipv4=f"198.51.100.{n + 20}", revision=None)
        | {"asof": taken_at}
        for n in (1, 2)
    ]
    desk.send(manifest(taken_at, "S-1", "S-2", "S-6"), *rows, cancelled("S-6", revision=9))
    assert statuses(desk) == {1: "active", 2: "active", 5: "active"} | dict.fromkeys(
        (3, 4, 6), "cancelled"
    )
    assert desk.record("S-1").value("mac") == mac(21)
