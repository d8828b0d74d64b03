"""The figures of a state that was made by real calls: events, passes at routers, people."""

import time

import httpx
import pytest
import structlog

from gateway.outcomes.deliveries import Deliveries
from leasewire.context import Context
from leasewire.host.embedded import memory_here
from tests.builders import SOURCE, activated, cancelled, ipv4, mac, mac_changed
from tests.leasewire.conftest import LEASES
from tests.metrics.conftest import scrape
from tests.signs import give_signs
from tests.store.passing_time import let_pass
from worker.core.entry.brake import BrakeLimits
from worker.intake.accept import Accept

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"
NOT_OURS = {"mac-address": mac(90), "address": ipv4(90), "server": SERVER}


def services(*numbers, **given):
    return [
        activated(f"SVC-{n}", server=SERVER, mac=mac(n), ipv4=ipv4(n), router="R1", **given)
        for n in numbers
    ]


@pytest.fixture
def seen(world, exporter):
    with exporter(world.context) as url:
        yield lambda: scrape(url)


@pytest.fixture
def store(world):
    return world.context.store


def publish(world, *events, **more):
    with world.context.publisher() as publisher:
        publisher.publish(events, **more)


def test_an_installation_where_nothing_happened(world, seen):
    found = seen()
    assert found.value("leasewire_redis_up") == 1
    assert found.value("leasewire_redis_aof_enabled") == 1
    assert found.value("leasewire_redis_aof_ok") == 1
    assert found.value("leasewire_redis_memory_limit_bytes") == memory_here() // 2
    assert found.value("leasewire_redis_memory_used_bytes") > 100_000
    assert found.value("leasewire_workers", kind="events") == 0
    assert found.by("leasewire_findings", "what", level="critical") == {"workers": 2}
    assert found.by("leasewire_routers", "state") == {"new": 2}
    assert found.by("leasewire_alerts", "kind") == {}
    assert found.value("leasewire_journal_oldest_seconds", lane="events") == 0
    assert found.value("leasewire_outcomes_total", outcome="applied") == 0
    assert found.value("leasewire_brake_holds") == 0


def test_events_in_the_journal_by_lane_and_how_long_the_oldest_waits(world, store, seen):
    publish(world, *services(1, 2))
    publish(world, *services(3), lane="bulk")
    let_pass(store, 90_000)
    found = seen()
    assert found.by("leasewire_journal_events", "lane") == {"events": 2, "bulk": 1}
    assert 90 <= found.value("leasewire_journal_oldest_seconds", lane="events") < 110
    assert found.by("leasewire_queue_messages", "queue") == {"events": 1, "bulk": 1}
    assert found.by("leasewire_findings", "what", level="warning") == {"journal": 2}


def test_services_by_router_and_where_they_stand(world, store, seen):
    world.r1.add_row(LEASES, NOT_OURS)
    does_not_stick = {"menu": LEASES, "field": "address", "value": ipv4(50), "text": ipv4(51)}
    world.r1.set_faults(change_values=[does_not_stick])
    policies = {name: each.policy for name, each in world.context.inventory.routers.items()}
    sources = world.context.inventory.sources
    with_brake = Accept(store, sources, policies, BrakeLimits())
    broken = {**mac_changed("SVC-X"), "data": {}}
    world.say(*services(*range(1, 11), 50, 90), activated("SVC-R", router="R2", mac=mac(80)))
    world.say(broken)
    world.converge.run("R1")
    with_brake.run([cancelled(f"SVC-{n}", revision=2) for n in range(1, 9)], "events")
    world.say(*services(11))
    found = seen()
    assert found.by("leasewire_router_services", "state", router="R1") == {
        "applied": 2,  # 9 and 10
        "pending": 1,  # 11
        "held": 8,
        "waiting": 1,
        "dead": 1,
    }
    assert found.by("leasewire_router_services", "state", router="R2") == {"pending": 1}
    assert found.by("leasewire_router_waiting_services", "reason") == {"foreign-row": 1}
    assert found.by("leasewire_dead_letters", "reason") == {
        "does-not-stick": 1,
        "invalid-event": 1,
    }
    assert found.value("leasewire_brake_holds") == 1
    assert found.by("leasewire_brake_held_services", "hold") == {"router:R1": 8}
    assert found.by("leasewire_alerts", "kind", severity="critical") == {"brake": 1}
    assert found.value("leasewire_outcomes_total", outcome="applied") == 10
    assert found.value("leasewire_outcomes_total", outcome="rejected") == 1
    assert found.value("leasewire_source_events_total", source=SOURCE) == 22
    last = found.value("leasewire_source_last_event_timestamp_seconds", source=SOURCE)
    assert time.time() - 60 < last <= time.time() + 1
    world.converge.run("R1")
    assert seen().by("leasewire_router_services", "state", router="R1") == {
        "applied": 3,
        "held": 8,
        "waiting": 1,
        "dead": 1,
    }


