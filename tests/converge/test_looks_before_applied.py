"""An event that changes nothing is `applied` when its row was seen, and not for what was once."""

from datetime import UTC, datetime

import pytest

from tests import builders
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from tests.waiting import eventually
from worker.core.entry.wanted import BULK
from worker.routeros.session import Session
from worker.runtime.tasks import release_due

pytestmark = [pytest.mark.redis, pytest.mark.router]


@pytest.fixture
def here():
    with SmallInstallation(1) as world:
        network = {"address": "198.51.100.0/24", "gateway": "198.51.100.254"}
        world.r["R1"].add_row("/ip/dhcp-server/network", network)
        world.say(activated("SVC-1", 101), activated("SVC-2", 102))
        world.drain()
        yield world


def again(revision, number=101, kind="snapshot"):
    if kind == "activated":
        return activated("SVC-1", number, revision=revision)
    return builders.snapshot(
        "SVC-1",
        revision=revision,
        mac=builders.mac(number),
        ipv4=builders.ipv4(101),
        router="R1",
        server=SERVER,
    )


def report(world):
    world.client.sadd(world.store.keys.reports.asked, "R1")
    world.converge.run("R1")


def row_of(world, service="SVC-1"):
    rows = [row for row in world.rows("R1") if row["comment"].endswith(f":{service}")]
    assert len(rows) <= 1
    return rows[0] if rows else None


def restart(world, seconds=7200):
    """The router boots; and it is much later by Redis's clock."""
    world.r["R1"].reboot()
    world.sessions.close_all()
    key = world.store.keys.router("R1").full_read
    booted = int(world.client.hget(key, "booted"))
    world.client.hset(key, "booted", booted - seconds * 1000)


@pytest.mark.parametrize("kind", ["snapshot", "activated"])
def test_a_row_that_was_removed_is_written_before_that_is_said(here, kind):
    here.r["R1"].remove_row(LEASES, row_of(here)[".id"])
    report(here)
    event = again(2, kind=kind)
    here.say(event)
    assert here.outcome(event) == "accepted"
    assert here.store.fleet.priorities("R1") == {"SVC-1": BULK}  # no live event waits for it
    here.drain()
    assert here.outcome(event).startswith("applied")
    assert row_of(here)["mac-address"] == builders.mac(101)


def test_a_row_that_is_there_is_looked_at_once_and_leaves_little(here):
    report(here)
    first, second = again(2), again(3)
    here.say(first)
    assert here.outcome(first) == "accepted"
    here.drain()
    assert here.outcome(first) == "applied: already-current"
    here.say(second)  # seen since the report
    assert here.outcome(second) == "applied: already-current"
    assert here.due("R1") == []
    assert len(here.store.views.service("SVC-1", []).events) == 1
    brief = [*here.client.scan_iter(here.store.keys.brief("*"))]
    assert sum(map(here.client.hlen, brief)) == 2
    assert len(here.client.lrange(here.store.keys.history("SVC-1"), 0, -1)) == 2


def test_a_scheduled_event_that_changes_nothing_in_its_time_is_applied(here):
    """Found by a simulated history: who asked for its outcome read *accepted* for ever."""
    soon = datetime.fromtimestamp(here.store.records.now_ms() / 1000 + 0.2, UTC)
    event = builders.resumed("SVC-1", revision=2, effective_at=soon.isoformat())
    here.say(event)
    assert here.outcome(event).startswith("scheduled")
    report(here)
    eventually(
        lambda: release_due(here.accept) or here.outcome(event) == "accepted", "it is released"
    )
    here.drain()
    assert here.outcome(event) == "applied: already-current"


def test_without_a_reason_an_event_that_changes_nothing_costs_no_look(here, monkeypatch):
    reads = []
    real = Session.read_leases
    monkeypatch.setattr(
        Session, "read_leases", lambda s, *given: reads.append(given) or real(s, *given)
    )
    events = [again(revision) for revision in range(2, 12)]
    here.say(*events, lane="bulk")
    here.drain()
    assert {here.outcome(each) for each in events} == {"applied: already-current"}
    assert reads == []


def test_while_the_router_is_down_it_is_not_said(here):
    report(here)
    here.r["R1"].power_off()
    here.sessions.close_all()
    event = again(2)
    here.say(event)
    here.drain()
    assert here.outcome(event) == "accepted"


def test_a_router_that_boots_with_an_older_configuration_is_put_right(here):
    old = here.r["R1"].snapshot()
    here.say(builders.mac_changed("SVC-1", builders.mac(105), revision=2))
    here.drain()
    here.r["R1"].restore(old)
    restart(here)
    here.say(builders.mac_changed("SVC-2", builders.mac(106), revision=2))  # a reason to look
    here.drain()
    assert row_of(here)["mac-address"] == builders.mac(105)
    event = again(3, number=105)
    here.say(event)
    here.drain()
    assert here.outcome(event) == "applied: already-current"


def test_an_event_waits_for_the_look_at_a_router_that_came_back_with_other_rows(here):
    old = here.r["R1"].snapshot()
    here.say(builders.mac_changed("SVC-1", builders.mac(105), revision=2))
    here.drain()
    here.r["R1"].restore(old)
    report(here)
    event = again(3, number=105)
    here.say(event)
    here.drain()
    assert here.outcome(event) == "applied"
    assert row_of(here)["mac-address"] == builders.mac(105)
