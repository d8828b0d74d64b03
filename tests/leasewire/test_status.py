"""`leasewire status` over a real store, and the exit code that monitoring goes by."""

import json
from contextlib import contextmanager

import pytest

from tests.builders import activated, ipv4, mac, mac_changed
from tests.calls import lose_calls
from tests.leasewire.conftest import LEASES
from tests.signs import give_signs, process
from tests.store.passing_time import let_pass
from worker.core.alerting.health_figures import Sample
from worker.store.samples import SAMPLE_MS
from worker.store.watches import HOUR_MS

pytestmark = [pytest.mark.redis, pytest.mark.router]

SERVER = "dhcp-vlan-32"


@pytest.fixture
def store(world):
    return world.context.store


@pytest.fixture
def status(world, leasewire):
    def one_moment(*options):
        """The document and the text of one state: what is told twice alike held in between."""
        while True:
            shown = leasewire("status", "--json", *options)
            text = leasewire("status", *options)
            again = leasewire("status", "--json", *options)
            if shown.document["findings"] == again.document["findings"]:
                return shown, text

    def ask(*options):
        shown, text = one_moment(*options)
        document = shown.document
        assert shown.code == {"ok": 0, "warning": 1, "critical": 2}[document["level"]]
        assert text.code == shown.code
        for finding in document["findings"]:
            assert finding["detail"][:30] in text.out
        return document

    return ask


@pytest.fixture
def workers(store):
    """Signs of life of both kinds."""
    give_signs(store, "events@here:1", "routers@here:2")


def whats(document):
    return {(finding["level"], finding["what"]) for finding in document["findings"]}


def test_a_long_wait_is_warned_of_as_it_is_alerted(world, workers, status, monkeypatch):
    world.say(activated("SVC-A", server=SERVER, router="R1"))
    why = {"reason": "unknown-server", "detail": "", "since_ms": 0}
    block = world.context.store.keys.router("R1")
    why["since_ms"] = world.context.store.records.now_ms() - 120_000
    world.context.store.client.hset(block.waiting, "SVC-A", json.dumps(why))
    assert ("warning", "waiting") not in whats(status())
    monkeypatch.setenv("LEASEWIRE_WAITING_ALERT_S", "60")
    assert ("warning", "waiting") in whats(status())


def test_all_is_well_and_every_part_is_there(world, workers, status, leasewire):
    world.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    world.say(activated("SVC-A", server=SERVER))
    world.converge.run("R1")
    lose_calls(world.context.store)
    document = status()
    assert document["level"] == "ok"
    assert document["redis"]["server"].startswith("Valkey ")
    assert document["redis"]["appendonly"] is True
    assert document["workers"] == ["events@here:1", "routers@here:2"]
    assert document["queues"] == {"events": 0, "bulk": 0, "routers": 0, "unacked": 0}
    assert document["journal"] == {"events": {"depth": 0}, "bulk": {"depth": 0}}
    assert document["routers"] == {"new": 1, "up": 1}
    assert document["counters"]["applied"] == 1
    text = leasewire("status").out
    assert "All is well." in text
    assert "\n\nHOST" in text


def test_hosts_are_shown_and_one_that_fell_silent_is_said(workers, store, status, leasewire):
    give_signs(store, "gateway@there:7", version="0.1.0")
    let_pass(store, 20_000)
    give_signs(store, "events@here:1", "routers@here:2", version="0.1.1")
    document = status()
    assert whats(document) == {("warning", "hosts")}
    here, there = document["hosts"]
    assert (here["host"], here["running"], here["silent_s"]) == (
        "here",
        {"events": 1, "routers": 1},
        {},
    )
    assert (here["versions"], here["clock_ahead_s"]) == (["0.1.1"], 0)
    assert (there["host"], there["running"], there["versions"]) == ("there", {}, ["0.1.0"])
    assert 20 <= there["silent_s"]["gateway"] < 40
    assert there["last_sign"] < here["last_sign"]
    table = leasewire("status").out
    assert "1 events, 1 routers" in table
    assert "gateway for 2" in table
    store.heartbeats.end(process("gateway@there:7"))
    assert status()["findings"] == []


def test_no_worker_is_critical(world, status):
    assert whats(status()) == {("critical", "workers")}


def test_queues_journal_and_marks_are_counted_with_their_oldest(world, workers, store, status):
    world.say(activated("SVC-A", server=SERVER))
    with world.context.publisher() as publisher:
        publisher.publish([mac_changed("SVC-B", mac(2)), mac_changed("SVC-C", mac(3))])
    document = status()
    assert document["queues"]["events"] == 1
    assert document["journal"]["events"]["depth"] == 2
    assert document["journal"]["events"]["oldest_due"].endswith("Z")
    assert (document["work_items"]["services"], document["work_items"]["oldest_router"]) == (
        1,
        "R1",
    )
    late = store.records.now_ms() - 700_000
    due = f"{store.keys.prefix}journal:events:due"
    store.client.zadd(due, dict.fromkeys(store.client.zrange(due, 0, -1), late))
    store.client.zadd(store.keys.router("R1").due, {"SVC-A": 10**13 + late})
    assert whats(status()) == {("critical", "journal"), ("warning", "work_items")}


