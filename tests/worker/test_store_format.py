"""The store format: all write what each process reads, and go on to the newer one together."""

import json

import pytest
import structlog

from tests.builders import activated, mac, mac_changed
from tests.faults.newer import FORMAT
from tests.signs import give_sign_that_reads, process
from tests.worker.desk import Desk
from worker.core.service.formats import STORE_FORMATS
from worker.errors import ConfigurationError
from worker.store import store_format
from worker.store.heartbeat import this_process
from worker.store.store import open_store
from worker.store.store_format import StoreFormat

pytestmark = pytest.mark.redis

OLDER = FORMAT - 1


def text_of(store, service="SVC-1"):
    first, *_ = store.client.get(store.keys.record(service)).split("\n")
    return json.loads(first.partition("|")[2])["format"]


def test_a_store_that_names_no_format_has_the_first(store):
    assert store.format.check() == store.format.in_use == 1


@pytest.mark.usefixtures("newer")
@pytest.mark.parametrize(
    ("formats", "ago_s", "raised"),
    [
        ((OLDER,), 0, False),
        ((), 0, False),
        ((OLDER, FORMAT), 0, True),
        ((OLDER,), 3, False),
        ((OLDER,), 5, True),
    ],
    ids=["reads the older", "of before the gate", "reads the newer", "silent", "silent for long"],
)
def test_the_format_is_raised_when_all_that_count_read_it(store, formats, ago_s, raised):
    give_sign_that_reads(store, "events@other:1", *formats, ago_ms=ago_s * 1000)
    store.heartbeats.give(this_process("events"))
    with structlog.testing.capture_logs() as logs:
        store.format.raise_if_all_read()
    assert store.format.in_use == store.format.found() == (FORMAT if raised else OLDER)
    expected = [{"event": "store.format_raised", "before": OLDER, "now": FORMAT}] * raised
    assert [{name: log[name] for name in ("event", "before", "now")} for log in logs] == expected


@pytest.mark.usefixtures("newer")
def test_a_process_that_was_stopped_in_order_does_not_count(store):
    give_sign_that_reads(store, "gateway@other:1", OLDER)
    store.heartbeats.end(process("gateway@other:1"))
    store.format.raise_if_all_read()
    assert store.format.found() == FORMAT


@pytest.mark.usefixtures("newer")
def test_a_clock_of_redis_that_leaps_raises_nothing(store, monkeypatch):
    monkeypatch.setattr(StoreFormat, "SETTLES_S", 15)
    now_s = 1_000.0
    monkeypatch.setattr(store_format.time, "monotonic", lambda: now_s)

    def passed(seconds):
        nonlocal now_s
        now_s += seconds
        store.format.raise_if_all_read()
        return store.format.found()

    give_sign_that_reads(store, "events@other:1", OLDER, ago_ms=3_600_000)
    assert passed(0) == passed(14) == OLDER
    give_sign_that_reads(store, "events@other:1", OLDER)
    assert passed(60) == OLDER
    store.heartbeats.end(process("events@other:1"))
    assert passed(1) == passed(14) == OLDER
    assert passed(1) == FORMAT


def test_a_version_with_nothing_newer_asks_for_nothing(store, monkeypatch):
    store.format.check()
    monkeypatch.setattr(store.format, "_scripts", None)
    store.format.raise_if_all_read()


def test_a_silent_process_counts_for_longer_than_a_host_takes_to_restart():
    assert StoreFormat.COUNTS_MS >= 600_000


def test_a_version_that_is_too_old_gives_no_sign_and_says_what_to_do(store):
    store.client.set(store.keys.store_format, FORMAT)
    with pytest.raises(ConfigurationError) as caught:
        store.heartbeats.give(this_process("events"))
    (problem,) = caught.value.problems
    assert problem.startswith(f"Redis has store format {FORMAT}; this is Leasewire ")
    assert f"reads formats up to {OLDER}" in problem
    assert "install their version here" in problem
    assert store.heartbeats.seen() == []


def test_a_version_that_is_too_new_says_what_comes_first(store, monkeypatch):
    monkeypatch.setitem(STORE_FORMATS, 3, STORE_FORMATS[1])
    monkeypatch.delitem(STORE_FORMATS, 1)
    with pytest.raises(
        ConfigurationError, match="from 3 on: upgrade all processes to a version in"
    ):
        store.format.check()


@pytest.mark.usefixtures("newer")
def test_records_are_written_as_all_read_them_and_change_with_their_next_write(store):
    desk = Desk(store)
    give_sign_that_reads(store, "events@other:1", OLDER)
    desk.send(activated("SVC-1"), activated("SVC-2", mac=mac(2), ipv4="198.51.100.2"))
    assert {text_of(store), text_of(store, "SVC-2")} <= set(STORE_FORMATS[OLDER])
    store.heartbeats.end(process("events@other:1"))
    store.format.raise_if_all_read()
    desk.send(mac_changed("SVC-1", mac(9)))
    assert text_of(store) == STORE_FORMATS[FORMAT].usual
    assert text_of(store, "SVC-2") in STORE_FORMATS[OLDER]
    assert store.records.read(["SVC-1"])["SVC-1"].record.value("mac") == mac(9)


@pytest.mark.usefixtures("newer")
def test_a_process_follows_a_redis_that_lost_the_newer_format(store, prefix):
    other = open_store(store.client, prefix)
    store.format.raise_if_all_read()
    assert other.format.check() == FORMAT
    store.client.delete(store.keys.store_format)
    other.heartbeats.give(this_process("events"))
    assert other.format.in_use == OLDER
