"""Each kind of key in Redis has a time limit, or something that bounds how much is in it.

A kind that is not in the table here, or not in `docs/reference/redis-keys.md`, fails.
"""

import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from contracts import names
from gateway.keys import GatewayKeys
from producers.connection import open_publisher
from tests import builders
from tests.signs import heartbeat
from tests.small_installation import LEASES, SERVER, SmallInstallation, activated
from worker.ports import AnswerTimes
from worker.runtime.sweep import Sweep
from worker.store.batches import Busy
from worker.store.keys import Key, KeyByName, Keys
from worker.watching.maintenance import Maintenance

pytestmark = [pytest.mark.redis, pytest.mark.router]

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "redis-keys.md"
RETENTION = DOCS.parents[1] / "retention.md"
MINUTE, HOUR, DAY = 60, 3_600, 86_400
TIMES, OPERATOR, STRANGER = "urn:isp:times", "urn:isp:noc", "urn:nobody"
SERVICES, ROUTERS, SOURCES = 60, 3, 4

LIMITS = {
    "acted:*": 26 * HOUR,
    "alerts:check": MINUTE,
    "alerts:notifier": MINUTE,
    "alerts:watched:*": DAY,
    "brake:source:*:lost": 2 * HOUR,
    "brake:source:*:suspended": 2 * HOUR,
    "canaries:claim": 10,
    "gateway:probe": 1,
    "gateway:session:*": 2 * HOUR,
    "import:*": 40 * DAY,
    "journal:*:notified": 2,
    "manifest:*": 3 * HOUR,
    "beside:*": 40 * DAY,
    "brief:*": 3 * HOUR,
    "refused": DAY,
    "refused:*": DAY,
    "router:*:answers": 12 * HOUR,
    "router:*:full-read": 40 * DAY,
    "router:*:lock": MINUTE,
    "router:*:lost": 2 * HOUR,
    "router:*:lost-by": 2 * HOUR,
    "router:*:memory": 7 * DAY,
    "router:*:reconfigured": DAY,
    "routers:reports:check": 2,
    "seen:*": 40 * DAY,
    "sign:*": DAY,
    "inventory:*": MINUTE,
    "take:*": 10,
    "maintenance": MINUTE,
    "webhook:*:holder": 30,
}
"""Kind of key -> how long it lives at the most, in seconds."""

SIZES = {
    "audit": 10_000,
    "alerts": 100,
    "alerts:changes": 10_100,
    "alerts:mutes": 100,
    "alerts:notified:*": 100,
    "alerts:not-notified": 100,
    "attempts": SERVICES,
    "attempts:left": SERVICES,
    "brake:announced": ROUTERS + SOURCES,
    "brake:held": SERVICES * ROUTERS,
    "bulk": 10,
    "calendar:*": 50 * SERVICES,
    "canaries": 3,
    "conflicts": SOURCES,
    "conflicts:*": SERVICES,
    "counters": 200,
    "dead": 1_000 * SOURCES,
    "dead:by-time": 1_000 * SOURCES,
    "dead:gone": 10 * SOURCES,
    "dead:of:*": 1_000,
    "events": 10,
    "feed:bulk:*": 50_100,
    "feed:gone": 2 * SOURCES + 1,
    "feed:last": 1,
    "feed:live:*": 50_100,
    "feed:unknown_sources": 50_100,
    "gateway:hash-secret": 1,
    "gateway:keys": 100,
    "gateway:keys:used": 100,
    "gateway:people": 100,
    "history:*": 50,
    "hooks:inbox": 50_000,
    "hooks:inbox:bytes": 1,
    "hooks:inbox:due": 50_000,
    "hooks:reading": SERVICES,
    "hooks:tickets": SERVICES,
    "hooks:wanted": SERVICES,
    "hooks:wanted:due": SERVICES,
    "installation": 1,
    "store-format": 1,
    "redis-run": 1,
    "operators:secret": 1,
    "journal:*": 100_000,
    "journal:*:due": 100_000,
    "journal:lost": 2,
    "manifests": SOURCES,
    "minutes": 720,
    "pools": 20,
    "pools:samples:*": 840,
    "pools:assigned": 8 * SERVICES,
    "pools:values:*": 4 * SERVICES,
    "pools:waiting:*": SERVICES,
    "pools:unread": ROUTERS,
    "purged": SERVICES,
    "record:*": 1,
    "router:*:claims": 2 * SERVICES,
    "router:*:due": SERVICES,
    "router:*:held": SERVICES,
    "router:*:inflight": SERVICES,
    "router:*:work-items": SERVICES,
    "router:*:notified": 1,
    "router:*:prefixes": SERVICES,
    "router:*:services": SERVICES,
    "router:*:state": 1,
    "router:*:waiters": 4 * SERVICES,
    "router:*:waiting": SERVICES,
    "routers": ROUTERS + 2,
    "routers:aliases": ROUTERS,
    "routers:due": ROUTERS,
    "routers:paused": ROUTERS,
    "routers:policies": ROUTERS,
    "routers:reports": ROUTERS,
    "routers:reports:asked": ROUTERS,
    "routers:serial-names": ROUTERS,
    "routers:serials": ROUTERS,
    "routers:serials-seen": ROUTERS,
    "routers:full-reads": ROUTERS,
    "samples": 72,
    "schedule": SERVICES,
    "scheduled": 50 * SERVICES,
    "source:*": 20,
    "sources:known": SOURCES,
    "sources:owners": SOURCES,
    "sweep": 1,
    "tombstones": SERVICES,
    "unacked": 256 * 4,
    "unacked_index": 256 * 4,
    "acted": 200,
    "watches": SERVICES * ROUTERS,
    "watches:due": SERVICES * ROUTERS,
    "webhook:*:aside": 1_000,
    "webhook:*:aside:due": 1_000,
    "webhook:*:cursor": 1,
    "webhook:*:dead": 10_000,
    "webhook:*:dead:by-time": 10_000,
    "webhook:*:state": 10,
    "processes": 10,
    "processes:info": 10,
    "_kombu.binding.*": 10,
}
"""Kind of key without a time limit -> how many members it has at the most, in this test's world."""

