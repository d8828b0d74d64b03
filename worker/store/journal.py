"""The intake journal as the worker sees it: take what is due, leave what others have."""

from collections.abc import Sequence
from typing import NamedTuple

import redis

from contracts import names
from worker.store.connection import store_errors
from worker.store.keys import Keys
from worker.store.scripts import Scripts

WORK_MS = 10_000
"""How long taken entries are ours: far longer than folding 500 events takes."""


class JournalEntry(NamedTuple):
    """One event taken from the journal, and how often its folding was begun (now included)."""

    key: str
    body: str
    attempts: int


class Taken(NamedTuple):
    """What one take gave.

    Attributes:
        full: as many as asked for, so there may be more: ring once more.
        carried: attempts of each event that the message carries; 0 means another worker has it.
        entries: events of the journal.
    """

    full: bool
    carried: list[int]
    entries: list[JournalEntry]


class Journal:
    """Reads of the journal. Deleting is part of the commit (`records.py`)."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def take(self, lane: names.Lane, carried: Sequence[str], most: int) -> Taken:
        """Take up to `most` due entries of a lane, and those of the message's own events."""
        prefix = self._keys.prefix
        with store_errors():
            full, attempts, flat = self._scripts.run(
                "take_journal",
                [
                    names.journal_body(prefix, lane),
                    names.journal_due(prefix, lane),
                    names.journal_rung(prefix, lane),
                    self._keys.attempts,
                ],
                [most, WORK_MS, *carried],
            )
        entries = [
            JournalEntry(flat[i], flat[i + 1], int(flat[i + 2])) for i in range(0, len(flat), 3)
        ]
        return Taken(bool(full), [int(n) for n in attempts], entries)

    def depth(self, lane: names.Lane) -> int:
        """How many events wait in a lane's journal."""
        with store_errors():
            return int(self._client.hlen(names.journal_body(self._keys.prefix, lane)))

    def set_rung(self, lane: names.Lane) -> bool:
        """Claim the ring of a lane; False when a message is pending already."""
        with store_errors():
            return bool(
                self._client.set(
                    names.journal_rung(self._keys.prefix, lane),
                    "1",
                    nx=True,
                    px=names.RING_LIFETIME_MS,
                )
            )
