"""Index of scheduled events: when they take effect. The records have the events.

A lease that is shortened ahead of an event, or is to be put back after it, is due here too.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.service.schedule import CalendarList
from worker.store.connection import StorePart

RELEASE_MS: Final = 10_000
"""For so long a service belongs to the worker that took it: a commit takes far less."""


class CalendarPlace(NamedTuple):
    """A scheduled event: its service, its key, and when it takes effect (ms)."""

    service_id: str
    key: str
    at_ms: int


class ScheduleIndex(StorePart):
    """Finds services with due events. Commits set the entries (`records.py`)."""

    def take(self, most: int) -> list[str]:
        """Take the services that are due, by Redis's clock; each at least once."""
        found = self._scripts.run("take_schedule", most, RELEASE_MS)
        return list(found)

    def look_again(self, services: Sequence[str]) -> None:
        """Have services committed again at once: what follows from the inventory has changed."""
        if services:
            self._client.zadd(self._keys.schedule, dict.fromkeys(services, 0))

    def size(self) -> int:
        """How many services are in the index."""
        return int(self._client.zcard(self._keys.schedule))

    def counts(self, name: CalendarList, spans: Sequence[tuple[int, int]]) -> list[int]:
        """How many events of a list take effect from one time (ms) to before another."""
        calendar = self._keys.calendar(name)
        found = self._asked(spans, lambda pipe, at: pipe.zcount(calendar, at[0], f"({at[1]}"))
        return [number for _, number in found]

    def events(
        self, name: CalendarList, from_ms: int, until_ms: int, start: int = 0, most: int = -1
    ) -> list[CalendarPlace]:
        """Events of a list by time, from a time (ms) to before another.

        `start`: leave out so many; `most`: at most so many; -1: all.
        """
        found = self._client.zrangebyscore(
            self._keys.calendar(name),
            from_ms,
            f"({until_ms}",
            start=start,
            num=most,
            withscores=True,
        )
        places = ((*member.rpartition("|")[::2], int(at_ms)) for member, at_ms in found)
        return [CalendarPlace(*place) for place in places]
