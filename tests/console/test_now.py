"""The page Now over a real gateway, and the stream that keeps it up to date."""

import json
import threading
import time
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import httpx
import pytest

from gateway.api.server import STOP_S
from gateway.console.console import Console, Viewer
from gateway.console.now import live, now_reader
from gateway.console.now.now_page import NowPage, now_parts
from gateway.console.people import Role
from leasewire.host.gateway import running_gateway
from tests.builders import SOURCE
from tests.console.conftest import PASSWORD
from tests.waiting import eventually
from worker.admin.health import read_health
from worker.admin.now import read_now
from worker.core.policy.circuit import RouterState
from worker.errors import StoreUnavailable
from worker.inventory import Inventory
from worker.settings import Settings

pytestmark = pytest.mark.redis

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{SOURCE}"]
order = "revisions"
[routers.tower-7]
host = "192.0.2.7"
username = "leasewire"
password_env = "PASSWORD_7"
transport = "api"
"""

VIEWER = Viewer("anna", Role.VIEWER, ZoneInfo("UTC"), "token")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What is read again, checked again and sent again comes in a moment."""
    monkeypatch.setattr(now_reader, "WATCHED_S", 0.05)
    monkeypatch.setattr(now_reader, "SHARE", 2)
    monkeypatch.setattr(live, "CHECK_EVERY_S", 0.05)


def look(console, person=None):
    """The page as it is when all that was written is read."""
    person = person or console.viewer
    reads = person.get("/console/now.json").json()["at"]
    eventually(lambda: person.get("/console/now.json").json()["at"] > reads, "it is read again")
    return person.get("/console/now").text


@contextmanager
def stream(person):
    """The events of a stream as (name, html), read in a thread."""
    found = []

    def read(lines):
        name, data = "", []
        for line in lines:
            kind, _, value = line.partition(": ")
            if kind == "event":
                name, data = value, []
            elif kind == "data":
                data.append(value)
            elif not line and name:
                found.append((name, "\n".join(data)))
                name = ""

    with person.stream("GET", "/console/now/live") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        thread = threading.Thread(target=read, args=(answer.iter_lines(),), daemon=True)
        thread.start()
        yield found, thread
        answer.close()


def names(found):
    return [name for name, _ in found]


def test_a_quiet_installation_says_so_and_is_read_once_for_all(console, monkeypatch):
    text = look(console)
    assert "<h1>Now</h1>" in text
    for said in ("Nothing is held.", "Open alerts: 0: None.", "No samples yet."):
        assert said in text
    # what an installation without workers lacks
    assert "workers: no worker for events was seen in the last 15 s" in text
    document = console.viewer.get("/console/now.json").json()
    health = read_health(console.store, (), 3600)
    assert document.keys() >= health.keys(), "the document of `leasewire status`"
    for name in ("level", "findings", "routers", "journal", "work_items", "dead_letters"):
        assert document[name] == health[name]
    monkeypatch.setattr(now_reader, "WATCHED_S", 60)
    look_at = {
        person.get("/console/now.json").json()["at"]
        for person in (console.viewer, console.operator)
        for _ in range(10)
    }
    assert len(look_at) <= 2


def test_what_waits_and_what_is_wrong_is_there(console_at):
    console = console_at(INVENTORY)
    store, keys = console.store, console.store.keys
    store.routers.add_work("tower-7", ["SVC-1", "SVC-2"])
    store.routers.add_work("tower-x", ["SVC-3"])
    state = RouterState("unreachable", since_ms=store.records.now_ms() - 60_000, message="refused")
    store.client.set(keys.router("tower-7").state, state.to_json())
    store.alerts.open("router-down", "tower-7", "connection <b>refused</b>")
    held = {"scope": "router:tower-7", "source": SOURCE, "at_ms": 1, "work_version": "1"}
    store.client.hset(keys.braked, "SVC-9@tower-7", json.dumps(held))
    store.client.hset(keys.counters, mapping={"accepted": 40, "applied": 12})
    store.samples.note_minute(1_790_000_000_000)
    store.client.hset(keys.counters, mapping={"accepted": 100, "applied": 24})
    store.samples.note_minute(1_790_000_060_000)
    text = look(console)
    for said in (
        "connection &lt;b&gt;refused&lt;/b&gt;",
        "Open alerts: 1",
        '<a href="/console/router?id=tower-7">tower-7</a>',
        '<a href="/console/routers?state=unreachable">1</a>',
        "1, not in the inventory",
        "1 service of 1 approval",
        "router:tower-7</a>",
        "accepted: now 60, most 60 at 14:14; applied: now 12, most 12 at 14:14",
        "events and services: now 3, most 3 at 14:14",
    ):
        assert said in text, said
    assert '<a href="/console/alerts">All open alerts</a>' in text
    document = console.viewer.get("/console/now.json").json()
    assert document["not_up"][0] | {"since": "", "oldest_due": ""} == {
        "router": "tower-7",
        "state": "unreachable",
        "since": "",
        "backlog": 2,
        "oldest_due": "",
    }
    assert document["late"][0]["router"] == "tower-7"


def test_all_open_alerts_are_paged(console):
    for number in range(30):
        console.store.alerts.open("router-down", f"tower-{number}", "refused")
    pages = [console.viewer.get("/console/alerts.json", params={"page": n}).json() for n in (1, 2)]
    assert [len(page["alerts"]) for page in pages] == [25, 5]
    assert [(page["open"], page["more"]) for page in pages] == [(30, True), (30, False)]
    shown = {alert["router"] for page in pages for alert in page["alerts"]}
    assert shown == {f"tower-{number}" for number in range(30)}
    text = console.viewer.get("/console/alerts").text
    assert "Open alerts, muted ones too: 30" in text
    assert "page=2" in text


