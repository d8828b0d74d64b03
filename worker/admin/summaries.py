"""Summaries of many things, made in short steps and kept while the things stay the same.

A page that counts tens of thousands of things by what is in them must not read them all at once: it
would be slow, and the process takes live events beside it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

VersionT = TypeVar("VersionT")
SummaryT = TypeVar("SummaryT")

_STEP_S: Final = 0.03
"""About how long one call makes summaries."""
_PAGE: Final = 50
_REST: Final = 10
"""What takes a second to list is listed again ten seconds later at the earliest."""


@dataclass(frozen=True, slots=True)
class Summarized(Generic[VersionT, SummaryT]):
    """What is known so far, by name. Unchanged as long as it is the same object."""

    versions: Mapping[str, VersionT] = field(default_factory=dict)
    summaries: Mapping[str, SummaryT] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether each thing has its summary."""
        return len(self.summaries) == len(self.versions)


class Summaries(Generic[VersionT, SummaryT]):
    """Summaries of things by name. Several threads may use them.

    Args:
        versions: lists all things: name -> what changes with the thing.
        summarize: reads things by name; those that are gone are left out.
    """

    def __init__(
        self,
        versions: Callable[[], Mapping[str, VersionT]],
        summarize: Callable[[Sequence[str]], Mapping[str, SummaryT]],
    ) -> None:
        self._versions = versions
        self._summarize = summarize
        self._lock = threading.Lock()
        self._found: Summarized[VersionT, SummaryT] = Summarized()
        self._missing: list[str] = []
        self._list_at = 0.0

    def read(self) -> Summarized[VersionT, SummaryT]:
        """List the things, if that was not done just now, and make one step of summaries."""
        with self._lock:
            started = time.monotonic()
            if started >= self._list_at:
                self._list()
                now = time.monotonic()
                self._list_at = now + _REST * (now - started)
            self._step()
            return self._found

    def list_again(self) -> None:
        """List the things at the next call, however lately that was done."""
        with self._lock:
            self._list_at = 0

    def _list(self) -> None:
        versions, known = self._versions(), self._found
        if versions == known.versions:
            return
        kept = {
            name: summary
            for name, summary in known.summaries.items()
            if versions.get(name) == known.versions[name]
        }
        self._found = Summarized(versions, kept)
        self._missing = [name for name in versions if name not in kept]

    def _step(self) -> None:
        if not self._missing:
            return
        ends = time.monotonic() + _STEP_S
        made: dict[str, SummaryT] = {}
        gone: set[str] = set()
        done = 0
        while not done or (done < len(self._missing) and time.monotonic() < ends):
            names = self._missing[done : done + _PAGE]
            read = self._summarize(names)
            made |= read
            gone.update(name for name in names if name not in read)
            done += len(names)
        self._missing = self._missing[done:]
        versions = self._found.versions
        if gone:
            versions = {name: version for name, version in versions.items() if name not in gone}
        self._found = Summarized(versions, {**self._found.summaries, **made})
