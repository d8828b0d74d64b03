"""A manifest finds what a source no longer has; nothing happens before all of it is there."""

import json
import secrets
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.identity import event_key
from tests.builders import SOURCE, activated, cancelled, event, mac, mac_changed, snapshot
from tests.worker.desk import OTHER, SOURCES, Desk
from worker.intake.checks import check, key_of
from worker.intake.manifest import Manifests
from worker.store.journal import JournalEntry
from worker.store.store import open_store

pytestmark = pytest.mark.redis


@pytest.fixture
def desk(store):
    desk = Desk(store)
    desk.send(
        *(known_long(store, f"S-{n}", mac=mac(n), ipv4=f"198.51.100.{n}") for n in range(1, 5)),
        known_long(store, "S-5", source=OTHER, mac=mac(5), ipv4="198.51.100.5"),
        known_long(store, "S-6", router="R2", mac=mac(6), ipv4="198.51.100.6"),
    )
    return desk


def now(store, minutes=0):
    moment = datetime.fromtimestamp(store.records.now_ms() / 1000, UTC)
    return (moment + timedelta(minutes=minutes)).isoformat()


def known_long(store, service, **given):
    """A service of which nothing was heard for ten minutes."""
    return activated(service, revision=None, **given) | {"asof": now(store, -10)}


def manifest(taken_at, *services, part=1, parts=1, missing="cancel", routers=None):
    data = {
        "manifest_id": "m",
        "part": part,
        "parts": parts,
        "taken_at": taken_at,
        "missing": missing,
        "services": [{"service_id": service} for service in services],
    }
    if routers:
        data["scope"] = {"routers": routers}
    raw = event("x") | {"id": f"m-{part}", "type": "leasewire.inventory.manifest.v1"}
    return raw | {"subject": "inventory/m", "data": data}


def statuses(desk):
    return {n: desk.record(f"S-{n}").status for n in range(1, 7)}


def test_what_is_missing_is_cancelled_once_all_parts_are_there(desk, store):
    taken_at = now(store, -1)
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
    assert desk.state(first) == desk.state(second) == "applied"
    assert desk.outcome(second).detail == desk.outcome(first).detail
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


def test_who_is_suspended_stays_so_in_the_same_way(desk, store):
    blocked = event("suspended", "S-3", revision=None, suspension={"mode": "block"})
    desk.send(blocked | {"asof": now(store, -9)})
    before = desk.record("S-3").value("suspension")
    assert before["mode"] == "block"
    desk.send(manifest(now(store), "S-1", "S-2", missing="suspend"))
    assert desk.record("S-3").value("suspension") == before
    assert [n for n, status in statuses(desk).items() if status == "suspended"] == [3, 4, 6]


def test_a_crash_before_the_end_does_it_again(desk, store):
    given = manifest(now(store), "S-1", "S-2", "S-3", "S-6")
    part = check(JournalEntry(key_of(given), given), SOURCES, store.records.now_ms())
    complete = Manifests(store).take(part, store.records.now_ms())
    desk.send(*(ending.raw for ending in complete.endings))  # and here the process ends
    assert desk.record("S-4").status == "cancelled"
    desk.send(given)
    assert desk.state(given) == "applied"
    assert not store.client.exists(store.keys.manifests)


def test_a_worker_that_stood_still_takes_back_no_last_outcome(desk, store, monkeypatch):
    """It kept a part, and another worker had all of them before it said so."""
    taken_at = now(store, -1)
    first, second = (manifest(taken_at, f"S-{n}", part=n, parts=2) for n in (1, 2))
    commit = Manifests._commit  # noqa: SLF001 - where it stands still

    def stands_still(manifests, events, now_ms):
        monkeypatch.setattr(Manifests, "_commit", commit)
        desk.send(second)
        assert desk.state(first) == "applied"
        commit(manifests, events, now_ms)

    monkeypatch.setattr(Manifests, "_commit", stands_still)
    desk.send(first)
    assert desk.state(first) == desk.state(second) == "applied"


def test_parts_that_never_come_are_a_dead_letter(desk, store):
    part = manifest(now(store), "S-1", part=1, parts=3)
    desk.send(part)
    desk.accept.expire_manifests()
    assert not desk.dead_letters
    (name,) = store.client.zrange(store.keys.manifests, 0, -1)
    store.client.zadd(store.keys.manifests, {name: 1})  # an hour later
    desk.accept.expire_manifests()
    (dead_letter,) = desk.dead_letters.values()
    assert dead_letter.reason == "manifest-incomplete"
    assert desk.state(part) == "failed: manifest-incomplete"
    assert set(statuses(desk).values()) == {"active"}
    desk.accept.expire_manifests()
    assert len(desk.dead_letters) == 1


def test_what_came_within_the_skew_of_clocks_is_not_missing(desk, store):
    desk.send(mac_changed("S-2", mac=mac(9)))
    # Taken by a clock that is four minutes ahead a minute before that came, and told five later.
    source_ahead = now(store)
    given_ = manifest(source_ahead, "S-1", "S-3", "S-6")
    desk.send(given_)
    assert desk.outcome(given_).detail == "3 listed, 1 missing and cancelled: S-4"
    assert desk.record("S-2").status == "active"


