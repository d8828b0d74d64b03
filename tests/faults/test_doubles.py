"""What the judge of chaos lets stand twice, and what it does not."""

import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.menus.user_manager import USER
from tests.faults.chaos.judge import SECOND_LOOK_S, Judged
from tests.faults.doubles import doubled
from worker.core.entry.wanted import KINDS
from worker.core.rows.rows import LEASES

USERS, LEASE = KINDS["user-manager"], KINDS["lease"]


def written(seq: int, session: str, at: float, name: str, *, gone: bool = False) -> dict[str, Any]:
    row = {".id": name, "name": name, "attributes": "Framed-IP-Address:10.0.0.1"}
    more = {"mac-address": name, "address": "10.0.0.1", "server": "all", "disabled": "false"}
    row |= {"comment": "", **more}
    places = {"before": row if gone else None, "after": None if gone else row}
    who = {"seq": seq, "session": session, "time": at, "command": f"{USER}/add", "error": None}
    return who | places


def journal(kind, late_session="api:1", lasts_s=5.0):
    """A service's user by a new session, one that an older session wrote late, and its end."""
    found = [
        written(1, "api:1", 0, "00:00:5E:00:53:09"),
        written(2, "api:2", 9, "00:00:5E:00:53:09", gone=True),
        written(3, "api:2", 10, "00:00:5E:00:53:01"),
        written(4, late_session, 12, "00:00:5E:00:53:02"),
        written(5, "api:2", 12 + lasts_s, "00:00:5E:00:53:02", gone=True),
    ]
    menu = LEASES if kind is LEASE else USER
    return [{**entry, "command": f"{menu}/add"} for entry in found]


def lock_lost(at_s, router="R1"):
    """What a worker logs who finds, at a moment of the monotonic clock, that its lock is lost."""
    moment = datetime.fromtimestamp(at_s - time.monotonic() + time.time(), UTC)
    line = {"router": router, "event": "router.lock_lost", "timestamp": moment.isoformat()}
    return json.dumps(line) + "\n"


def judge(entries, kind=USERS, *, late_at=False, ahead_at=(), log=""):
    here = SimpleNamespace(
        log_text=lambda: log,
        doubled=lambda: list(doubled("R1", entries, kind, [])),
        links={"R1": SimpleNamespace(was_late=lambda _: late_at)},
        valkey=SimpleNamespace(set_ahead_at=ahead_at),
        counts={},
        longest_doubled_s=0.0,
    )
    return Judged.double_entries(here), here.longest_doubled_s


def test_an_address_of_a_late_write_may_stand_twice_until_the_second_look():
    assert judge(journal(USERS)) == ([], 5.0)
    assert judge(journal(USERS, "api:3"), late_at=True) == ([], 5.0), "by its link"
    assert judge(journal(USERS, "api:3"), log=lock_lost(13.0)) == ([], 5.0), "by its lock"
    assert judge(journal(USERS, lasts_s=2 * SECOND_LOOK_S), ahead_at=[11.0]) == ([], 0.0)


@pytest.mark.parametrize(("router", "at_s"), [("R2", 13.0), ("R1", 11.0), ("R1", 17.0)])
def test_only_a_lock_of_that_router_that_is_missed_soon_after_it_excuses(router, at_s):
    found, _ = judge(journal(USERS, "api:3"), log=lock_lost(at_s, router))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("entries", "kind", "ahead_at", "said"),
    [
        (journal(USERS, "api:2"), USERS, (), "for 5.0 s"),
        (journal(USERS, "api:3"), USERS, (), "for 5.0 s"),
        (journal(LEASE), LEASE, (), "after a newer session, for 5.0 s"),
        (journal(USERS, lasts_s=2 * SECOND_LOOK_S), USERS, (), "for 48.0 s"),
        (journal(USERS)[:-1], USERS, [11.0], "for inf s"),
    ],
)
def test_nothing_else_may(entries, kind, ahead_at, said):
    (found,), _ = judge(entries, kind, ahead_at=ahead_at)
    assert found.startswith("R1: two rows with the address 10.0.0.1 at 4, ")
    assert found.endswith(said)