_SIZE_BY = {
    "hash": "HLEN",
    "list": "LLEN",
    "set": "SCARD",
    "zset": "ZCARD",
    "stream": "XLEN",
}
_READ_BY = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "list": ("LRANGE", 0, -1),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1),
    "stream": ("XRANGE", "-", "+"),
}


def kinds_of(name):
    """The kinds that a key may be of, the longest first."""
    found = [each for each in (*LIMITS, *SIZES) if fnmatchcase(name, each)]
    return sorted(found, key=lambda each: (each.count(":"), len(each)), reverse=True)


def problems_of(client, prefix):
    """What is wrong with the keys that there are, and which kinds they are of."""
    problems, kinds = [], set()
    for key in client.scan_iter(f"{prefix}*", count=1000):
        kind = next(iter(kinds_of(key.removeprefix(prefix))), None)
        if kind is None:
            problems.append(f"{key}: its kind is not in the table")
            continue
        kinds.add(kind)
        ttl_s, of = client.ttl(key), client.type(key)
        if kind in LIMITS and ttl_s != -2 and not 0 <= ttl_s <= LIMITS[kind]:
            problems.append(f"{key}: lives for {ttl_s} s, not for at most {LIMITS[kind]}")
        size = client.execute_command(_SIZE_BY[of], key) if of in _SIZE_BY else 1
        if kind in SIZES and size > SIZES[kind]:
            problems.append(f"{key}: has {size} members, not at most {SIZES[kind]}")
    return problems, kinds


def history(now):
    """Events of every kind that can come, good and bad, from all sources."""
    soon = (now + timedelta(days=3)).isoformat()
    for n in range(1, 31):
        yield activated(f"SVC-{n}", n, router=f"R{n % 2 + 1}")
    yield activated("SVC-31", 1, router="R1")  # wants what another has
    yield activated("SVC-32", 2, router="R2")
    yield activated("SVC-33", 33, router="R-typo")
    for n in range(1, 11):
        yield builders.mac_changed(f"SVC-{n}", builders.mac(100 + n), revision=2)
        yield builders.suspended(f"SVC-{n + 10}", revision=2)
        yield builders.cancelled(f"SVC-{n + 20}", revision=2)
    yield builders.resumed("SVC-11", revision=3)
    yield builders.mac_changed("SVC-12", builders.mac(212), revision=3, effective_at=soon)
    yield builders.snapshot("SVC-13", mac=builders.mac(13), server=SERVER, revision=3)
    yield builders.mac_changed("SVC-14", builders.mac(214), revision=2, id_="conflict")
    yield builders.mac_changed("SVC-1", builders.mac(201), revision=9, source=OPERATOR)
    yield builders.mac_changed("SVC-2", builders.mac(202), source=TIMES, revision=9)  # no owner
    ahead = (now + timedelta(hours=1)).isoformat()
    yield activated("SVC-40", 40, source=TIMES, time=ahead, revision=None)
    yield activated("SVC-41", 41, source=STRANGER)
    yield {**activated("SVC-42", 42), "id": "broken", "data": {}}
    yield {"specversion": "0.1"}