def test_what_is_due_for_whom_and_since_when(world, store, seen):
    world.say(*services(1))
    world.accept.run(services(2, 3), "bulk")
    let_pass(store, 150_000)
    found = seen()
    assert found.by("leasewire_router_due_services", "lane", router="R1") == {"live": 1, "bulk": 2}
    assert 150 <= found.value("leasewire_router_due_oldest_seconds", router="R1", lane="bulk") < 170
    assert found.value("leasewire_router_due_oldest_seconds", router="R2", lane="live") == 0
    world.converge.run("R1")
    found = seen().by("leasewire_router_due_services", "lane", router="R1")
    assert found == {"bulk": 2}, "which has a pass of its own"
    world.converge.run("R1")
    found = seen()
    assert found.by("leasewire_router_due_services", "lane", router="R1") == {}
    assert found.by("leasewire_router_services", "state", router="R1") == {"applied": 3}


def test_routers_by_state(world, store, leasewire, seen):
    world.r2.power_off()
    world.say(activated("SVC-A", router="R2"))
    world.converge.run("R2")
    assert leasewire("routers", "pause", "R1", "--reason", "works", "--actor", "maria").code == 0
    found = seen()
    assert found.by("leasewire_routers", "state") == {"paused": 1, "unreachable": 1}
    assert found.by("leasewire_router_state", "state", router="R2") == {"unreachable": 1}
    assert found.by("leasewire_router_up", "router") == {}
    since = found.value("leasewire_router_away_since_timestamp_seconds", router="R2")
    assert time.time() - 60 < since <= time.time() + 1
    assert (
        found.value("leasewire_alerts", kind="router-down", severity="critical", notified="no") == 1
    )
    assert leasewire("routers", "resume", "R1").code == 0
    assert seen().by("leasewire_router_state", "state", router="R1") == {"new": 1}
    world.say(activated("SVC-B", server=None, mac=mac(2)))
    world.converge.run("R1")
    assert seen().by("leasewire_router_up", "router") == {"R1": 1}


def report(world, store):
    """R1's hourly report."""
    store.full_reads.ask(["R1", "R2"], 3_600_000)
    look, due, _ = store.keys.reports
    store.client.delete(look)
    store.client.zadd(due, {"R1": 1})
    assert store.full_reads.ask(["R1", "R2"], 3_600_000) == 1
    world.converge.run("R1")


def test_when_a_router_was_last_read_as_a_whole(world, store, seen):
    found = seen()
    assert found.by("leasewire_router_last_full_read_timestamp_seconds", "router") == {}
    report(world, store)
    read = store.full_reads.last("R1").at_ms / 1000
    found = seen().by("leasewire_router_last_full_read_timestamp_seconds", "router")
    assert found == {"R1": read}


def test_how_full_pools_are_is_as_the_last_report_found_it(world, store, seen):
    world.r1.add_row("/ip/pool", {"name": "first", "ranges": "203.0.113.10-203.0.113.19"})
    world.r1.add_row("/ip/pool", {"name": "nobody's", "ranges": "203.0.113.20-203.0.113.29"})
    (server,) = world.r1.rows("/ip/dhcp-server")
    world.r1.set_row("/ip/dhcp-server", server[".id"], {"address-pool": "first"})
    assert seen().by("leasewire_router_pool_addresses", "pool", router="R1") == {}
    report(world, store)
    found = seen()
    assert found.by("leasewire_router_pool_addresses", "pool", router="R1") == {"first": 10}
    assert found.value("leasewire_router_pool_used_addresses", router="R1", pool="first") == 0


def test_workers_and_how_old_their_signs_are(world, store, seen):
    give_signs(store, "events@a:1", "events@b:1", "routers@a:2")
    let_pass(store, 40_000)
    give_signs(store, "events@a:3")
    found = seen()
    assert found.by("leasewire_workers", "kind") == {"events": 1}
    ages = found.by("leasewire_worker_last_sign_seconds", "host", kind="events")
    assert ages["a"] < 20
    assert 40 <= ages["b"] < 60


