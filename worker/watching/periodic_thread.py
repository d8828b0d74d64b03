"""A thread that does something every few seconds, on which nothing else in its process depends."""

import threading
from collections.abc import Callable

import structlog

from worker.errors import StoreUnavailable

log = structlog.get_logger()


class Rounds:
    """Does one round after the other, until stopped or the process ends.

    Args:
        name: of the thread, and what its failures are called in the log.
        once: a round.
        every_s: between two rounds.
    """

    def __init__(self, name: str, once: Callable[[], object], every_s: float) -> None:
        self._name = name
        self._once = once
        self._every_s = every_s
        self._stop = threading.Event()

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._once()
            except StoreUnavailable:
                continue  # the sweep says so; nothing is lost
            except Exception:
                # It tells less then, which nothing else depends on; the next round tries anew.
                log.exception("round.failed", part=self._name)
