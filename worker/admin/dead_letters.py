"""Dead letters by cause: the same reason with the same message."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from worker.admin.json_fields import utc_time
from worker.admin.summaries import Summaries, Summarized
from worker.core.service.outcome import DeadLetter
from worker.store.store import Store

_DIGITS: Final = 12


def cause_of(reason: str, detail: str) -> str:
    """A short id of a cause."""
    text = f"{reason}|{detail}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


class Cause(NamedTuple):
    """All dead letters with one reason and one message; at least one, the oldest first."""

    reason: str
    detail: str
    dead_letters: Sequence[DeadLetter]

    @property
    def id(self) -> str:
        """A short id; it does not change with the dead letters."""
        return cause_of(self.reason, self.detail)

    @property
    def newest_ms(self) -> int:
        """When the last of them failed, in milliseconds since 1970."""
        return self.dead_letters[-1].at_ms


def causes(dead_letters: Iterable[DeadLetter]) -> list[Cause]:
    """Group dead letters by cause, the most frequent first."""
    by_cause: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in sorted(dead_letters, key=lambda dead_letter: dead_letter.at_ms):
        by_cause.setdefault((letter.reason, letter.detail), []).append(letter)
    found = [Cause(*cause, group) for cause, group in by_cause.items()]
    return sorted(found, key=lambda cause: (-len(cause.dead_letters), -cause.newest_ms))


def cause_document(cause: Cause) -> dict[str, Any]:
    """A cause: how many dead letters it has, since when, and the id of the newest."""
    return {
        "id": cause.id,
        "reason": cause.reason,
        "detail": cause.detail,
        "count": len(cause.dead_letters),
        "oldest": utc_time(cause.dead_letters[0].at_ms),
        "newest": utc_time(cause.newest_ms),
        "example": cause.dead_letters[-1].id,
    }


class ReadCauses(NamedTuple):
    """All causes, the most frequent first; `read` of `total` dead letters were read so far."""

    causes: Sequence[Cause]
    read: int
    total: int


class DeadLetterCauses:
    """Groups dead letters in steps; keeps what it read. Several threads may use it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._summaries = Summaries(store.dead_letters.times, self._listed)
        self._lock = threading.Lock()
        self._of: Summarized[int, DeadLetter] | None = None
        self._found = ReadCauses([], 0, 0)

    def read(self) -> ReadCauses:
        """The causes as far as they are known; reads on for a moment."""
        found = self._summaries.read()
        with self._lock:
            if found is not self._of:
                known = found.summaries
                self._found = ReadCauses(causes(known.values()), len(known), len(found.versions))
                self._of = found
            return self._found

    def find(self, cause_id: str) -> Cause | None:
        """One cause, as far as it is known."""
        return next((cause for cause in self.read().causes if cause.id == cause_id), None)

    def list_again(self) -> None:
        """List dead letters at the next call: some were settled just now."""
        self._summaries.list_again()

    def _listed(self, ids: Sequence[str]) -> dict[str, DeadLetter]:
        """Dead letters without their bodies, which would take much memory."""
        read = self._store.dead_letters.read(ids)
        return {letter.id: replace(letter, body="", event_keys=()) for letter in read}
