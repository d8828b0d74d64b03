"""How the lanes of live and of bulk events share a worker."""

from collections.abc import Mapping
from typing import Final

from contracts import names

BULK_AT_ONCE: Final = 10
"""Events of one take of the bulk lane: a live event waits for at most so many."""
AT_ONCE: Final[Mapping[names.Lane, int]] = {
    names.QUEUE_EVENTS: names.MAX_EVENTS_PER_MESSAGE,
    names.QUEUE_BULK: BULK_AT_ONCE,
}
"""How many events one take of a lane folds at the most."""
PAUSE_S: Final = 0.05
"""Celery checks the bulk lane in a pause of this length between two tasks."""
BUSY_S: Final = 1.0
"""After so long without a pause bulk gets a turn."""


class LiveLoad:
    """Finds when live events left a worker no pause for a second: then bulk gets a turn.

    Celery serves bulk only while no live message waits, which may be never, all day.
    """

    def __init__(self) -> None:
        self._since_s = self._ended_s = 0.0

    def begin(self, now_s: float) -> None:
        """A task of live events begins."""
        if abs(now_s - self._ended_s) > PAUSE_S:
            self._since_s = now_s

    def end(self, now_s: float) -> bool:
        """The task ends; returns whether bulk gets a turn now."""
        self._ended_s = now_s
        is_long = abs(now_s - self._since_s) >= BUSY_S
        if is_long:
            self._since_s = now_s
        return is_long
