"""`leasewire metrics` as a user runs it: a process, HTTP, and a Redis that goes and comes back."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as strict_families,
)

from gateway.outcomes.deliveries import Deliveries
from tests.forking import Forked
from tests.metrics.conftest import scrape
from tests.store.secured import set_users
from worker.errors import StoreRefused
from worker.store.connection import connect
from worker.store.store import open_store

pytestmark = pytest.mark.redis

INVENTORY = '[installation]\nid = "acme"\n[sources."urn:isp:bss"]\norder = "revisions"\n'


@pytest.fixture
def running(own_valkey, tmp_path):
    """Starts the command: `with running() as (process, url)`."""
    (tmp_path / "routers.toml").write_text(INVENTORY)

    @contextmanager
    def start(*arguments, stdin=None):
        process = Forked(
            [sys.executable, "-m", "leasewire", "metrics", *arguments],
            env={**os.environ, "LEASEWIRE_REDIS_URL": own_valkey.url},
            cwd=tmp_path,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            url = re.search(r"http://\S+(?=/metrics)", process.stdout.readline())[0]
            yield process, url
        finally:
            process.kill()
            process.communicate()

    return start


@pytest.fixture
def url(running):
    with running("--bind", "127.0.0.1:0") as (_, url):
        yield url


def test_sources_and_targets_that_are_new_are_shown_after_a_reload(running, tmp_path):
    def failing(url):
        name = "leasewire_outcome_delivery_failing"
        found = scrape(url).families.get(name)
        return {sample.labels["target"]: sample.value for sample in found.samples} if found else {}

    target = '[targets.billing]\nurl = "http://127.0.0.1:9/x"\nsecret_file = "s"\n'
    targets, inventory = tmp_path / "outcomes.toml", tmp_path / "routers.toml"
    with running("--bind", "127.0.0.1:0") as (process, url):
        inventory.write_text(INVENTORY.replace("urn:isp:bss", "urn:isp:new"))
        targets.write_text(f'{target}sources = ["urn:isp:bss"]\n')
        process.send_signal(signal.SIGHUP)
        assert "not in" in process.stderr.readline()
        assert failing(url) == {}
        targets.write_text(f'{target}sources = ["urn:isp:new"]\n')
        process.send_signal(signal.SIGHUP)
        assert "target billing: added" in process.stderr.readline()
        assert failing(url) == {"billing": 0}


def test_the_hang_up_of_a_closed_terminal_ends_it(running):
    ours, its = pty.openpty()
    with running("--bind", "127.0.0.1:0", stdin=its) as (process, _):
        os.close(its)
        process.send_signal(signal.SIGHUP)
        assert "inventory.reloaded" in process.stderr.readline()
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0


def test_a_redis_that_goes_away_takes_its_figures_with_it_and_comes_back(own_valkey, running):
    own_valkey.kill()
    with running("--bind", "127.0.0.1:0") as (process, url):
        assert list(scrape(url).families) == ["leasewire_redis_up"]
        own_valkey.start()
        assert len(scrape(url)) > 50
        own_valkey.kill()
        for _ in range(2):
            began = time.monotonic()
            found = scrape(url)
            assert time.monotonic() - began < 5
            assert len(found) == 1
            assert found.value("leasewire_redis_up") == 0
        own_valkey.start()
        found = scrape(url)
        assert found.value("leasewire_redis_up") == 1
        assert found.value("leasewire_journal_events", lane="events") == 0
        process.terminate()
        out, err = process.communicate(timeout=15)
    assert process.returncode == 0
    assert out == "Stopped.\n"
    assert err.count("store.unavailable") == 2, "told once each time"
    assert err.count("store.available") == 2


def test_a_redis_that_hangs_is_away_after_seconds(own_valkey, url):
    assert scrape(url).value("leasewire_redis_up") == 1
    os.kill(own_valkey.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert scrape(url).value("leasewire_redis_up") == 0
        assert time.monotonic() - began < 8, "Prometheus waits for 10 s"
        assert httpx.get(f"{url}/healthz").text == "alive\n"
    finally:
        os.kill(own_valkey.pid, signal.SIGCONT)
    assert scrape(url).value("leasewire_redis_up") == 1


def test_both_formats_parse_and_every_family_is_explained(url):
    plain = scrape(url)
    kind = "application/openmetrics-text;version=1.0.0"
    answer = httpx.get(f"{url}/metrics", headers={"Accept": kind})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    strict = list(strict_families(answer.text))
    assert [each.name for each in strict] == list(plain.families)
    for family in strict:
        assert family.name.startswith("leasewire_")
        assert len(family.documentation) > 20, family.name
        assert family.type in ("gauge", "counter", "histogram"), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_a_page_in_a_browser_here_reads_nothing_under_a_name_of_its_own(url, path):
    for host in ("evil.example.net", "evil.example.net:9464", "[", ""):
        answer = httpx.get(f"{url}{path}", headers={"Host": host})
        assert answer.status_code == 421
        assert "leasewire_" not in answer.text
    assert httpx.get(f"{url}{path}", headers={"Host": "localhost:9464"}).is_success


def test_it_is_packed_for_who_can_unpack_it(url):
    plain = httpx.get(f"{url}/metrics", headers={"Accept-Encoding": "identity"})
    packed = httpx.get(f"{url}/metrics", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert packed.text.count("# HELP") == plain.text.count("# HELP")


def test_other_paths_and_methods_are_refused(url):
    assert httpx.get(f"{url}/metrics?x=1").status_code == 200
    assert "/metrics" in httpx.get(url).text
    assert httpx.get(f"{url}/metric").status_code == 404
    assert httpx.post(f"{url}/metrics").status_code == 501


def test_a_caller_that_says_nothing_holds_up_nobody(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))):
        began = time.monotonic()
        assert scrape(url).value("leasewire_redis_up") == 1
        assert time.monotonic() - began < 5


def test_ipv6(running):
    with running("--bind", "[::1]:0") as (_, url):
        assert url.startswith("http://[::1]:")
        assert scrape(url).value("leasewire_redis_up") == 1


@pytest.mark.parametrize(
    "bind", ["9464", "127.0.0.1", "127.0.0.1:", ":9464", "::1:9464", "[a]:1", "a:99999", "a:²"]
)
def test_an_address_that_is_none_is_refused_with_an_example(leasewire, bind):
    notified = leasewire("metrics", "--bind", bind)
    assert (notified.code, notified.out) == (2, "")
    assert notified.err == f"--bind {bind}: write HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464\n"


def test_its_user_of_redis_may_read_all_that_it_tells_and_change_nothing(
    own_valkey, running, tmp_path, monkeypatch
):
    (tmp_path / "password").write_text("aSecret-of-Redis-92")
    (tmp_path / "outcomes.toml").write_text(
        '[targets.billing]\nurl = "http://127.0.0.1:1/"\nsources = ["urn:isp:bss"]\n'
        'secret_file = "not-for-who-only-counts"\n'
    )
    monkeypatch.setenv("LEASEWIRE_REDIS_USERNAME", "leasewire-metrics")
    monkeypatch.setenv("LEASEWIRE_REDIS_PASSWORD_FILE", str(tmp_path / "password"))
    with own_valkey.client() as client:
        set_users(client, "aSecret-of-Redis-92")
        store = open_store(client, "lw:")
        store.routers.add_work("R1", ["SVC-1"], 0)
        client.hset(store.keys.router("R1").waiting, "SVC-1", '{"reason":"x","since_ms":1}')
        Deliveries(client, "lw:", "billing").cursor("0-0")
        with running("--bind", "127.0.0.1:0") as (_, url):
            found = scrape(url)
        assert found.value("leasewire_router_services", router="R1", state="waiting") == 1
        assert found.value("leasewire_outcome_delivery_lag_seconds", target="billing") == 0
        assert client.acl_log() == [], "something was denied"
    login = {"username": "leasewire-metrics", "password": "aSecret-of-Redis-92"}
    with connect(own_valkey.url, **login) as client:
        for what in (
            lambda: client.set("lw:record:SVC-1", "mine"),
            lambda: client.delete("lw:processes"),
            client.flushall,
            lambda: client.get("another's"),
            lambda: client.eval("return 1", 0),
        ):
            with pytest.raises(StoreRefused, match="o permissions"):
                what()


def test_a_login_that_redis_refuses_ends_it_at_the_start(
    own_valkey, leasewire, tmp_path, monkeypatch
):
    (tmp_path / "routers.toml").write_text(INVENTORY)
    (tmp_path / "password").write_text("not-the-password")
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", own_valkey.url)
    monkeypatch.setenv("LEASEWIRE_REDIS_USERNAME", "leasewire-metrics")
    monkeypatch.setenv("LEASEWIRE_REDIS_PASSWORD_FILE", str(tmp_path / "password"))
    notified = leasewire("metrics", "--bind", "127.0.0.1:0")
    assert (notified.code, notified.out) == (2, "")
    assert "leasewire-metrics" in notified.err
    assert "not-the-password" not in notified.err


def test_an_address_that_is_in_use_or_not_here_is_told(leasewire, tmp_path):
    (tmp_path / "routers.toml").write_text(INVENTORY)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        notified = leasewire("metrics", "--bind", f"127.0.0.1:{port}")
    assert notified.code == 2
    assert f"127.0.0.1 port {port} cannot be listened on: Address already in use" in notified.err
    notified = leasewire("metrics", "--bind", "192.0.2.1:9464")
    assert (notified.code, "cannot be listened on" in notified.err) == (2, True)


def test_without_the_extra_it_says_what_to_install(leasewire, tmp_path, monkeypatch):
    (tmp_path / "routers.toml").write_text(INVENTORY)
    monkeypatch.setattr("leasewire.context.find_spec", lambda _: None)
    notified = leasewire("metrics")
    assert (notified.code, "install `leasewire[metrics]`" in notified.err) == (2, True)


def test_the_help_says_where_it_listens_and_what_an_absent_redis_gives(leasewire):
    notified = leasewire("metrics", "--help").out
    assert "127.0.0.1:9464" in notified
    assert "leasewire_redis_up is 0" in notified
