"""Remembers the events that Redis accepted in the last seconds, in order: in memory, or in a spool.

A history is the name that Redis gives to its data: it changes when another server becomes the
primary, and when one starts again. An event is as safe as the history that is noted with it.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from contracts.names import LANES, Lane
from producers.spool import Spool

MOST_EVENTS: Final = 100_000
MOST_BYTES: Final = 64_000_000


class AcceptedEvent(NamedTuple):
    """An event that Redis accepted.

    Attributes:
        key: its key in the store.
        source: its source.
        lane: in whose journal it was written.
        body: the event as JSON text.
    """

    key: str
    source: str
    lane: Lane
    body: str


class AcceptedInMemory:
    """Remembers them as long as the process lives.

    Args:
        clock: monotonic seconds.
        most_events: limit of their number.
        most_bytes: limit of the characters of their texts.
    """

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        *,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.now_s = clock
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._entries: deque[tuple[float, str, AcceptedEvent]] = deque()
        self._bytes = 0
        self._lock = Lock()

    def add(self, events: Sequence[AcceptedEvent], history: str) -> None:
        """Add events that were accepted; the oldest go where they are too many."""
        with self._lock:
            self._append(events, history)
            while len(self._entries) > self._most_events or self._bytes > self._most_bytes:
                self._drop_first()

    def of_others(self, history: str) -> list[AcceptedEvent]:
        """The events that were accepted under another history."""
        with self._lock:
            return [event for _, its_history, event in self._entries if its_history != history]

    def confirm(self, keys: Collection[str], history: str) -> None:
        """Note that events are known under this history, as if they were accepted now."""
        wanted = frozenset(keys)
        with self._lock:
            entries, self._entries, self._bytes = self._entries, deque(), 0
            for at_s, its_history, event in entries:
                if event.key not in wanted:
                    self._entries.append((at_s, its_history, event))
                    self._bytes += len(event.body)
            self._append([event for *_, event in entries if event.key in wanted], history)

    def forget(self, before_s: float) -> None:
        """Forget what was accepted before a moment of `now_s`, in seconds."""
        with self._lock:
            while self._entries and self._entries[0][0] < before_s:
                self._drop_first()

    def is_empty(self) -> bool:
        """Whether nothing is remembered."""
        return not self._entries

    def _append(self, events: Sequence[AcceptedEvent], history: str) -> None:
        now_s = self.now_s()
        self._entries.extend((now_s, history, event) for event in events)
        self._bytes += sum(len(event.body) for event in events)

    def _drop_first(self) -> None:
        *_, event = self._entries.popleft()
        self._bytes -= len(event.body)


class AcceptedInSpool:
    """Remembers them in the file of a spool: whoever opens it next goes on, also after a crash.

    Args:
        spool: other processes may share its file; then each asks for the events of all.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.now_s = spool.clock

    def add(self, events: Sequence[AcceptedEvent], history: str) -> None:
        """Add events that were accepted; the oldest go where they are too many.

        Raises:
            SpoolFailed: the file cannot be written.
        """
        now_s = self.now_s()
        rows = [(e.key, e.source, e.lane, e.body, history, now_s) for e in events]
        with self._spool.writing() as database:
            database.executemany(
                "INSERT OR REPLACE INTO accepted (key, source, lane, body, history, accepted_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
            database.execute(
                "DELETE FROM accepted WHERE position <= (SELECT max(position) FROM accepted) - ?",
                [MOST_EVENTS],
            )

    def of_others(self, history: str) -> list[AcceptedEvent]:
        """The events that were accepted under another history."""
        with self._spool.reading() as database:
            rows = database.execute(
                "SELECT key, source, lane, body FROM accepted WHERE history <> ? ORDER BY position",
                [history],
            ).fetchall()
        lanes: dict[str, Lane] = {lane: lane for lane in LANES}
        return [AcceptedEvent(key, source, lanes[lane], body) for key, source, lane, body in rows]

    def confirm(self, keys: Collection[str], history: str) -> None:
        """Note that events are known under this history, as if they were accepted now."""
        now_s = self.now_s()
        with self._spool.writing() as database:
            database.executemany(
                "UPDATE accepted SET history = ?, accepted_at = ? WHERE key = ?",
                [(history, now_s, key) for key in keys],
            )

    def forget(self, before_s: float) -> None:
        """Forget what was accepted before a moment of `now_s`, in seconds."""
        with self._spool.writing() as database:
            database.execute("DELETE FROM accepted WHERE accepted_at < ?", [before_s])

    def is_empty(self) -> bool:
        """Whether nothing is remembered."""
        with self._spool.reading() as database:
            return database.execute("SELECT 1 FROM accepted LIMIT 1").fetchone() is None


AcceptedEvents = AcceptedInMemory | AcceptedInSpool
"""What was accepted lately. Several threads may use it."""
