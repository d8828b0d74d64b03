"""What of the numbers somebody must know, as data: each threshold from both of its sides."""

from dataclasses import replace

import pytest

from tests.signs import process
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health import assess
from worker.core.alerting.health_figures import (
    HealthFigures,
    JournalFigures,
    ReasonCount,
    RedisFigures,
    RouterSummary,
    Sample,
)
from worker.core.alerting.processes import ProcessSign

NOW = 10_000_000_000
MB = 1_000_000
REDIS = RedisFigures(
    server="Valkey 9",
    used=10 * MB,
    limit=100 * MB,
    policy="noeviction",
    appendonly=True,
    written=True,
)
UP = RouterSummary("R1", "up", 0, False, 0, 0)


def running(*names):
    return [ProcessSign(process(name), 500) for name in names]


WELL = HealthFigures(
    now_ms=NOW,
    redis=REDIS,
    processes=running("events@a:1", "routers@a:2"),
    queues={},
    journal={"events": JournalFigures(0, 0), "bulk": JournalFigures(0, 0)},
    routers=[UP],
    dead_letters={},
    waiting={},
    counters={},
)


def ago(seconds):
    return NOW - seconds * 1000


def redis(**changes):
    return replace(WELL, redis=replace(REDIS, **changes))


def growing(mb_a_day, used=40 * MB, count=72):
    rate = mb_a_day * MB / 288
    samples = [Sample(ago(300 * n), int(used - n * rate)) for n in range(count)]
    return redis(used=used, samples=samples)


def journal(seconds):
    return replace(WELL, journal={"events": JournalFigures(3, ago(seconds))})


def routers(*changes):
    return replace(WELL, routers=[UP._replace(name=f"R{n}", **c) for n, c in enumerate(changes)])


JUST_DOWN = {"state": "unreachable", "since_ms": ago(1)}
BLOCKED = {"state": "blocked", "since_ms": ago(1)}