def test_routers_dead_letters_and_waiting_are_told_by_state_and_reason(
    world, workers, store, status
):
    world.r1.add_row("/ip/dhcp-server/network", {"address": "198.51.100.0/24"})
    world.r2.power_off()
    row = {"mac-address": mac(9), "address": ipv4(10), "server": SERVER}
    world.r1.add_row(LEASES, row)
    broken = {**mac_changed("SVC-X"), "data": {}}
    change = {"menu": LEASES, "field": "address", "value": ipv4(50), "text": ipv4(51)}
    world.r1.set_faults(change_values=[change])
    world.say(
        activated("SVC-A", server=SERVER),
        activated("SVC-B", router="R2", mac=mac(2)),
        activated("SVC-C", server=SERVER, mac=mac(3), ipv4=ipv4(50)),
        broken,
    )
    world.converge.run("R1")
    world.converge.run("R2")
    document = status()
    assert document["routers"] == {"unreachable": 1, "up": 1}
    assert {reason: each["count"] for reason, each in document["waiting"].items()} == {
        "foreign-row": 1
    }
    assert {reason: each["count"] for reason, each in document["dead_letters"].items()} == {
        "invalid-event": 1,
        "does-not-stick": 1,
    }
    assert whats(document) == {
        ("warning", "dead"),
        ("warning", "routers"),
        ("critical", "alerts"),  # router-down: open, though not old enough to wake anybody
    }


def test_it_is_never_better_than_the_worst_alert_that_is_open_and_not_muted(
    world, workers, status, leasewire
):
    world.r2.power_off()
    world.say(activated("SVC-B", router="R2", server=SERVER))
    world.converge.run("R2")
    document = status()
    assert document["level"] == "critical"
    details = {each["what"]: each["detail"] for each in document["findings"]}
    assert details["routers"].startswith("1 router is unreachable: R2 for ")
    assert details["alerts"].startswith("router-down R2: ")
    leasewire("alerts", "mute", "router-down", "R2", "--for", "1h")
    document = status()
    assert whats(document) == {("warning", "routers")}


@contextmanager
def maxmemory(client, limit):
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", limit)
    yield
    client.config_set("maxmemory", before)


def test_a_redis_without_a_limit_is_a_warning(world, workers, store, status):
    assert status()["findings"] == []
    with maxmemory(store.client, 0):
        document = status()
    assert whats(document) == {("warning", "memory")}
    assert "has no maxmemory" in document["findings"][0]["detail"]
    assert document["redis"]["used_share"] < 0.5, "of the host's memory"


def test_days_left_are_told_from_the_samples(world, workers, store, status):
    status()  # scripts and buffers of the first call are no growth of what is kept
    now, used = store.records.now_ms(), store.client.info("memory")["used_memory"]
    growth = used // 288  # all of it in a day of 288 samples
    for number in range(30, -1, -1):
        sample = Sample(now - number * SAMPLE_MS, used - number * growth)
        store.client.lpush(store.keys.samples, json.dumps(sample))
    with maxmemory(store.client, used * 2):
        document = status()
    # 0.6 of what is used is left: not where a few buffers more make another digit of it.
    assert document["redis"]["days_left"] == pytest.approx(0.6, abs=0.1)
    assert document["redis"]["used_share"] == pytest.approx(0.5, abs=0.05)


def test_what_takes_the_memory_is_told_by_kind_of_key(world, workers, store, status):
    world.say(
        *(activated(f"SVC-{n}", server=SERVER, mac=mac(n), ipv4=ipv4(n)) for n in range(1, 9))
    )
    world.converge.run("R1")
    assert status()["memory"] == {}
    memory = status("--memory")["memory"]
    assert memory["record"]["keys"] == memory["history"]["keys"] == 8
    assert memory["record"]["bytes"] > 8 * 200
    assert memory["router claims"]["keys"] == 1
    sizes = [each["bytes"] for each in memory.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_how_fast_changes_acted_on_the_last_day(world, workers, store, status, leasewire):
    hour = store.records.now_ms() // HOUR_MS
    for at in (hour, hour - 23, hour - 24):
        counts = {"suspended|connection-cut|1": 10, "suspended|connection-cut|sum": 15_000}
        store.client.hset(store.keys.acted_in(at), mapping=counts)
    document = status()
    assert document["acting"] == [
        {"kind": "suspended", "rung": "connection-cut", "changes": 20, "p50_s": 1.5, "p95_s": 1.9}
    ]
    assert "Seconds from applied to acting, last day:" in leasewire("status").out


def test_a_redis_that_is_out_of_reach_is_critical(world, leasewire, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", "redis://127.0.0.1:1")
    shown = leasewire("status", "--json")
    assert shown.code == 2
    assert shown.document["findings"][0]["what"] == "redis"
    assert leasewire("status").code == 2


def test_every_threshold_is_in_the_help(leasewire):
    shown = leasewire("status", "--help").out
    for message in (
        "80% of maxmemory",
        "exit 2",
        "more than 600 s",
        "LEASEWIRE_WAITING_ALERT_S (an hour unless set)",
    ):
        assert message in shown
