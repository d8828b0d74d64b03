"""What each login of `deploy/redis/users.acl` may do at a real server, and what it may not."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import redis
from argon2 import PasswordHasher

from contracts.identity import event_key
from contracts.webhook_signature import new_secret
from gateway.api.api_keys import ApiKeys, KeyScope
from gateway.console.people import People, Role
from gateway.outcomes.deliveries import DEAD_MOST
from gateway.outcomes.delivery import GIVE_UP_MS
from leasewire.context import Context
from leasewire.host.gateway import running_gateway
from leasewire.monitor.metrics import exporting
from leasewire.sources.delivering import Targets
from producers.connection import open_publisher
from producers.errors import PublishFailed
from tests import builders
from tests.brake.floor import Floor
from tests.console.forms import crawl
from tests.hooks.conftest import HOOKS, INVENTORY, PATH, SECRET, Desk
from tests.hooks.vendors import SPLYNX_MODEL, running_vendor, uisp_event, uisp_service
from tests.other_history import begin_another_history
from tests.outcomes.conftest import Post
from tests.outcomes.receiver import Receiver
from tests.store.secured import set_users
from tests.waiting import eventually
from worker.core.service.outcome import DeadLetter
from worker.store.commits import ServiceCommit
from worker.store.store import open_store

pytestmark = pytest.mark.redis

PASSWORD = "aSecret-of-Redis-91"
PREFIX = "lw:"
JOURNAL, DUE = "lw:journal:events", "lw:journal:events:due"
IDS = [f"S{i}" for i in range(8)]
EVERYWHERE = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("SCRIPT", "FLUSH"),
    ("EVAL", "return 1", "0"),
    ("FUNCTION", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("PUBLISH", "lw:/0.celery.pidbox", "x"),
    ("SET", "elsewhere", "x"),
    ("GET", "elsewhere"),
]
TYPED = {
    "reason": "to see",
    "name": "carl",
    "sources": builders.SOURCE,
    "scope-read": "on",
    "source": builders.SOURCE,
    "services": "5",
    "lasts": "1h",
}
"""What a person of the console types into fields that are empty."""
WRITES = {
    *("/announce", "/announce/withdraw", "/approval/approve", "/approval/reject"),
    *("/calendar/withdraw", "/cause/discard", "/cause/retry", "/dead-letter/discard"),
    *("/dead-letter/preview", "/dead-letter/retry", "/keys/create", "/person/end-sessions"),
    *("/person/remove", "/person/role", "/router/pause", "/router/read", "/router/resume"),
    *("/service/restore", "/service/suspend"),
}
"""Forms that are met on the way; the rest needs a router that answers."""


@pytest.fixture
def server(own_valkey):
    """A server with the users, and what there is to be harmed."""
    with own_valkey.client() as client:
        set_users(client, PASSWORD)
        client.execute_command("ACL", "SETUSER", "default", "on")  # who is asked here
        client.hset(JOURNAL, "first", "{}")
        client.zadd(DUE, {"first": 1})
        client.lpush("lw:events", "x")
        client.set("lw:record:SVC-1", "1|{}")
        client.hset("lw:gateway:keys", "abc", "whsec_abc")
        client.set("lw:gateway:hash-secret", "00")
        yield own_valkey


@pytest.fixture
def as_user(server):
    """Gives a client with a login of that name."""
    made = []

    def login(name):
        made.append(
            redis.Redis(
                unix_socket_path=str(server.socket),
                username=name,
                password=PASSWORD,
                decode_responses=True,
            )
        )
        return made[-1]

    yield login
    for each in made:
        each.close()


def is_denied(client, *command):
    try:
        client.execute_command(*command)
    except redis.exceptions.NoPermissionError:
        return True
    except redis.exceptions.ResponseError as error:
        return "ACL failure" in str(error)
    return False


def test_a_publisher_may_write_events_and_destroy_nothing(server, as_user):
    publisher = as_user("leasewire-publisher")
    wanted = [
        *EVERYWHERE,
        ("SET", JOURNAL, "x"),
        ("SET", DUE, "x"),
        ("SET", "lw:events", "x"),
        ("DEL", JOURNAL),
        ("HDEL", JOURNAL, "first"),
        ("HSET", JOURNAL, "first", "x"),
        ("HGETALL", JOURNAL),
        ("ZREM", DUE, "first"),
        ("ZADD", JOURNAL, "1", "x"),
        ("LPOP", "lw:events"),
        ("LRANGE", "lw:events", "0", "-1"),
        ("LPUSH", JOURNAL, "x"),
        ("GET", "lw:record:SVC-1"),
        ("HGETALL", "lw:seen:1"),
        ("HGET", "lw:refused:urn:isp:bss:test", "first"),
        ("DEL", "lw:journal:lost"),
        ("HGETALL", "lw:gateway:keys"),
        ("GET", "lw:gateway:hash-secret"),
    ]
    assert [each for each in wanted if not is_denied(publisher, *each)] == []
    # What a script does it does with the rights of who calls it.
    digest = publisher.script_load("return redis.call(ARGV[1], KEYS[1], ARGV[2])")
    assert is_denied(publisher, "EVALSHA", digest, "1", JOURNAL, "SET", "x")
    with open_publisher(
        server.url,
        clock=lambda: datetime.now(UTC),
        username="leasewire-publisher",
        password=PASSWORD,
    ) as ours:
        for _ in range(2):  # the second time it is there already
            for lane in ("events", "bulk"):
                (receipt,) = ours.publish([builders.activated(id_=f"e-{lane}")], lane=lane)
        assert receipt.journaled_before
    with server.client() as admin:
        assert admin.hkeys(JOURNAL) == ["first", event_key(builders.SOURCE, "e-events")]
        admin.config_set("maxmemory", admin.info("memory")["used_memory"] + 1)
        with (
            open_publisher(
                server.url,
                clock=lambda: datetime.now(UTC),
                username="leasewire-publisher",
                password=PASSWORD,
            ) as ours,
            pytest.raises(PublishFailed, match="maxmemory"),
        ):
            ours.publish([builders.activated(id_="e-3")])


@pytest.mark.parametrize("login", ["leasewire-publisher", "leasewire-gateway"])
def test_who_publishes_may_ask_for_its_events_and_send_them_again(server, login):
    with (
        server.client() as admin,
        open_publisher(
            server.url, clock=lambda: datetime.now(UTC), username=login, password=PASSWORD
        ) as ours,
    ):
        ours.publish([builders.activated(id_="e-1")])
        admin.hdel(JOURNAL, event_key(builders.SOURCE, "e-1"))
        begin_another_history(admin)
        ours.publish([builders.activated(id_="e-2")])
        assert admin.hexists(JOURNAL, event_key(builders.SOURCE, "e-1"))
        assert admin.hget("lw:journal:lost", "events") == "1"


def test_metrics_read_figures_and_no_secret(server, as_user, quiet_logging, tmp_path, monkeypatch):
    metrics = as_user("leasewire-metrics")
    wanted = [
        *EVERYWHERE,
        ("HGETALL", "lw:gateway:keys"),
        ("GET", "lw:gateway:hash-secret"),
        ("DUMP", "lw:gateway:hash-secret"),
        ("DUMP", "lw:gateway:keys"),
        ("HGET", JOURNAL, "first"),
        ("GET", "lw:record:SVC-1"),
        ("HGETALL", "lw:hooks:inbox"),
        ("SET", "lw:counters", "x"),
        ("DEL", "lw:dead"),
        ("LPUSH", "lw:events", "x"),
        ("EVALSHA", "0" * 40, "0"),
    ]
    assert [each for each in wanted if not is_denied(metrics, *each)] == []
    (tmp_path / "outcomes.toml").write_text(
        '[targets.here]\nurl = "http://127.0.0.1:9/x"\nsecret_file = "s"\n'
        f'sources = ["{builders.SOURCE}"]\n'
    )
    context = context_of("leasewire-metrics", server, tmp_path, monkeypatch)
    with server.client() as admin:
        admin.execute_command("ACL", "LOG", "RESET")
        with (
            exporting(Targets(context, signing=False), "127.0.0.1", 0) as exporter,
            httpx.Client(base_url=exporter.url) as client,
        ):
            said = client.get("/metrics").text
        assert admin.acl_log() == []
    assert "leasewire_redis_up 1" in said


def test_a_gateway_may_do_what_its_callers_may_ask_and_no_more(
    server, as_user, quiet_logging, tmp_path, monkeypatch
):
    gateway = as_user("leasewire-gateway")
    wanted = [
        *EVERYWHERE,
        ("SET", JOURNAL, "x"),
        ("HDEL", JOURNAL, "first"),
        ("HSET", JOURNAL, "first", "x"),
        ("ZREM", DUE, "first"),
        ("SET", "lw:record:SVC-1", "x"),
        ("DEL", "lw:record:SVC-1"),
        ("HSET", "lw:gateway:keys", "mine", "{}"),
        ("HDEL", "lw:gateway:keys", "abc"),
        ("HDEL", "lw:gateway:keys:used", "abc"),
        ("SET", "lw:gateway:hash-secret", "11"),
        ("LPOP", "lw:events"),
        ("LTRIM", "lw:events", "1", "0"),
        ("SET", "lw:record:x", "x"),
        ("XADD", "lw:feed:live:x", "*", "a", "b"),
        ("HSET", "lw:router:R1:claims", "x", "y"),
        ("SET", "lw:router:R1:lock", "x"),
        ("HDEL", "lw:router:R1:inflight", "x"),
        ("HSET", "lw:routers:held", "R1", "x"),
        ("HSET", "lw:seen:1", "x", "y"),
    ]
    assert [each for each in wanted if not is_denied(gateway, *each)] == []

    model = SPLYNX_MODEL.replace("\\", "\\\\")
    with running_vendor() as vendor, server.client() as admin:
        admin.flushall()
        (tmp_path / "hooks.toml").write_text(HOOKS.format(vendor=vendor.url, model=model))
        for name, text in (("path", PATH), ("key", "k" * 16), ("sign", SECRET)):
            (tmp_path / name).write_text(text)
        monkeypatch.setenv("BILLING_SECRET", SECRET)
        context = context_of("leasewire-gateway", server, tmp_path, monkeypatch)
        floor = Floor(open_store(admin, PREFIX), sources=context.inventory.sources)
        floor.activate(IDS)
        floor.cancel(*IDS)
        for number in "12":
            floor.send(builders.activated(id_=f"wrong-{number}", source="urn:nobody"))
        dead_letter = DeadLetter("S3@R1", "service", "operation-refused", "", "S3", "R1")
        floor.store.records.commit([ServiceCommit("", dead_letters=[dead_letter])], 1)
        made = ApiKeys(admin, PREFIX).create(
            "all",
            [builders.SOURCE],
            [KeyScope.PUBLISH, KeyScope.READ, KeyScope.OPS],
            created_at=datetime.now(UTC).isoformat(),
            actor="ann",
        )
        admin.execute_command("ACL", "LOG", "RESET")
        with (
            running_gateway(context, "127.0.0.1", 0, 1000) as running,
            httpx.Client(
                base_url=running.url,
                headers={"Authorization": f"Bearer {made.token}"},
                timeout=10,
            ) as client,
        ):
            use_all(client)
            desk = Desk(running.url, vendor, context, open_store(admin, PREFIX))
            with desk.client:
                use_hooks(desk)
            # Far below what is used: some of that is freed at any moment.
            admin.config_set("maxmemory", admin.info("memory")["used_memory"] // 2)
            full = client.post("/v1/events", json=builders.activated(id_="e-9"))
            assert full.status_code == 503
        assert admin.acl_log() == []


def test_the_console_may_do_what_its_people_may(
    server, as_user, quiet_logging, tmp_path, monkeypatch
):
    console = as_user("leasewire-console")
    assert [each for each in EVERYWHERE if not is_denied(console, *each)] == []
    with server.client() as admin:
        admin.flushall()
        context = context_of("leasewire-console", server, tmp_path, monkeypatch)
        floor = Floor(open_store(admin, PREFIX), sources=context.inventory.sources)
        floor.activate([*IDS, "S8", "S9"])
        floor.cancel(*IDS)
        floor.suspend("S8", effective_at=(datetime.now(UTC) + timedelta(days=2)).isoformat())
        for number in "12":
            floor.send(builders.activated(id_=f"wrong-{number}", source="urn:nobody"))
        refused = DeadLetter("S9@R1", "service", "operation-refused", "", "S9", "R1")
        floor.store.records.commit([ServiceCommit("", dead_letters=[refused])], 1)
        people = People(admin, PREFIX, PasswordHasher(time_cost=1, memory_cost=64))
        for name, role in (("zoe", Role.ADMIN), ("bert", Role.VIEWER)):
            people.add(name, role, PASSWORD, "2026-11-30T00:00:00Z")
        admin.execute_command("ACL", "LOG", "RESET")
        with (
            running_gateway(context, "127.0.0.1", 0, console=True) as running,
            httpx.Client(base_url=running.url, timeout=10, follow_redirects=True) as client,
        ):
            client.post("/console/login", data={"name": "zoe", "password": PASSWORD})
            starts = [f"/console/service?id={service}" for service in ("S8", "S9")]
            statuses = crawl(client, starts, TYPED, {"/console/logout"})
            # What one form settled, another finds gone.
            fine = (200, 404, 409)
            assert {r: status for r, status in statuses.items() if status not in fine} == {}
            assert all(status == 200 for (how, _), status in statuses.items() if how == "GET")
        assert admin.acl_log() == []
        posted = {path.removeprefix("/console") for method, path in statuses if method == "POST"}
        assert posted >= WRITES


def test_a_delivery_may_read_the_feed_and_keep_how_far_it_is(server, as_user):
    outcomes = as_user("leasewire-outcomes")
    wanted = [
        *EVERYWHERE,
        ("HGETALL", "lw:gateway:keys"),
        ("GET", "lw:gateway:hash-secret"),
        ("HGET", JOURNAL, "first"),
        ("HSETNX", JOURNAL, "mine", "{}"),
        ("LPUSH", "lw:events", "x"),
        ("GET", "lw:record:SVC-1"),
        ("HGETALL", "lw:dead"),
        ("XADD", "lw:feed:live:x", "*", "a", "b"),
        ("SET", "lw:feed:last", "x"),
        ("DEL", "lw:feed:gone"),
        ("EVALSHA", "0" * 40, "0"),
    ]
    assert [each for each in wanted if not is_denied(outcomes, *each)] == []
    secret = new_secret()
    with server.client() as admin, Receiver(secret) as receiver:
        admin.flushall()
        admin.execute_command("ACL", "LOG", "RESET")
        said = Post(open_store(admin, PREFIX), admin, PREFIX)
        post = Post(open_store(outcomes, PREFIX), outcomes, PREFIX)
        many = {str(number): number for number in range(DEAD_MOST)}
        admin.zadd("lw:webhook:bss:dead:by-time", many)
        receiver.answers = lambda event: (400 if event["data"]["event"] == "e-2" else 200, {})
        with post.delivering(post.target(receiver.port, secret, sources=(builders.SOURCE,))):
            said.say(1, 2, 3, source=builders.SOURCE)
            eventually(lambda: receiver.events() == ["e-1", "e-3"], "others go on")
            receiver.clock = post.clock
            post.clock.ahead_ms += GIVE_UP_MS + 60_000
            eventually(lambda: post.deliveries().state()["dead"] == "1", "it is kept")
            receiver.answers = lambda _: (200, {})
            (undelivered,) = post.deliveries().dead()
            assert post.deliveries().retry([undelivered.id], post.clock(), "{}") == 1
            eventually(lambda: "e-2" in receiver.events(), "it is tried again")
        assert admin.acl_log() == []


def context_of(user, server, folder, monkeypatch):
    """What a process with this login works with."""
    (folder / "redis-password").write_text(PASSWORD)
    more = f'[sources."{builders.SOURCE}"]\norder = "revisions"\n[routers.R1]\n'
    more += 'host = "127.0.0.1"\npassword_env = "P"\ndhcp_server = "dhcp1"\ntransport = "api"\n'
    more += '[pools.home]\nranges = ["198.51.100.0/24"]\n'
    text = '[installation]\nid = "acme"\n' + INVENTORY + more
    (folder / "routers.toml").write_text(text)
    monkeypatch.setenv("LEASEWIRE_REDIS_USERNAME", user)
    monkeypatch.setenv("LEASEWIRE_REDIS_PASSWORD_FILE", str(folder / "redis-password"))
    return Context(folder / "routers.toml", redis_url=server.url)


def use_all(client):
    """Ask all that the gateway describes."""
    paths = client.get("/openapi.json").json()["paths"]
    (hold,) = client.get("/v1/approvals").json()["approvals"]
    dead_letters = client.get("/v1/dead-letters").json()["dead_letters"]
    service, first, second = sorted(
        (each["id"] for each in dead_letters), key=lambda each: "@" not in each
    )
    digest = {"digest": hold["digest"]}
    event = builders.activated("SVC-7", id_="e-7", revision=1)
    posts = [
        ("/v1/validate", event),
        ("/v1/events", event),
        ("/v1/events?lane=bulk", builders.activated("SVC-8", id_="e-8", revision=1)),
        (f"/v1/dead-letters/{service}/retry", None),
        (f"/v1/dead-letters/{first}/retry", None),
        (f"/v1/dead-letters/{second}/discard", None),
        # Undone first: approved afterwards, as no worker has folded what undoes it.
        (f"/v1/approvals/{hold['id']}/reject", digest),
        (f"/v1/approvals/{hold['id']}/approve", digest),
    ]
    for path, body in posts:
        answer = client.post(path, json=body)
        assert answer.status_code < 300, (path, answer.text)
    names = {"event_id": "e-7", "service_id": "S3", "event_type": builders.activated()["type"]}
    for path, methods in paths.items():
        if "get" in methods and not path.startswith("/v1/hooks/"):
            answer = client.get(path.format_map(names))
            assert answer.status_code == 200, (path, answer.text)
    said = [re.sub(r"(/v1/[a-z-]+/)[^/]+", r"\1X", path.partition("?")[0]) for path, _ in posts]
    asked = {re.sub(r"{[^}]*}", "X", path) for path, each in paths.items() if "post" in each}
    assert {each for each in asked - set(said) if not each.startswith("/v1/hooks/")} == set()


def use_hooks(desk):
    """Webhooks that are read, that fail, and that are mended."""
    desk.vendor.documents["/crm/api/v1.0/clients/services/2002"] = uisp_service(2002)
    event = uisp_event("0b6f4f0e-5d5e-5f37-9a39-000000000001", "service.add", 2002, "insert")
    assert desk.uisp(event).status_code == 200
    assert desk.billing({"action": "new", "at": "2026-11-29T10:00:00Z"}).status_code == 202
    desk.wait()
    assert [each.kind for each in desk.dead_letters().values()] == ["hook"]
