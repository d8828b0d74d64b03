"""`leasewire upgrade check`: whether an upgrade may begin or go on, and whether it is complete."""

import pytest

from tests.faults.newer import FORMAT, VERSION
from tests.signs import give_sign_that_reads, process
from worker.core.service.formats import STORE_FORMATS
from worker.store.heartbeat import this_process
from worker.store.store_format import StoreFormat
from worker.version import installed_version

pytestmark = pytest.mark.redis

OLDER = FORMAT - 1


@pytest.fixture
def store(store, valkey, monkeypatch):
    """The store that the command finds."""
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", store.keys.prefix)
    return store


@pytest.mark.usefixtures("newer")
def test_from_the_beginning_to_the_end(store, leasewire):
    def state():
        said = leasewire("upgrade", "check", "--json")
        return said.code, said.document["state"]

    give_sign_that_reads(store, "events@a:1", OLDER, version="0.1.0")
    give_sign_that_reads(store, "gateway@b:2", OLDER, version="0.1.0")
    assert state() == (4, "may-begin")
    store.heartbeats.end(process("events@a:1"))
    store.heartbeats.give(this_process("events"))
    store.format.raise_if_all_read()
    assert state() == (4, "under-way")
    text = leasewire("upgrade", "check").out
    assert f"The upgrade to {VERSION} is under way: 1 of 2 processes run another version." in text
    assert f"Store format {OLDER} stays in use until all read {FORMAT}." in text
    assert "gateway@b:2" in text
    store.heartbeats.end(process("gateway@b:2"))
    assert state() == (4, "under-way"), "until a worker has raised the format"
    store.format.raise_if_all_read()
    assert state() == (0, "complete")


def test_where_both_versions_read_the_same_formats_nothing_is_said_of_them(store, leasewire):
    give_sign_that_reads(store, "events@a:1", max(STORE_FORMATS), version="0.1.0")
    store.heartbeats.give(this_process("events"))
    text = leasewire("upgrade", "check").out
    assert "1 of 2 processes run another version." in text
    assert "stays in use" not in text


def test_nothing_runs(store, leasewire):
    said = leasewire("upgrade", "check")
    assert said.code == 4
    assert "may begin" in said.out
    assert "No process runs." in said.out


@pytest.mark.usefixtures("newer")
def test_a_silent_process_is_named_as_long_as_it_counts(store, leasewire, monkeypatch):
    monkeypatch.setattr(StoreFormat, "COUNTS_MS", 600_000)
    store.heartbeats.give(this_process("events"))
    give_sign_that_reads(store, "routers@cut-off:7", OLDER, ago_ms=599_000, version="0.1.0")
    store.format.raise_if_all_read()
    said = leasewire("upgrade", "check")
    assert said.code == 4
    assert "Silent: routers@cut-off:7. Each counts for ten minutes" in said.out
    store.client.zincrby(store.keys.processes, -2_000, "routers@cut-off:7")
    store.format.raise_if_all_read()
    assert leasewire("upgrade", "check").code == 0


def test_an_older_command_names_the_newer_version(store, leasewire):
    give_sign_that_reads(store, "events@a:1", OLDER, FORMAT, version=VERSION)
    said = leasewire("upgrade", "check")
    assert said.code == 1
    assert f"events@a:1 runs {VERSION}, and this is {installed_version()}" in said.err


def test_a_command_that_is_too_old_refuses_everything_but_this(store, leasewire):
    store.client.set(store.keys.store_format, FORMAT)
    assert leasewire("upgrade", "check").code == 1
    said = leasewire("services", "list")
    assert said.code == 2
    assert said.err.startswith(f"Redis has store format {FORMAT}; this is Leasewire ")


@pytest.mark.usefixtures("newer")
def test_a_process_that_was_away_while_the_others_were_upgraded_is_named(store, leasewire):
    give_sign_that_reads(store, "events@frozen:1", OLDER, version="0.1.0")
    store.client.set(store.keys.store_format, FORMAT)
    said = leasewire("upgrade", "check")
    assert said.code == 1
    assert "events@frozen:1 reads store formats up to" in said.err


@pytest.fixture
def installation(store, tmp_path):
    """Redis and an inventory of it."""
    store.bind_installation("acme")
    (tmp_path / "routers.toml").write_text('[installation]\nid = "acme"\n')
    return store


def test_the_way_back_is_a_backup_and_the_old_version_restores_it(installation, leasewire):
    assert leasewire("backup", "before.gz").code == 0
    installation.client.set(installation.keys.store_format, FORMAT)
    installation.client.set(installation.keys.record("SVC-1"), '1|{"format":9}')
    assert leasewire("restore", "before.gz").code == 1, "it holds services"
    said = leasewire("restore", "before.gz", "--replace")
    assert (said.code, said.err) == (0, "")
    assert installation.format.check() == OLDER


def test_a_backup_of_a_newer_version_is_refused_and_replaces_nothing(installation, leasewire):
    installation.client.set(installation.keys.store_format, FORMAT)
    assert leasewire("backup", "newer.gz").code == 0
    installation.client.set(installation.keys.store_format, OLDER)
    before = sorted(installation.client.keys())
    said = leasewire("restore", "newer.gz", "--replace")
    assert said.code == 1
    assert f"newer.gz has store format {FORMAT}, and this version reads {OLDER}" in said.err
    assert sorted(installation.client.keys()) == before
