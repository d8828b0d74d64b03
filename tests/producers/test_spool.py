"""The spool by itself: bounded, durable, one file for several processes."""

import os
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers import Spool
from producers.errors import SpoolFailed
from producers.publisher import complete_event
from tests import builders

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def event(number, **changes):
    return complete_event(builders.mac_changed("S1", id_=f"e{number}", **changes), NOW)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "spool"


@pytest.fixture
def spool(path):
    spool = Spool(path, max_events=3)
    yield spool
    spool.close()


def ids(spool):
    oldest = spool.oldest()
    return [spooled.id for spooled in oldest.events] if oldest else []


def test_events_wait_in_their_order_over_a_restart(spool, path):
    spool.add([event(2), event(1)], "events")
    spool.add([event(3)], "events")
    again = Spool(path)
    assert ids(again) == ["e2", "e1", "e3"]
    assert again.oldest().events[0] == event(2)
    again.close()


def test_a_batch_ends_where_the_lane_changes(spool):
    spool.add([event(1)], "bulk")
    spool.add([event(2)], "events")
    assert (spool.oldest().lane, ids(spool)) == ("bulk", ["e1"])
    spool.remove([event(1).key])
    assert (spool.oldest().lane, ids(spool)) == ("events", ["e2"])


def test_a_full_spool_takes_all_of_a_call_or_nothing(spool):
    spool.add([event(1), event(2)], "events")
    with pytest.raises(
        SpoolFailed, match="is full: it holds at most 3 events; repair the connection"
    ):
        spool.add([event(3), event(4)], "events")
    assert ids(spool) == ["e1", "e2"]
    spool.add_dead([event(1)], "events", {event(1).key: "why"})
    with pytest.raises(SpoolFailed, match="is full"):
        spool.add([event(3), event(4)], "events")
    assert spool.discard(builders.SOURCE, "e1")
    spool.add([event(3), event(4)], "events")


def test_an_event_waits_once_and_a_reused_id_is_reported(spool):
    spool.add([event(1)], "events")
    same = complete_event(event(1).event | {"traceparent": "00-x"}, NOW)
    assert spool.add([same], "events") == []
    other = event(1, mac=builders.mac(9))
    assert spool.add([other], "events") == [other]
    assert [spooled.body for spooled in spool.oldest().events] == [event(1).body]


def test_an_event_that_waited_too_long_is_dead_and_can_be_revived(path):
    seconds = [0.0]
    spool = Spool(path, max_age_s=10, clock=lambda: seconds[0])
    spool.add([event(1)], "bulk")
    seconds[0] = 11.0
    spool.add([event(2)], "bulk")
    assert spool.expire() == 1
    (dead,) = spool.dead()
    assert (dead.id, dead.body) == ("e1", event(1).body)
    assert dead.reason.startswith("waited longer than")
    assert ids(spool) == ["e2"]
    assert spool.revive() == 1
    assert (ids(spool), spool.dead(), spool.oldest().lane) == (["e2", "e1"], [], "bulk")
    spool.close()


def test_its_files_are_for_this_user_only(spool, path):
    spool.add([event(1)], "events")
    with spool.exclusive():
        files = list(path.parent.iterdir())
        assert len(files) == 4
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_was_added_is_on_the_disk(spool, path):
    assert spool._database.execute("PRAGMA synchronous").fetchone() == (2,)  # noqa: SLF001 - FULL
    spool.add([event(1)], "events")
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("SELECT id FROM spooled").fetchall() == [("e1",)]
    other.close()


def test_one_of_several_processes_drains(spool, path):
    other = Spool(path)
    with spool.exclusive() as first, other.exclusive() as second:
        assert (first, second) == (True, False)
    with other.exclusive() as second:
        assert second
    other.close()


def test_a_fork_must_open_its_own(spool, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(SpoolFailed, match="before a fork: open it in each process"):
        spool.depth()


@pytest.mark.parametrize("broken", ["a directory", "no database"])
def test_a_file_that_cannot_be_used_is_reported(tmp_path, broken):
    path = tmp_path / "spool"
    if broken == "a directory":
        path.mkdir()
    else:
        path.write_bytes(b"something else that is no database" * 100)
    with pytest.raises(SpoolFailed, match="spool") as refused:
        Spool(path)
    assert refused.traceback, "whoever looks at the error keeps all that its frames hold"
    held = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    assert str(path) not in held, "it was closed"
