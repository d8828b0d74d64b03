"""Reads in the background for people at a console: few at a time, and once for all of them."""

import threading
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from time import monotonic
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from worker.background_thread import BackgroundThread
from worker.errors import NotPossible


class Result(Protocol):
    """What a read gave; one with an error counts as failed."""

    @property
    def error(self) -> object:
        """Why it failed; empty: it did not."""

    @property
    def size(self) -> int:
        """How much it takes of what may be kept."""


KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT", bound=Result)

AT_ONCE: Final = 4
MOST_ASKED: Final = 40
"""Things that may wait to be read."""
_STOP_S: Final = 5.0


class Found(NamedTuple, Generic[ResultT]):
    """What was found lately; `running`: it is being read, or waits for its turn."""

    result: ResultT | None
    running: bool


@dataclass(slots=True)
class _Kept(Generic[ResultT]):
    """A result, the time of its end by the monotonic clock, and whether no other read runs."""

    done: threading.Event
    result: ResultT | None = None
    until_s: float = 0.0

    @property
    def found(self) -> Found[ResultT]:
        return Found(self.result, running=not self.done.is_set())

    @property
    def size(self) -> int:
        return 0 if self.result is None else self.result.size


class BackgroundReads(BackgroundThread, Generic[KeyT, ResultT]):
    """Reads things for all viewers, and keeps the results for a while; safe for many threads.

    Args:
        thing: what is read, in a word.
        most: size of all kept results together.
        kept_s: how long a result is shown before the next read.
        failure_kept_s: the same of a failure.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        thing: str,
        *,
        most: int,
        kept_s: float,
        failure_kept_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(f"{thing}-reader", _STOP_S)
        self._thing = thing
        self._most = most
        self._kept_s = kept_s
        self._failure_kept_s = failure_kept_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[KeyT, _Kept[ResultT]] = {}
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    @abstractmethod
    def read(self, key: KeyT, *, again: bool) -> ResultT:
        """Read one thing; any failure is a result. `again`: a person asked for a new read."""

    def work(self) -> None:
        """Hand what is asked to a few threads."""
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"{self._thing}-reader")
        for job in iter(self._asked.get, None):
            pool.submit(job)
        pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Begin no further read."""
        self._asked.put(None)

    def known(self, key: KeyT) -> Found[ResultT]:
        """What was found lately; begins nothing."""
        with self._lock:
            kept = self._kept.get(key)
            found = Found[ResultT](None, running=False) if kept is None else kept.found
            return found if kept and self._is_fresh(kept) else found._replace(result=None)

    def look(self, key: KeyT, *, again: bool = False) -> Found[ResultT]:
        """What was found last; a read is begun if that is long ago, or `again`, unless one runs.

        Raises:
            NotPossible: too many wait.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or (kept.done.is_set() and (again or not self._is_fresh(kept))):
                kept = self._ask(key, again=again)
            return kept.found

    def wait(self, key: KeyT, time_limit_s: float) -> ResultT | None:
        """The result of a read that begins now; None: it takes longer.

        Raises:
            NotPossible: too many wait.
        """
        ends_s = self._clock() + time_limit_s
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and not kept.done.wait(time_limit_s):  # it may have begun before
            return None
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.done.is_set():
                kept = self._ask(key, again=True)
        return kept.result if kept.done.wait(ends_s - self._clock()) else None

    def _is_fresh(self, kept: _Kept[ResultT]) -> bool:
        return kept.result is not None and kept.until_s > self._clock()

    def _ask(self, key: KeyT, *, again: bool) -> _Kept[ResultT]:
        """Have a thing read; called with the lock."""
        if sum(not kept.done.is_set() for kept in self._kept.values()) >= MOST_ASKED:
            raise NotPossible(f"{MOST_ASKED} {self._thing}s wait to be read: try again in a moment")
        kept = self._kept.setdefault(key, _Kept(threading.Event()))
        kept.done.clear()
        self._asked.put(lambda: self._do(key, kept, again=again))
        return kept

    def _do(self, key: KeyT, kept: _Kept[ResultT], *, again: bool) -> None:
        result = self.read(key, again=again)
        with self._lock:
            kept.result = result
            kept_s = self._failure_kept_s if result.error else self._kept_s
            kept.until_s = self._clock() + kept_s
            self._forget()
            kept.done.set()

    def _forget(self) -> None:
        """Drop results that are over, and the oldest while they are too many."""
        too_many = sum(kept.size for kept in self._kept.values()) - self._most
        for key, kept in sorted(self._kept.items(), key=lambda item: item[1].until_s):
            is_over = kept.until_s < self._clock() or too_many > 0
            if is_over and kept.done.is_set():
                del self._kept[key]
                too_many -= kept.size