class TestTwoAttempts:
    """A job fails after some parts, and lists anew under the same manifest id.

    S-4 moved from the second part to the first between them.
    """

    def first(self, store, number, of=2, id_="x"):
        parts = {1: ("S-1", "S-2", "S-3"), 2: ("S-4", "S-6")}
        given_ = manifest(now(store, -2), *parts[number], part=number, parts=of)
        return given_ | {"id": f"{id_}{number}"}

    def second(self, store, number, id_="y"):
        parts = {1: ("S-2", "S-3", "S-4"), 2: ("S-6",)}
        taken_at = getattr(self, "taken_at", None) or now(store, -1)
        self.taken_at = taken_at
        given_ = manifest(taken_at, *parts[number], part=number, parts=2)
        return given_ | {"id": f"{id_}{number}"}

    def test_parts_of_both_are_not_put_together(self, desk, store):
        desk.send(self.first(store, 1))
        last, first = self.second(store, 2), self.second(store, 1)
        desk.send(last)
        assert set(statuses(desk).values()) == {"active"}
        assert desk.outcome(last).detail == "1 of 2 parts are here"
        desk.send(first)
        gone = [n for n, status in statuses(desk).items() if status == "cancelled"]
        assert gone == [1]
        assert desk.outcome(first).detail == "4 listed, 1 missing and cancelled: S-1"

    def test_an_old_part_does_not_complete_one_of_fewer_parts(self, desk, store):
        desk.send(manifest(now(store, -2), "S-6", part=3, parts=3) | {"id": "x3"})
        desk.send(self.second(store, 1))
        assert set(statuses(desk).values()) == {"active"}

    def test_an_id_used_again_for_another_part_is_refused(self, desk, store):
        first = self.first(store, 1, id_="m:")
        desk.send(first)
        again = [self.second(store, number, id_="m:") for number in (1, 2)]
        for part in again:
            desk.send(part)
        assert set(statuses(desk).values()) == {"active"}
        assert [dead_letter.reason for dead_letter in desk.dead_letters.values()] == [
            "event-id-reused"
        ]
        assert desk.outcome(first).detail == "1 of 2 parts are here"


SERVICES = [f"S-{n}" for n in (1, 2, 3, 4, 6)]


@st.composite
def attempts(draw):
    """Two lists of one manifest id, by parts, and what of their parts comes in which order."""
    lists = []
    for taken in (-3, -2):
        kept = draw(st.permutations(SERVICES))[: draw(st.integers(2, len(SERVICES)))]
        at = draw(st.integers(1, len(kept) - 1))
        lists.append((taken, [kept[:at], kept[at:]]))
    sent = [(attempt, part) for attempt in (0, 1) for part in (1, 2)]
    return lists, draw(st.lists(st.sampled_from(sent), max_size=8))


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given_=attempts())
def test_nothing_goes_that_a_completed_attempt_lists(valkey_server, given_):
    lists, sent = given_
    with valkey_server.client() as client, structlog.testing.capture_logs():
        store = open_store(client, f"p{secrets.token_hex(4)}:")
        desk = Desk(store)
        desk.send(
            *(
                known_long(store, service, mac=mac(n), ipv4=f"198.51.100.{n}")
                for n, service in enumerate(SERVICES, 1)
            )
        )
        times = [now(store, taken) for taken, _ in lists]
        for attempt, part in sent:
            services = lists[attempt][1][part - 1]
            given_part = manifest(times[attempt], *services, part=part, parts=2)
            desk.send(given_part | {"id": f"{attempt}:{part}"})
        found = {service for service in SERVICES if desk.record(service).status == "cancelled"}
    whole = [at for at in (0, 1) if {(at, 1), (at, 2)} <= set(sent)]
    assert found == {
        s for at in whole for s in set(SERVICES) - {*lists[at][1][0], *lists[at][1][1]}
    }


def test_a_manifest_of_tomorrow_is_refused(desk):
    given = manifest("2999-01-01T00:00:00Z", "S-1")
    desk.send(given)
    assert desk.state(given) == "rejected: time-in-future"


def test_a_manifest_of_a_clock_that_is_ahead_a_little_is_taken(desk, store):
    given = manifest(now(store, 4), "S-1", "S-2", "S-3", "S-6")
    desk.send(given)
    assert desk.outcome(given).detail == "4 listed, 1 missing and cancelled: S-4"


def test_one_of_a_clock_that_is_ahead_by_more_waits(desk, store):
    given = manifest(now(store, 9), "S-1")
    desk.send(given)
    assert not desk.dead_letters
    assert [
        json.loads(body) for body in store.journal.events_postponed(store.records.now_ms())
    ] == [given]


def test_snapshots_and_a_manifest_in_any_order(desk, store):
    taken_at = now(store, -1)
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
