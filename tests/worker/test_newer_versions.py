"""An older worker beside a newer one: what it cannot read it leaves to that one, and goes on."""

import json
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from producers.connection import open_publisher
from tests.builders import event, mac, mac_changed
from tests.signs import give_signs, heartbeat
from tests.small_installation import SmallInstallation, activated
from worker.runtime import sweep as sweep_module
from worker.runtime.sweep import Sweep
from worker.watching.maintenance import Maintenance

pytestmark = pytest.mark.redis


@pytest.fixture
def small():
    with SmallInstallation(1) as small:
        yield small


def newer(small, service):
    """What a version with the next record format would have written."""
    key = small.store.keys.record(service)
    small.client.set(key, small.client.get(key).replace('"format":4', '"format":9'))


def older(small, service):
    key = small.store.keys.record(service)
    small.client.set(key, small.client.get(key).replace('"format":9', '"format":4'))


def hurry(small):
    """Let the time be over for which events are left to others."""
    due = "lw:journal:events:due"
    for key in small.client.zrange(due, 0, -1):
        small.client.zadd(due, {key: small.store.records.now_ms()})


def test_its_events_are_left_to_others_and_their_neighbours_are_not(small):
    small.say(activated("SVC-A", 1), activated("SVC-B", 2))
    small.drain()
    newer(small, "SVC-A")
    left, neighbour = mac_changed("SVC-A", mac(9)), mac_changed("SVC-B", mac(3))
    alone = mac_changed("SVC-A", mac(8), revision=1)  # a message brings it, no journal
    with open_publisher(
        small.server.url, clock=lambda: datetime.now(UTC), prefix="lw:"
    ) as publisher:
        publisher.publish([left, neighbour])
    for _ in range(7):
        small.say(alone)
        hurry(small)
    assert small.outcome(neighbour) == "accepted"
    assert small.store.journal.depth("events") == 2
    assert not small.store.views.dead_letters()
    assert not small.client.exists(small.store.keys.attempts)
    older(small, "SVC-A")  # as the newer worker sees it
    small.say()
    assert small.store.journal.depth("events") == 0
    small.drain()
    assert small.outcome(left).startswith("applied")
    assert small.outcome(alone).startswith("superseded")


def test_its_manifest_is_left_to_others(small):
    small.say(activated("SVC-A", 1))
    newer(small, "SVC-A")
    manifest = event("x", "SVC-A")
    manifest |= {
        "type": "leasewire.inventory.manifest.v1",
        "subject": "inventory/M-1",
        "data": {
            "manifest_id": "M-1",
            "part": 1,
            "parts": 1,
            "taken_at": "2026-11-24T09:15:00Z",
            "scope": {"all": True},
            "missing": "report",
            "services": [{"service_id": "SVC-A"}],
        },
    }
    small.say(manifest)
    assert small.store.journal.depth("events") == 1
    assert not small.store.views.dead_letters()
    older(small, "SVC-A")
    hurry(small)
    small.say()
    assert small.outcome(manifest).startswith("applied")


def test_its_scheduled_events_are_left_to_others(small):
    later = mac_changed("SVC-A", mac(9), effective_at="2026-12-24T09:15:00Z")
    other = mac_changed("SVC-B", mac(8), effective_at="2026-12-24T09:15:00Z")
    small.say(activated("SVC-A", 1), activated("SVC-B", 2), later, other)
    for service in ("SVC-A", "SVC-B"):  # its time has come
        key = small.store.keys.record(service)
        now_ms = small.store.records.now_ms()
        text = small.client.get(key)
        at_ms = round(datetime(2026, 12, 24, 9, 15, tzinfo=UTC).timestamp() * 1000)
        assert str(at_ms) in text
        small.client.set(key, text.replace(str(at_ms), str(now_ms - 1)))
    newer(small, "SVC-A")
    with capture_logs() as lines:
        small.accept.release(["SVC-A", "SVC-B"])
    assert small.outcome(other) == "accepted"
    assert small.outcome(later).startswith("scheduled")
    assert "record.unreadable" in [line["event"] for line in lines]


def test_its_conflicts_and_upkeep_end_no_sweep(small, monkeypatch):
    small.say(activated("SVC-1", 1))
    small.say(
        mac_changed("SVC-1", mac(2), id_="a"),
        mac_changed("SVC-1", mac(3), id_="b"),
    )
    newer(small, "SVC-1")
    small.client.zadd(small.store.keys.tombstones, {"SVC-1": 1})
    killed = []
    monkeypatch.setattr(sweep_module.os, "kill", lambda *args: killed.append(args))
    maintenance = Maintenance(small.store, lambda _: None, 3_600_000, small.policies)
    sweep = Sweep(
        small.store, 2000, heartbeat(small.store), lambda: False, maintain=maintenance.check
    )
    with capture_logs() as lines:
        sweep.once()
    assert not killed
    assert [line["part"] for line in lines if line["event"] == "sweep.left_to_newer"] == [
        "maintenance"
    ]
    # of what it cannot read it says what it knew
    assert [each.kind for each in small.store.alerts.all_open()] == ["revision-conflict"]


@pytest.mark.parametrize("part", ["release", "maintain"])
def test_each_part_of_a_sweep_may_meet_what_is_newer(small, part):
    small.say(activated("SVC-1", 1))
    newer(small, "SVC-1")
    done = []
    read = {part: lambda: small.store.records.read(["SVC-1"])}
    others = {name: lambda: done.append(1) for name in ("release", "maintain") if name != part}
    Sweep(small.store, 2000, heartbeat(small.store), lambda: False, **read, **others).once()
    assert done == [1]
    assert json.loads(small.client.lindex(small.store.keys.samples, 0))  # and the upkeep


def of_tomorrow():
    return event("frozen_over", "SVC-1")


def with_a_field_of_tomorrow():
    return activated("SVC-1", 1, urgency=3)


@pytest.mark.parametrize("made", [of_tomorrow, with_a_field_of_tomorrow])
def test_an_event_that_only_a_newer_version_understands_is_left_to_it(small, made):
    give_signs(small.store, "events@other:1", version="99.0.0")
    given = made()
    small.say(given)
    for _ in range(6):
        hurry(small)
        small.say()
    assert small.store.journal.depth("events") == 1
    assert small.outcome(given) is None
    assert not small.store.views.dead_letters()
    assert not small.client.exists(small.store.keys.attempts)


@pytest.mark.parametrize(
    ("name", "version"),
    [("gateway@other:1", "99.0.0"), ("events@other:1", "0.0.1"), ("events@other:1", "unknown")],
)
def test_it_is_decided_here_where_no_newer_version_folds_events(small, name, version):
    give_signs(small.store, name, version=version)
    rejected, folded = of_tomorrow(), with_a_field_of_tomorrow()
    small.say(rejected, folded)
    assert small.outcome(rejected).startswith("rejected")
    assert small.outcome(folded) == "accepted"
