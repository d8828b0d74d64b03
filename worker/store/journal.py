"""The intake journal as the worker sees it: take what is due, leave what others have."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, cast

import redis

from contracts import names
from worker.errors import StoreUnavailable
from worker.store.keys import Keys
from worker.store.records import new_work_version
from worker.store.scripts import Scripts

WORK_MS = 10_000
"""How long taken entries are ours: far longer than folding 500 events takes."""
POSTPONED_READ: Final = 1_000
"""Of each lane at the most: who asks counts them."""


class JournalEntry(NamedTuple):
    """One event taken from the journal, and how often its folding was begun before."""

    key: str
    body: str
    begun: int


class Taken(NamedTuple):
    """What one take gave.

    Attributes:
        full: as many as asked for, so there may be more: ring once more.
        carried: how often each event that the message carries was begun before; None: the journal
            has it, and what the journal holds counts.
        entries: events of the journal.
        now_ms: Redis's time.
        aliases: former names of routers, each with the name that it has now.
    """

    full: bool
    carried: list[int | None]
    entries: list[JournalEntry]
    now_ms: int
    aliases: Mapping[str, str]


class Journal:
    """Reads of the journal. Deleting is part of the commit (`records.py`).

    `take` counts the first beginning of each event; one that was begun before must be worked on
    alone, and `begin` counts it just before: so nobody else is counted for its sake.
    """

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys
        self._owed: list[str] = []

    def take(self, lane: names.Lane, carried: Sequence[str], most: int) -> Taken:
        """Take up to `most` due entries of a lane, and those of the message's own events."""
        self._give_back()
        full, begun, flat, now_ms, aliases = self._scripts.run(
            "take_journal",
            *(lane, new_work_version(), most, WORK_MS, names.NOTIFIED_LIFETIME_MS),
            *carried,
            again=True,
        )
        entries = [
            JournalEntry(flat[i], flat[i + 1], int(flat[i + 2])) for i in range(0, len(flat), 3)
        ]
        return Taken(
            bool(full),
            [None if n < 0 else int(n) for n in begun],
            entries,
            int(now_ms),
            dict(zip(aliases[::2], aliases[1::2], strict=True)),
        )

    def notify(self, lane: names.Lane) -> None:
        """Call another worker: there is more in a lane's journal."""
        self._scripts.run("notify_lane", lane)

    def begin(self, lane: names.Lane, key: str, taken_ms: int, *, journaled: bool) -> int:
        """Count one more beginning of an event, which is ours as long again.

        Args:
            lane: in which it was taken.
            key: the event.
            taken_ms: when.
            journaled: the journal gave it, and not a message alone.

        Returns:
            How many that makes; 0 when another worker has taken it since, or is done with it.
        """
        return int(self._scripts.run("begin_event", lane, key, taken_ms, WORK_MS, int(journaled)))

    def not_begun(self, keys: Collection[str]) -> None:
        """Take a beginning of events back that Redis kept us from ending: now, or before we take.

        Attempts find out events that end their worker, and this one lives.
        """
        self._owed += keys
        with suppress(StoreUnavailable):
            self._give_back()

    def _give_back(self) -> None:
        if self._owed:
            self._scripts.run("uncount_events", *self._owed)
            self._owed = []

    def postpone(self, lane: names.Lane, key: str, body: str, at_ms: int) -> None:
        """Look at an event that was begun only from a moment on (ms); in the journal it is kept.

        One that a message brought alone is put there.
        """
        prefix = self._keys.prefix
        pipe = self._client.pipeline()
        pipe.hsetnx(names.journal_body(prefix, lane), key, body)
        pipe.zadd(names.journal_due(prefix, lane), {key: at_ms})
        pipe.hdel(self._keys.attempts, key)
        pipe.execute()

    def events_postponed(self, now_ms: int) -> list[str]:
        """Some of the events that were put off, as they are: what workers have is due sooner."""
        found: list[str] = []
        for lane in names.LANES:
            due = names.journal_due(self._keys.prefix, lane)
            keys = cast(
                "list[str]",
                self._client.zrangebyscore(
                    due, now_ms + 2 * WORK_MS, "+inf", start=0, num=POSTPONED_READ
                ),
            )
            if keys:
                body = names.journal_body(self._keys.prefix, lane)
                bodies = cast("list[str | None]", self._client.hmget(body, keys))
                found += [text for text in bodies if text is not None]
        return found

    def holds(self, lane: names.Lane, keys: Sequence[str]) -> bool:
        """Whether one of these events is in a lane's journal still."""
        bodies = self._client.hmget(names.journal_body(self._keys.prefix, lane), list(keys))
        return any(body is not None for body in bodies)

    def depth(self, lane: names.Lane) -> int:
        """How many events wait in a lane's journal."""
        return int(self._client.hlen(names.journal_body(self._keys.prefix, lane)))