def work(here):
    """Let everything run that runs in workers, some rounds of it."""
    now = datetime.now(UTC)
    events = list(history(now))
    with open_publisher(here.server.url, clock=lambda: now, prefix=here.prefix) as publisher:
        publisher.publish([activated("SVC-50", 50, router="R2")], lane="bulk")
        publisher.publish([activated("SVC-51", 51, router="R2")])
    here.r["R1"].add_row(LEASES, {"mac-address": builders.mac(5), "comment": "somebody else's"})
    look = Maintenance(here.store, lambda _: None, 1, here.policies)
    sweep = Sweep(
        here.store, 2000, heartbeat(here.store, "events@here:1"), lambda: False, maintain=look.check
    )
    for part in (events[:40], events[40:], events[-20:]):
        here.say(*part)
        here.say(*part, lane="bulk")
        here.store.full_reads.ask(here.policies, 3_600_000)
        here.store.client.sadd(here.store.keys.reports.asked, "R1")
        here.drain()
        sweep.once()
        here.client.delete(here.store.keys.alert_check, here.store.keys.canary_claim)
        here.client.decrby(here.store.keys.sweep, 2000)
        sweep.once()
    here.store.samples.note_answers({"R1": AnswerTimes(1, 5, 5)})
    here.store.notifications.claim("somebody")
    here.store.notifications.claim_watch(["R1"], 1, 20_000)
    here.store.fleet.pause("R2", "new firmware", "bob")
    here.say(builders.mac_changed("SVC-3", builders.mac(203), revision=8))
    assert here.store.routers.acquire("R1", "token", 10) != Busy()
    here.store.routers.begin_writing("R1", "token", (), ["SVC-3"])


@pytest.fixture(scope="module")
def worked():
    """What is wrong with the keys after some work, their kinds, and those about a customer."""
    sources = {
        builders.SOURCE: 'order = "revisions"',
        TIMES: 'order = "times"',
        OPERATOR: 'order = "times"\nscopes = ["override"]',
    }
    brake = "router_services = 3\nsource_services = 50"
    with SmallInstallation(sources=sources, brake=brake) as here:
        work(here)
        yield *problems_of(here.client, here.prefix), kinds_about_customers(here)


def test_no_key_grows_without_end(worked):
    problems, kinds, _ = worked
    assert problems == []
    assert kinds >= {
        *("record:*", "history:*", "refused:*", "refused", "seen:*", "counters", "processes"),
        *("journal:*", "journal:*:due", "feed:live:*", "feed:bulk:*", "dead", "source:*"),
        *("router:*:waiters", "router:*:waiting", "router:*:inflight", "router:*:lock"),
        *("schedule", "watches", "routers:paused", "sweep", "alerts", "canaries", "routers"),
        *("router:*:lost", "brake:held", "tombstones", "router:*:full-read", "samples"),
        *("minutes", "router:*:answers"),
    }


def kinds_about_customers(here):
    """The kinds of keys in which, or in whose name, is the id of a service or its MAC."""
    kinds = set()
    for key in here.client.scan_iter(f"{here.prefix}*", count=1000):
        name, kind = key.removeprefix(here.prefix), here.client.type(key)
        if kind == "none":  # it expired meanwhile
            continue
        command, *arguments = _READ_BY[kind]
        text = f"{name} {here.client.execute_command(command, key, *arguments)}"
        if re.search(r"SVC-\d|00:00:5E:00:53", text):
            kinds.add(kinds_of(name)[0])
    return kinds


def test_the_page_about_retention_names_each_key_about_a_customer(worked):
    _, _, about_customers = worked
    assert len(about_customers) > 20
    assert sorted(about_customers - keys_in(RETENTION)) == []


def test_the_page_about_retention_names_no_key_that_there_is_not():
    assert keys_in(RETENTION) <= {*LIMITS, *SIZES}


def keys_in(page):
    """The kinds of keys in the last column of its tables."""
    rows = re.findall(r"^\|.*\| (`[^|]*`) \|$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[A-Z][A-Z]+", "*", name) for row in rows for name in re.findall(r"`(.*?)`", row)
    }


@pytest.mark.parametrize("name", ["something:new", "routers:something", "router:R1:new"])
def test_a_kind_that_nobody_bounded_is_found(store, prefix, name):
    store.client.set(f"{prefix}{name}", "1")
    assert problems_of(store.client, prefix)[0] == [f"{prefix}{name}: its kind is not in the table"]


def test_a_key_that_lost_its_time_limit_is_found(store, prefix):
    store.client.set(f"{prefix}maintenance", "1")
    (problem,), _ = problems_of(store.client, prefix)
    assert "lives for -1 s" in problem


def key_table():
    """Every key of the key tables of workers and gateway, `x` where a name is part of it."""
    keys = GatewayKeys("")
    for table in (Keys, GatewayKeys):
        for name, made in vars(table).items():
            if isinstance(made, KeyByName):
                yield getattr(keys, name)("live:x" if name == "feed" else "x")
            elif isinstance(made, Key):
                yield getattr(keys, name)
            elif isinstance(made, property):
                yield from getattr(keys, name)
    yield from (*keys.router("x"), *keys.losses("x"), *keys.target("x"), keys.session("x"))
    for lane in names.LANES:
        yield from keys.journal(lane)


def test_each_key_of_the_key_tables_is_bounded_here():
    assert [key for key in key_table() if not kinds_of(key)] == []


def test_the_page_for_operators_names_each_kind():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", DOCS.read_text(), re.MULTILINE)
    named = {
        re.sub(r"[A-Z][A-Z]+", "*", each) for row in rows for each in re.findall(r"`(.*?)`", row[0])
    }
    assert named == {*LIMITS, *SIZES}
    assert all(growth and bound for _, growth, bound in rows)
