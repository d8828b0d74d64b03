"""A thread of the `routers` process that looks whether devices came to have their addresses."""

import threading
from typing import Final

import structlog

from worker.desk.in_use import InUse
from worker.errors import StoreUnavailable

log = structlog.get_logger()

EVERY_S: Final = 5.0


class InUseThread:
    """Looks every few seconds, until stopped or the process ends.

    Args:
        in_use: a round of it.
    """

    def __init__(self, in_use: InUse) -> None:
        self._in_use = in_use
        self._stop = threading.Event()

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self._run, name="in-use", daemon=True).start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self._in_use.once()
            except StoreUnavailable:
                continue  # the sweep says so; nothing is lost
            except Exception:
                # It tells less then, which nothing else depends on; the next round tries anew.
                log.exception("in_use.failed")
