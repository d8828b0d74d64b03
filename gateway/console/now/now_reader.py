"""Reads how the installation is, in one thread for all who look: many routers take long to read."""

import threading
from collections.abc import Callable
from time import monotonic, thread_time
from typing import Any, Final, NamedTuple

import structlog

from gateway.store_failures import STORE_FAILURES, log_store_failure
from worker.background_thread import BackgroundThread
from worker.errors import StoreUnavailable

log = structlog.get_logger("console")

WATCHED_S: Final = 2.0
"""Pause between two reads while somebody looks."""
UNWATCHED_S: Final = 30.0
LOOKED_S: Final = 60.0
"""Somebody who opened the page looks at it for so long; a stream does for as long as it lasts."""
SHARE: Final = 20
"""It computes for at most one in so many parts of the time: events come in beside it."""
_FIRST_S: Final = 10.0
_STOP_S: Final = 10.0


class NowReading(NamedTuple):
    """What was read.

    Attributes:
        number: grows with each attempt.
        document: what was read last; empty: nothing yet.
        error: why the last attempt failed; None: it did not.
    """

    number: int
    document: dict[str, Any]
    error: Exception | None


class NowReader(BackgroundThread):
    """Reads again and again; slowly while nobody looks.

    Args:
        read: gives the document; it may take long.
    """

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        super().__init__("console-now", _STOP_S)
        self._read = read
        self._reading = NowReading(0, {}, None)
        self._looked_s = 0.0
        self._computed_s = 0.0
        self._began_s = 0.0
        self._attempted = threading.Event()
        self._wake = threading.Event()

    def work(self) -> None:
        """Read until it is stopped."""
        while not self._stopping.is_set():
            self._began_s = monotonic()
            self.read_once()
            self._attempted.set()
            while not self._stopping.is_set() and (wait_s := self._wait_s()) > 0:
                self._wake.wait(wait_s)
                self._wake.clear()

    def stop(self) -> None:
        """Let the present reading be the last."""
        super().stop()
        self._wake.set()

    def look(self) -> NowReading:
        """What was read last; the next reading comes soon, as somebody looks."""
        was_watched, self._looked_s = self._is_watched(), monotonic()
        if not was_watched:
            self._wake.set()
        return self._reading

    def document(self) -> dict[str, Any]:
        """The document of the last reading; waits for the first one.

        Raises:
            StoreUnavailable: Redis cannot be read.
        """
        reading = self.look()
        if not reading.number:
            self._attempted.wait(_FIRST_S)
            reading = self._reading
        if reading.error is not None:
            raise reading.error
        if not reading.document:
            raise StoreUnavailable("the first reading takes too long")
        return reading.document

    def read_once(self) -> None:
        """Read, whatever comes of it."""
        number, document, before = self._reading
        error: Exception | None = None
        try:
            began_s = thread_time()
            try:
                document = self._read()
            finally:
                self._computed_s = thread_time() - began_s
        except STORE_FAILURES as failure:
            error = failure
            if type(before) is not type(error):
                log_store_failure(error)
        except Exception as failure:
            error = failure
            log.exception("console.read_failed", advice="a bug: please report this")
        self._reading = NowReading(number + 1, document, error)

    def _wait_s(self) -> float:
        """How long to wait now before the next reading."""
        pause_s = WATCHED_S if self._is_watched() else UNWATCHED_S
        return self._began_s + max(pause_s, SHARE * self._computed_s) - monotonic()

    def _is_watched(self) -> bool:
        return monotonic() - self._looked_s < LOOKED_S
