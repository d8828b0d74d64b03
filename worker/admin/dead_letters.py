"""Dead letters by cause: the same reason with the same message."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from worker.admin.json_fields import utc_time
from worker.admin.summaries import Summaries, Summarized
from worker.core.service.outcome import DeadLetter
from worker.store.store import Store

_DIGITS: Final = 12


class ListedDeadLetter(NamedTuple):
    """A dead letter without its body.

    Attributes:
        id: of the dead letter.
        kind: `event`, `service` or `hook`.
        reason: one word.
        detail: every problem, or the router's message.
        service_id: the service, where it is known.
        router: the router that refused, if one did.
        source: who published the event; empty where the inventory does not list it.
        attempts: how often it was tried.
        at_ms: when it failed, in milliseconds since 1970.
        cause: id of its cause.
    """

    id: str
    kind: str
    reason: str
    detail: str
    service_id: str
    router: str
    source: str
    attempts: int
    at_ms: int
    cause: str


def listed(dead_letter: DeadLetter) -> ListedDeadLetter:
    """The dead letter without its body."""
    return ListedDeadLetter(
        *(dead_letter.id, dead_letter.kind, dead_letter.reason, dead_letter.detail),
        *(dead_letter.service_id, dead_letter.router, dead_letter.source, dead_letter.attempts),
        *(dead_letter.at_ms, cause_of(dead_letter.reason, dead_letter.detail)),
    )


def cause_of(reason: str, detail: str) -> str:
    """A short id of a cause."""
    text = f"{reason}|{detail}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class Cause:
    """All dead letters with one reason and message.

    Attributes:
        dead_letters: the oldest first; not empty.
    """

    dead_letters: tuple[ListedDeadLetter, ...]

    @property
    def id(self) -> str:
        """A short id; it does not change with the dead letters."""
        return self.dead_letters[0].cause

    @property
    def reason(self) -> str:
        """One word."""
        return self.dead_letters[0].reason

    @property
    def detail(self) -> str:
        """The message."""
        return self.dead_letters[0].detail

    @property
    def newest_ms(self) -> int:
        """When the last of them failed, in milliseconds since 1970."""
        return self.dead_letters[-1].at_ms


def causes(dead_letters: Iterable[ListedDeadLetter]) -> list[Cause]:
    """Group dead letters by cause, the most frequent first."""
    by_cause: dict[str, list[ListedDeadLetter]] = {}
    for dead_letter in dead_letters:
        by_cause.setdefault(dead_letter.cause, []).append(dead_letter)
    found = [
        Cause(tuple(sorted(group, key=lambda dead_letter: dead_letter.at_ms)))
        for group in by_cause.values()
    ]
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
    """All causes, as far as dead letters were read.

    Attributes:
        causes: the most frequent first.
        read: how many dead letters were read so far.
        total: how many there are.
    """

    causes: Sequence[Cause]
    read: int
    total: int


class DeadLetterCauses:
    """Groups dead letters in steps; keeps what it read. Several threads may use it.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._summaries = Summaries(store.dead_letters.times, self._listed)
        self._lock = threading.Lock()
        self._of: Summarized[int, ListedDeadLetter] | None = None
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

    def _listed(self, ids: Sequence[str]) -> dict[str, ListedDeadLetter]:
        return {letter.id: listed(letter) for letter in self._store.dead_letters.read(ids)}
