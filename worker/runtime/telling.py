"""A thread that tells people of alerts: in the `routers` process, and in `alerts deliver`."""

import threading

import structlog

from worker.desk.telling import Tell
from worker.errors import StoreUnavailable

log = structlog.get_logger()


class TellingThread:
    """Tells every few seconds, until stopped or the process ends.

    Args:
        tell: a round of it.
        every_s: between two rounds: what begins meanwhile is one message.
    """

    def __init__(self, tell: Tell, every_s: float) -> None:
        self._tell = tell
        self._every_s = every_s
        self._stop = threading.Event()

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self.run, name="telling", daemon=True).start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped."""
        while not self._stop.wait(self._every_s):
            try:
                self._tell.once()
            except StoreUnavailable:
                continue  # the sweep says so; what is open then is told later
            except Exception:
                # Nothing else depends on it; the next round tries anew.
                log.exception("alerts.failed")
