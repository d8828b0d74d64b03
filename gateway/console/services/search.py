"""Keeps the index of services filled and fresh, in a thread of small steps.

The gateway's process also accepts live events, so the thread rests after each step. What changes is
seen in two ways. Each event that is folded has an outcome, and the outcome feeds are followed: such
a change is in the index some two seconds later. What no feed shows (a router that was renamed, a
service that was purged, a restored backup) is found by reading all records again, which begins ten
minutes after the last time ended.
"""

from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Final

import structlog

from gateway.console.services.service_index import ServiceIndex, changed_of
from gateway.store_failures import STORE_FAILURES, log_store_failure
from worker.background_thread import BackgroundThread
from worker.store.feed import CursorTooOldError
from worker.store.records import unreadable_left_out
from worker.store.store import Store

log = structlog.get_logger("console")

REREAD_S: Final = 600.0
"""From the end of one walk over all records to the begin of the next."""
_FOLLOW_S: Final = 1.0
_KEYS_A_STEP: Final = 250
"""Of Redis's keys about a hundred are records: some 5 ms of work, as long as Python lets a thread
work before another gets its turn."""
_CHANGES_A_STEP: Final = 100
_REST: Final = 2.0
"""The thread rests so many times as long as a step took: it takes a third of one core at most."""
_LEAST_REST_S: Final = 0.01
_AFTER_FAILURE_S: Final = 5.0
_STOP_S: Final = 10.0


class SearchThread(BackgroundThread):
    """Fills the index inside `with`, and follows what changes.

    Attributes:
        index: of all services.
        complete: it was filled once; from then on it only follows.
    """

    def __init__(
        self, store: Store, sources: Callable[[], Collection[str]], reread_s: float = REREAD_S
    ) -> None:
        super().__init__("search", _STOP_S)
        self.index = ServiceIndex()
        self._store = store
        self._sources = sources
        self._reread_s = reread_s
        self.complete = False
        self._round = 0
        self._feed_cursor = ""
        self._follow_at = 0.0

    def work(self) -> None:
        """Walk over all records, then follow until it is time to walk again."""
        while not self._stopping.is_set():
            try:
                self._walk()
                again_at = monotonic() + self._reread_s
                while monotonic() < again_at and not self._stopping.wait(_FOLLOW_S):
                    self._follow()
            except CursorTooOldError:  # more changed than the feeds keep
                self._feed_cursor = ""
            except STORE_FAILURES as error:
                log_store_failure(error)
                self._stopping.wait(_AFTER_FAILURE_S)

    def _walk(self) -> None:
        """Read all records once, a few at a time; follow changes meanwhile."""
        self._feed_cursor = self._feed_cursor or self._store.feed.last()
        self._round += 1
        began, cursor = monotonic(), 0
        while not self._stopping.is_set():
            step = monotonic()
            texts, cursor = self._store.views.record_texts_from(cursor, _KEYS_A_STEP)
            self._take(texts)
            if not cursor:
                break
            self._rest(step)
            if monotonic() >= self._follow_at:
                self._follow()
        else:
            return
        removed = self.index.prune(self._round)
        if not self.complete:
            self.complete = True
            seconds = round(monotonic() - began, 1)
            log.info("search.ready", services=len(self.index), seconds=seconds)
        elif removed:
            log.info("search.services_removed", services=removed)

    def _follow(self) -> None:
        """Read the records of all services that had an outcome since the last time."""
        while not self._stopping.is_set():
            step = monotonic()
            sources = list(self._sources())
            page = self._store.feed.read(sources, self._feed_cursor, _CHANGES_A_STEP)
            changed = {item.outcome.service_id for item in page.items} - {""}
            self._take(self._store.views.record_texts(sorted(changed)))
            self._feed_cursor = page.cursor
            if not page.more:
                break
            self._rest(step)
        self._follow_at = monotonic() + _FOLLOW_S

    def _take(self, texts: Mapping[str, str]) -> None:
        """Bring what was read into the index; a record with a known generation is not parsed."""
        changed = changed_of(texts, self.index.generations(texts))
        self.index.keep(texts.keys() - changed.keys(), self._round)
        self.index.put(unreadable_left_out(changed).values(), self._round)

    def _rest(self, since: float) -> None:
        self._stopping.wait(max(_LEAST_REST_S, _REST * (monotonic() - since)))