def test_a_stream_sends_each_part_and_then_what_changed(console, monkeypatch):
    with stream(console.viewer) as (found, _):
        eventually(lambda: "rest" in names(found), "all parts came")
        first = len(found)
        document = console.viewer.get("/console/now.json").json()
        assert [*dict(found)] == [*now_parts(document, VIEWER)]
        eventually(lambda: len(found) > first, "the time of the next reading comes")
        console.store.alerts.open("router-down", "tower-7", "no answer")

        def alert_came():
            # a reading that began before the alert may count it and not list it
            return any("no answer" in html for name, html in found[first:] if name == "alerts")

        eventually(alert_came, "the alert comes")
        assert not {"overview", "pictures"} & set(names(found[first:])), "they did not change"

        def fail(*_args):
            raise StoreUnavailable("away")

        monkeypatch.setattr("gateway.console.now.now_page.read_now", fail)
        eventually(lambda: "Redis cannot be read" in dict(found)["problem"], "it is said")
        assert console.viewer.get("/console/now").status_code == 503
        monkeypatch.setattr("gateway.console.now.now_page.read_now", read_now)
        eventually(lambda: dict(found)["problem"] == "", "it is over")


def test_before_the_first_reading_a_stream_has_nothing_to_send(store):
    inventory = Inventory("acme", {}, {})
    page = NowPage(Console(store, lambda: inventory, None, Settings(), None, None))
    assert page.parts(VIEWER) == {}
    page.reader.read_once()
    assert page.parts(VIEWER).keys() >= {"findings"}


def test_streams_are_few_and_end_with_their_session(console, monkeypatch):
    assert console.browser().get("/console/now/live").status_code == 401
    anna, bob = console.viewer, console.operator
    with stream(anna), stream(anna), stream(anna), stream(anna):
        refused = anna.get("/console/now/live")
        assert refused.status_code == 429
        assert "At most 4 pages are kept up to date for one person: close one" in refused.text
        monkeypatch.setattr(live, "most_connections", lambda: 40)
        with stream(bob):
            assert console.admin.get("/console/now/live").status_code == 429, "five are an eighth"
    eventually(lambda: opened(anna), "the server noticed that they were closed, and has room")
    monkeypatch.setattr(live, "SESSION_EVERY_S", 0.1)
    with stream(anna) as (found, thread):
        eventually(lambda: "rest" in names(found), "all parts came")
        console.people.remove("the-viewer")
        thread.join(10)
        assert not thread.is_alive()
        assert found[-1] == ("ended", "")


def opened(person):
    with person.stream("GET", "/console/now/live") as answer:
        return answer.status_code == 200


def test_streams_end_when_the_gateway_stops(console):
    console.person("anna", "viewer")
    other = running_gateway(console.context, "127.0.0.1", 0, console=True)
    with httpx.Client(base_url=other.__enter__().url) as client:
        client.post("/console/login", data={"name": "anna", "password": PASSWORD})
        with stream(client) as (found, thread):
            eventually(lambda: "rest" in names(found), "all parts came")
            began = time.monotonic()
            other.__exit__(None, None, None)
            assert time.monotonic() - began < STOP_S / 2, "requests may take longer at a stop"
            thread.join(10)
            assert not thread.is_alive()


class Reader:
    """Reads what a test says, and counts; computes for so long."""

    def __init__(self, computes_s=0.0):
        self.number = 0
        self.error = None
        self.computes_s = computes_s

    def __call__(self):
        self.number += 1
        began = time.thread_time()
        while time.thread_time() - began < self.computes_s:
            pass
        if self.error is not None:
            raise self.error
        return {"number": self.number}


@pytest.fixture
def reader():
    return Reader()


def test_little_is_read_while_nobody_looks(reader, monkeypatch):
    monkeypatch.setattr(now_reader, "LOOKED_S", 0.05)
    with now_reader.NowReader(reader) as thread:
        assert thread.document()

        def is_quiet():
            before = reader.number
            time.sleep(0.2)
            return reader.number == before

        eventually(is_quiet, "nobody looks any more")
        before = thread.document()["number"]
        eventually(lambda: thread.document()["number"] > before, "somebody looks again")


def test_an_expensive_reading_is_rare(monkeypatch):
    monkeypatch.setattr(now_reader, "SHARE", 20)
    reader = Reader(computes_s=0.02)
    with now_reader.NowReader(reader) as thread:
        thread.document()
        began = time.monotonic()
        eventually(lambda: thread.document()["number"] == 2, "it is read again")
        assert time.monotonic() - began > 0.02 * 20 - 0.1


def test_a_failure_is_said_until_it_is_over(reader):
    with now_reader.NowReader(reader) as thread:
        assert thread.document()
        reader.error = StoreUnavailable("away")

        def fails():
            try:
                thread.document()
            except StoreUnavailable:
                return True
            return False

        eventually(fails, "it is said")
        reader.error = RuntimeError("a bug")
        eventually(lambda: isinstance(thread.look().error, RuntimeError), "a bug is said too")
        reader.error = None
        eventually(lambda: thread.look().error is None, "it is over")
        assert thread.running
