"""When scheduled events take effect: an index over the records, which keep the events."""

from typing import Final

import redis

from worker.store.keys import Keys
from worker.store.scripts import Scripts

RELEASE_MS: Final = 10_000
"""How long a service is left to whoever took it: far longer than its commit takes."""


class ScheduleIndex:
    """Who is due. Entries are set by the commit of a record (`records.py`)."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def take(self, most: int) -> list[str]:
        """Services of which a scheduled event is due, by Redis's clock; at least once each."""
        found = self._scripts.run("take_schedule", most, RELEASE_MS)
        return list(found)

    def size(self) -> int:
        """Of how many services an event waits for its time."""
        return int(self._client.zcard(self._keys.schedule))
