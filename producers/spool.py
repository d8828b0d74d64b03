"""Keeps events on this host's disk while they cannot be sent: an SQLite file, in order of arrival.

Several processes may share a file. `synchronous=FULL`: what was added survives a power cut.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from threading import RLock
from typing import Final, NamedTuple

from contracts.identity import content_hash
from contracts.names import LANES, MAX_EVENTS_PER_MESSAGE, Lane
from contracts.parse import read_document
from producers.errors import SpoolFailed
from producers.transport import CompleteEvent

DAY_S: Final = 86_400
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS spooled (
    position INTEGER PRIMARY KEY AUTOINCREMENT, -- the order; never used twice
    source TEXT NOT NULL, id TEXT NOT NULL,
    key TEXT NOT NULL, lane TEXT NOT NULL, body TEXT NOT NULL,
    spooled_at REAL NOT NULL, -- seconds since 1970
    UNIQUE (source, id)
);
CREATE TABLE IF NOT EXISTS dead (
    source TEXT NOT NULL, id TEXT NOT NULL,
    key TEXT NOT NULL, lane TEXT NOT NULL, body TEXT NOT NULL,
    reason TEXT NOT NULL, died_at REAL NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE TABLE IF NOT EXISTS accepted ( -- by Redis, in the last seconds (`accepted.py`)
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, source TEXT NOT NULL,
    lane TEXT NOT NULL, body TEXT NOT NULL,
    history TEXT NOT NULL, accepted_at REAL NOT NULL
);
"""


class Spooled(NamedTuple):
    """The oldest events of a spool, of one lane."""

    lane: Lane
    events: list[CompleteEvent]


class Dead(NamedTuple):
    """An event that was refused or waited too long; it is not sent again by itself.

    Attributes:
        source: source of the event.
        id: id of the event.
        body: the event as JSON text.
        reason: why it is dead.
    """

    source: str
    id: str
    body: str
    reason: str


class Spool:
    """A spool with a limit.

    Args:
        path: of the SQLite file; created with its folder, readable by this user only.
        max_events: limit for waiting and dead events together; adding more raises.
        max_age_s: an event that waits longer becomes dead: the BSS has moved on.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        max_events: int = 100_000,
        max_age_s: float = 7 * DAY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(path)
        self._max_events = max_events
        self._max_age_s = max_age_s
        self.clock = clock
        self._lock = RLock()
        self._process = os.getpid()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Before SQLite creates it with other rights: events hold customers' addresses.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(
                self._path, timeout=30, isolation_level=None, check_same_thread=False
            )
        except OSError as error:
            message = f"the spool {self._path} cannot be opened: {error.strerror}"
            raise SpoolFailed(message) from error
        try:
            with _mapped_errors():
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=FULL")
                self._database.executescript(_SCHEMA)
        except SpoolFailed:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file; its events stay."""
        with self._lock:
            self._database.close()

    def depth(self) -> int:
        """Count the waiting events."""
        with self.reading() as database:
            return int(database.execute("SELECT count(*) FROM spooled").fetchone()[0])

    def add(self, events: Sequence[CompleteEvent], lane: Lane) -> list[CompleteEvent]:
        """Add events behind the waiting ones; all of them, or none.

        Returns:
            Events that were not added, because the spool holds another event with their source
            and id.

        Raises:
            SpoolFailed: the spool is full or cannot be written.
        """
        reused = []
        with self.writing() as database:
            for event in events:
                row = (event.source, event.id, event.key, lane, event.body, self.clock())
                find = "SELECT body FROM spooled WHERE source = ? AND id = ?"
                found = database.execute(find, row[:2]).fetchone()
                if found is None:
                    columns = "source, id, key, lane, body, spooled_at"
                    insert = f"INSERT INTO spooled ({columns}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
                    database.execute(insert, row)
                elif content_hash(read_document(found[0])[0]) != content_hash(event.event):
                    reused.append(event)
            self._check_limit(database)
        return reused

    def oldest(self) -> Spooled | None:
        """Return the oldest events, of one lane, at most a batch; None when none waits."""
        with self.reading() as database:
            rows = database.execute(
                "SELECT lane, key, body FROM spooled ORDER BY position LIMIT ?",
                [MAX_EVENTS_PER_MESSAGE],
            ).fetchall()
        if not rows:
            return None
        first = rows[0][0]
        same = takewhile(lambda row: row[0] == first, rows)
        events = [CompleteEvent(key, read_document(body)[0], body) for _, key, body in same]
        return Spooled(next(lane for lane in LANES if lane == first), events)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove events that are in the journal."""
        with self.writing() as database:
            database.executemany("DELETE FROM spooled WHERE key = ?", [(key,) for key in keys])

    def add_dead(
        self, events: Sequence[CompleteEvent], lane: Lane, reasons: Mapping[str, str]
    ) -> None:
        """Make events dead; they no longer wait.

        Args:
            events: waiting or new.
            lane: their lane.
            reasons: reason by event key.
        """
        now = self.clock()
        with self.writing() as database:
            for event in events:
                database.execute("DELETE FROM spooled WHERE key = ?", [event.key])
                database.execute(
                    "INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [event.source, event.id, event.key, lane, event.body, reasons[event.key], now],
                )
            self._check_limit(database)

    def expire(self) -> int:
        """Make events dead that waited too long; returns how many."""
        now = self.clock()
        reason = f"waited longer than {self._max_age_s / DAY_S:g} days"
        with self.writing() as database:
            old = "FROM spooled WHERE spooled_at < ?"
            oldest = now - self._max_age_s
            database.execute(
                f"INSERT OR REPLACE INTO dead SELECT source, id, key, lane, body, ?, ? {old}",
                [reason, now, oldest],
            )
            return database.execute(f"DELETE {old}", [oldest]).rowcount

    def dead(self) -> list[Dead]:
        """List the dead events, the longest dead first."""
        with self.reading() as database:
            rows = database.execute("SELECT source, id, body, reason FROM dead ORDER BY died_at")
            return [Dead(*row) for row in rows]

    def revive(self) -> int:
        """Let all dead events wait again, behind the others; returns how many."""
        with self.writing() as database:
            database.execute(
                "INSERT OR IGNORE INTO spooled (source, id, key, lane, body, spooled_at) "
                "SELECT source, id, key, lane, body, ? FROM dead ORDER BY died_at",
                [self.clock()],
            )
            return database.execute("DELETE FROM dead").rowcount

    def discard(self, source: str, event_id: str) -> bool:
        """Remove a dead event; False if there is none."""
        with self.writing() as database:
            where = "DELETE FROM dead WHERE source = ? AND id = ?"
            return database.execute(where, [source, event_id]).rowcount > 0

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """Lock the spool for draining; yields False while another process has the lock."""
        with open(f"{self._path}.drain", "a", opener=_for_this_user) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True  # closing the file releases the lock

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lock the file's connection of this process, to read."""
        if os.getpid() != self._process:
            raise SpoolFailed("the spool was opened before a fork: open it in each process")
        with self._lock, _mapped_errors():
            yield self._database

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, which ends with the block."""
        with self.reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise

    def _check_limit(self, database: sqlite3.Connection) -> None:
        count = "SELECT (SELECT count(*) FROM spooled) + (SELECT count(*) FROM dead)"
        with closing(database.execute(count)) as found:
            stored = int(found.fetchone()[0])
        if stored > self._max_events:
            raise SpoolFailed(
                f"the spool {self._path} is full: it holds at most {self._max_events} events; "
                "repair the connection, discard dead events, or raise max_events"
            )


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise SpoolFailed(f"the spool cannot be used: {error}") from error


def _for_this_user(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
