"""The journal as workers see it: take what is due, leave what other workers have."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from contracts import names
from worker.errors import StoreUnavailable
from worker.store.connection import StorePart, StoreParts, new_work_version

WORK_MS = 10_000
"""How long taken events belong to us: far longer than folding 500 events takes."""
POSTPONED_READ: Final = 1_000
"""Limit for each lane: callers count them."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event to fold, from the journal or from a message.

    Attributes:
        key: names it in the store.
        raw: any JSON value of a message, or the text of the journal.
        lane: the journal lane that its commit clears; None for a message that is no event.
        attempts: how often its folding was begun, this time included.
    """

    key: str
    raw: object
    lane: names.Lane | None = None
    attempts: int = 1


class Taken(NamedTuple):
    """The events that one take gave.

    Attributes:
        full: as many as asked for, so there may be more: notify another worker.
        carried: how often each event of the message was begun before; None: the journal has it, and
            it comes from there if it is due.
        aliases: former name of a router -> its name now.
    """

    full: bool
    carried: list[int | None]
    entries: list[JournalEntry]
    now_ms: int
    aliases: Mapping[str, str]


class Journal(StorePart):
    """Takes events from the journal. A commit deletes them (`records.py`).

    `take` counts the first attempt of each event. An event that was begun before is folded alone,
    and `begin` counts that attempt just before: so no other event is blamed for its failures.
    """

    def __init__(self, *parts: *StoreParts) -> None:
        super().__init__(*parts)
        self._not_begun: list[str] = []

    def operators_secret(self) -> str | None:
        """What proves events of operators; None where nobody made it, and none is asked for."""
        return self._client.get(self._keys.operators_secret) or None

    def make_operators_secret(self) -> None:
        """Make the secret that proves events of operators, unless there is one."""
        self._client.set(self._keys.operators_secret, secrets.token_hex(32), nx=True)

    def take(self, lane: names.Lane, carried: Sequence[str], most: int) -> Taken:
        """Take up to `most` due events of a lane, and those that the message carries."""
        self._uncount()
        full, begun, flat, now_ms, aliases = self._scripts.run(
            "take_journal",
            *(lane, new_work_version(), most, WORK_MS, names.NOTIFIED_LIFETIME_MS),
            *carried,
            again=True,
        )
        return Taken(
            bool(full),
            [None if count < 0 else int(count) for count in begun],
            [
                JournalEntry(key, body, lane, int(count) + 1)
                for key, body, count in zip(*[iter(flat)] * 3, strict=True)
            ],
            int(now_ms),
            dict(zip(aliases[::2], aliases[1::2], strict=True)),
        )

    def notify(self, lane: names.Lane) -> None:
        """Notify another worker: there is more in a lane's journal."""
        self._scripts.run("notify_lane", lane)

    def begin(self, lane: names.Lane, key: str, taken_ms: int, *, journaled: bool) -> int:
        """Count one more attempt of an event, which then belongs to us as long again.

        Returns how many; 0: another worker has taken or folded it since. `journaled`: the journal
        has it, and not a message alone.
        """
        return int(self._scripts.run("begin_event", lane, key, taken_ms, WORK_MS, int(journaled)))

    def not_begun(self, keys: Collection[str]) -> None:
        """Take back one attempt of events that Redis kept us from folding, now or at the next take.

        Attempts find events that kill their worker, and this worker lives.
        """
        self._not_begun += keys
        with suppress(StoreUnavailable):
            self._uncount()

    def _uncount(self) -> None:
        if self._not_begun:
            self._scripts.run("uncount_events", *self._not_begun)
            self._not_begun = []

    def postpone(self, lane: names.Lane, key: str, body: str, at_ms: int) -> None:
        """Postpone an event that was begun until a moment (ms); the journal keeps it.

        An event that only a message carried is put into the journal.
        """
        journal = self._keys.journal(lane)
        pipe = self._client.pipeline()
        pipe.hsetnx(journal.body, key, body)
        pipe.zadd(journal.due, {key: at_ms})
        pipe.hdel(self._keys.attempts, key)
        pipe.execute()

    def events_postponed(self, now_ms: int) -> list[str]:
        """Some of the postponed events, as text: those that workers have are due sooner."""
        found: list[str] = []
        for lane in names.LANES:
            journal = self._keys.journal(lane)
            keys = self._client.zrangebyscore(
                journal.due, now_ms + 2 * WORK_MS, "+inf", start=0, num=POSTPONED_READ
            )
            found += self._fields(journal.body, keys).values()
        return found

    def holds(self, lane: names.Lane, keys: Sequence[str]) -> bool:
        """Whether one of these events is still in a lane's journal."""
        return bool(self._fields(self._keys.journal(lane).body, keys))

    def depth(self, lane: names.Lane) -> int:
        """How many events wait in a lane's journal."""
        return self._client.hlen(self._keys.journal(lane).body)
