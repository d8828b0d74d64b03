"""A thread that does something every few seconds."""

from collections.abc import Callable

import structlog

from worker.background_thread import BackgroundThread
from worker.errors import StoreUnavailable

log = structlog.get_logger()


class PeriodicThread(BackgroundThread):
    """Runs one round after another until it is stopped or the process ends.

    A failed round is logged, and the next one tries again. While Redis is unavailable rounds fail
    in silence, because the sweep logs that.

    It waits `every_s` before each round, and at the end of a `with` block at most `stop_s` for the
    current one.
    """

    def __init__(
        self, name: str, once: Callable[[], object], every_s: float, stop_s: float = 0
    ) -> None:
        super().__init__(name, stop_s)
        self._name = name
        self._once = once
        self._every_s = every_s

    def work(self) -> None:
        """Do rounds until it is stopped."""
        while not self._stopping.wait(self._every_s):
            try:
                self._once()
            except StoreUnavailable:
                continue
            except Exception:
                log.exception("thread.round_failed", thread=self._name)
