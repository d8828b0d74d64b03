"""Samples of the last hours, for the console's pictures: what came and went, and slow routers."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from contracts import names
from worker.core.storage_format import known_part
from worker.ports import AnswerTimes
from worker.store.connection import StorePart, pages, redis_now_ms

MINUTES: Final = 720
"""Twelve hours."""
SLOT_MS: Final = 300_000
SLOTS: Final = 144
"""Twelve hours of five minutes each."""
_PAGE: Final = 500


class Minute(NamedTuple):
    """The installation at one moment; the counters only grow.

    Attributes:
        at_ms: the moment, by Redis's clock.
        backlog: services with a work item that is not held for approval, on all routers.
        journal: events that are not folded yet, of both lanes.
        accepted: events accepted since this Redis began.
        applied: events applied since then.
    """

    at_ms: int
    backlog: int
    journal: int
    accepted: int
    applied: int


class Latency(NamedTuple):
    """The answers of a router within five minutes.

    Attributes:
        at_ms: when the five minutes began.
        number: how many.
        mean_ms: their mean.
        most_ms: the longest.
    """

    at_ms: int
    number: int
    mean_ms: float
    most_ms: int


class Samples(StorePart):
    """Keeps a bounded row a minute, and a bounded row of each router and five minutes."""

    def note_minute(self, now_ms: int) -> None:
        """Note how the installation is; called once a minute by one worker."""
        keys, client = self._keys, self._client
        routers = client.zrange(keys.routers_due, 0, -1)
        backlog = 0
        for page in pages(routers, _PAGE):
            pipe = client.pipeline(transaction=False)
            for router in page:
                pipe.zcard(keys.router(router).due)
            backlog += sum(pipe.execute())
        journal = sum(client.hlen(keys.journal(lane).body) for lane in names.LANES)
        counters = client.hmget(keys.counters, ["accepted", "applied"])
        accepted, applied = (int(number or 0) for number in counters)
        pipe = client.pipeline()
        pipe.lpush(keys.minutes, json.dumps(Minute(now_ms, backlog, journal, accepted, applied)))
        pipe.ltrim(keys.minutes, 0, MINUTES - 1)
        pipe.execute()

    def minutes(self, most: int = MINUTES) -> list[Minute]:
        """The newest minutes, the oldest of them first."""
        texts = self._client.lrange(self._keys.minutes, 0, most - 1)
        return [known_part(Minute, json.loads(text)) for text in reversed(texts)]

    def note_answers(self, answered: Mapping[str, AnswerTimes]) -> None:
        """Add the answers of routers since the last call to the present five minutes."""
        slot = redis_now_ms(self._client) // SLOT_MS
        for page in pages(answered.items(), _PAGE):
            order = [word for router, times in page for word in (router, *times)]
            self._scripts.run("note_answers", slot, SLOTS, SLOTS * SLOT_MS // 1000, *order)

    def latency(self, router: str) -> list[Latency]:
        """How long a router took to answer in the last hours, the oldest first.

        Five minutes in which it answered nothing are left out.
        """
        raw = self._client.hgetall(self._keys.router(router).answers)
        found = {int(slot): AnswerTimes(*map(int, text.split())) for slot, text in raw.items()}
        after = redis_now_ms(self._client) // SLOT_MS - SLOTS
        return [
            Latency(slot * SLOT_MS, times.number, times.sum_ms / times.number, times.most_ms)
            for slot, times in sorted(found.items())
            if slot > after
        ]
