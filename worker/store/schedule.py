"""Index of scheduled events: when they take effect. The records have the events.

A lease that is shortened ahead of an event, or is to be put back after it, is due here too.
"""

from typing import Final

from worker.store.scripts import StorePart

RELEASE_MS: Final = 10_000
"""For so long a service belongs to the worker that took it: a commit takes far less."""


class ScheduleIndex(StorePart):
    """Finds services with due events. Commits set the entries (`records.py`)."""

    def take(self, most: int) -> list[str]:
        """Take the services that are due, by Redis's clock; each at least once."""
        found = self._scripts.run("take_schedule", most, RELEASE_MS)
        return list(found)

    def size(self) -> int:
        """How many services are in the index."""
        return int(self._client.zcard(self._keys.schedule))