SITUATIONS = {
    "all well": (WELL, []),
    "no limit": (redis(limit=0, used=10**12), [("warning", "memory")]),
    "59 %": (redis(used=59 * MB), []),
    "60 %": (redis(used=60 * MB), [("warning", "memory")]),
    "80 %": (redis(used=80 * MB), [("critical", "memory")]),
    "8 days left": (growing(5), []),
    "6 days left": (growing(40 / 6), [("warning", "memory")]),
    "half a day left": (growing(80), [("critical", "memory")]),
    "half an hour of samples": (growing(80, count=6), []),
    "a first import": (growing(500, used=20 * MB), []),
    "shrinking": (growing(-80), []),
    "no append-only file": (redis(appendonly=False), [("critical", "redis")]),
    "disk full": (redis(written=False), [("critical", "redis")]),
    "may evict": (redis(policy="allkeys-lru"), [("critical", "redis")]),
    "policy unknown": (redis(policy=""), []),
    "no workers": (replace(WELL, processes=[]), [("critical", "workers")] * 2),
    "no events worker": (
        replace(WELL, processes=running("routers@a:1")),
        [("critical", "workers")],
    ),
    "canary in time": (replace(WELL, canaries={"events": 60_000, "bulk": 5}), []),
    "canary late": (replace(WELL, canaries={"routers": 60_001}), [("critical", "workers")]),
    "canary late for want of workers": (
        replace(WELL, processes=running("events@a:1"), canaries={"routers": 90_000}),
        [("critical", "workers")],
    ),
    "journal in time": (journal(60), []),
    "journal late": (journal(62), [("warning", "journal")]),
    "journal stands": (journal(602), [("critical", "journal")]),
    "mark in time": (routers({"oldest_ms": ago(120)}), []),
    "mark late": (routers({"oldest_ms": ago(122)}), [("warning", "work_items")]),
    "marks stand": (routers({"oldest_ms": ago(902)}, {}), [("critical", "work_items")]),
    "mark of a router that is down": (
        routers({"oldest_ms": ago(902), **JUST_DOWN}, {}, {}),
        [("warning", "routers")],
    ),
    "router just down": (routers(JUST_DOWN, {}, {}), [("warning", "routers")]),
    "router blocked": (routers(BLOCKED, {}, {}), [("warning", "routers")]),
    "the only router is down": (routers(JUST_DOWN), [("warning", "routers")]),
    "most are down": (
        routers(JUST_DOWN, JUST_DOWN, {}),
        [("critical", "routers"), ("warning", "routers")],
    ),
    "alert open": (
        replace(WELL, alerts=[Alert("rogue-device", "R1 dhcp1 00:00:5E:00:53:01", "new", NOW)]),
        [("warning", "alerts")],
    ),
    "critical alert open": (
        replace(WELL, alerts=[Alert("router-down", "R1", "no answer", NOW)]),
        [("critical", "alerts")],
    ),
    "alerts of two kinds": (
        replace(
            WELL,
            alerts=[
                Alert("drift", "R1", "3 rows", NOW),
                Alert("router-down", "R2", "no answer", NOW),
                Alert("router-down", "R3", "no answer", NOW),
            ],
        ),
        [("critical", "alerts"), ("warning", "alerts")],
    ),
    "dead letters": (
        replace(WELL, dead_letters={"invalid-event": ReasonCount(2, NOW)}),
        [("warning", "dead")],
    ),
    "waiting": (replace(WELL, waiting={"foreign-row": ReasonCount(1, ago(3_600))}), []),
    "waiting long": (
        replace(WELL, waiting={"foreign-row": ReasonCount(1, ago(3_602))}),
        [("warning", "waiting")],
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_threshold_has_its_finding(name):
    health_figures, expected = SITUATIONS[name]
    found = assess(health_figures, 3_600)
    assert [(each.level, each.what) for each in found] == expected
    assert all(each.detail and each.advice for each in found)


def test_the_critical_ones_come_first():
    both = replace(WELL, processes=[], dead_letters={"poison": ReasonCount(1, NOW)})
    assert [each.level for each in assess(both, 3_600)] == ["critical", "critical", "warning"]


def test_days_are_told_from_the_slope_of_all_samples():
    assert growing(8).redis.days_left == pytest.approx(5, rel=0.01)
    noisy = growing(8).redis.samples
    jumped = [each._replace(used=each.used + (n % 2) * 1000) for n, each in enumerate(noisy)]
    assert redis(used=40 * MB, samples=jumped).redis.days_left == pytest.approx(5, rel=0.05)


def test_without_maxmemory_the_hosts_memory_counts():
    critical, warning = assess(redis(limit=0, host=100 * MB, used=80 * MB), 3600)
    assert critical.detail.startswith("80% of the host's memory is used")
    assert warning.detail.startswith("Redis has no maxmemory")


def test_one_is_written_as_one():
    held = {"held-for-approval": ReasonCount(1, NOW), "foreign-row": ReasonCount(1, ago(4_000))}
    figures = replace(
        WELL,
        routers=[UP._replace(**BLOCKED), UP._replace(name="R2"), UP._replace(name="R3")],
        dead_letters={"poison": ReasonCount(1, NOW)},
        waiting=held,
        journal={"events": JournalFigures(1, ago(62))},
    )
    assert {finding.what: finding.detail for finding in assess(figures, 3_600)} == {
        "brake": "the brake holds 1 service for approval",
        "dead": "1 dead letter: poison",
        "journal": "1 event in journal events, the oldest due for 62 s (over 60 s)",
        "routers": "1 router needs a person: R1 (blocked)",
        "waiting": "1 service waiting, the oldest for more than 3600 s: foreign-row",
    }
    (late,) = assess(routers({"oldest_ms": ago(902)}, {}), 3_600)
    assert late.detail.endswith("(over 900 s); 1 router late")