def test_how_far_the_delivery_of_outcomes_is(world, tmp_path, exporter):
    (tmp_path / "outcomes.toml").write_text(
        f'[targets.billing]\nurl = "http://127.0.0.1:1/"\nsources = ["{SOURCE}"]\n'
        'secret_file = "not-for-who-only-counts"\n'
    )
    context = Context(tmp_path / "routers.toml")
    deliveries = Deliveries(context.store.client, context.settings.key_prefix, "billing")
    with exporter(context) as url:
        found = scrape(url)
        assert found.value("leasewire_outcome_deliveries_total", target="billing") == 0
        lags = "leasewire_outcome_delivery_lag_seconds"
        assert found.families[lags].samples == [], "nobody delivers yet"
        start = deliveries.cursor(context.store.feed.last())
        assert scrape(url).value(lags, target="billing") == 0
        world.say(*services(1))
        began = time.time()
        while (lag := scrape(url).value(lags, target="billing")) < 0.2:
            assert time.time() - began < 10
        assert lag < 10
        page = context.store.feed.read([SOURCE], start, 10)
        assert deliveries.hold()
        deliveries.go_on(page.cursor, 1)
        deliveries.note_failing("no route", 1, 2)
        found = scrape(url)
        assert found.value(lags, target="billing") == 0
        assert found.value("leasewire_outcome_deliveries_total", target="billing") == 1
        assert found.value("leasewire_outcome_delivery_failing", target="billing") == 1
    context.store.client.close()


def test_services_of_a_router_that_is_only_observed_are_not_called_applied(
    world, edited, tmp_path, exporter
):
    accept, converge = edited(("[routers.R1]", '[routers.R1]\nmode = "observe"'))
    accept.run(services(1, 2), "events")
    converge.run("R1")
    context = Context(tmp_path / "routers.toml")
    with exporter(context) as url:
        found = scrape(url)
    assert found.by("leasewire_router_services", "state", router="R1") == {"observed": 2}
    assert found.value("leasewire_outcomes_total", outcome="observed") == 2
    context.store.client.close()


def test_what_cannot_be_read_is_an_error_and_no_figure(world, store, exporter):
    waiting = store.keys.router("R1").waiting
    store.client.hset(waiting, "SVC-1", "no JSON")
    store.routers.add_work("R1", ["SVC-1"], 0)
    with exporter(world.context) as url, structlog.testing.capture_logs() as logs:
        answer = httpx.get(f"{url}/metrics", timeout=30)
        assert (answer.status_code, "leasewire_" in answer.text) == (500, False)
        assert [line["event"] for line in logs] == ["metrics.failed"]
        store.client.delete(waiting)
        assert scrape(url).value("leasewire_redis_up") == 1


def test_words_that_redis_tells_make_no_series_without_end(world, store, seen):
    store.client.hset(store.keys.counters, mapping={f"word-{n}": n for n in range(1, 201)})
    found = seen().by("leasewire_outcomes_total", "outcome")
    assert len(found) == 41
    assert found["word-200"] == 200
    assert sum(found.values()) == 200 * 201 / 2


def test_the_time_from_applied_to_acting_is_a_histogram_by_kind_and_rung(world, store, seen):
    counts = {"rate|lease-rate|1": 3, "rate|lease-rate|11": 1, "rate|lease-rate|sum": 90_004_500}
    store.client.hset(store.keys.acted, mapping=counts)
    store.client.zadd(store.keys.watches_due, {"SVC-1@R1": 1})
    found = seen()
    labels = {"kind": "rate", "rung": "lease-rate"}
    assert found.value("leasewire_change_acting_seconds_count", **labels) == 4
    assert found.value("leasewire_change_acting_seconds_sum", **labels) == 90_004.5
    by_limit = found.by("leasewire_change_acting_seconds_bucket", "le", **labels)
    assert by_limit["2.0"] == by_limit["86400.0"] == 3
    assert by_limit["+Inf"] == 4
    assert found.value("leasewire_changes_awaited") == 1


def test_no_label_grows_with_services(world, seen):
    before = len(seen())
    world.say(*services(*range(1, 60)))
    world.converge.run("R1")
    assert len(seen()) - before <= 4, "first looks and times: no series a service"


def test_a_scrape_only_reads_and_walks_through_nothing(world, store, seen):
    world.say(*services(1, 2))
    seen()
    store.client.config_resetstat()
    seen()
    used = {name.removeprefix("cmdstat_") for name in store.client.info("commandstats")}
    for name in sorted(used - {"config|resetstat", "info"}):
        [said] = store.client.execute_command("COMMAND", "INFO", name.replace("|", " ")).values()
        assert "write" not in said["flags"], name
        assert name not in ("scan", "keys", "evalsha"), name
