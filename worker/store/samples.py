"""Samples of the last hours and weeks: memory, what came and went, full pools, slow routers."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from redis.client import Pipeline

from contracts import names
from worker.core.alerting.health_figures import Sample
from worker.core.storage_format import known_part
from worker.ports import AnswerTimes
from worker.store.connection import StorePart, pages
from worker.store.pools import PoolUsage

SAMPLE_MS: Final = 300_000
SAMPLES: Final = 72
"""Six hours: memory follows the backlog, so days are estimated from a long time."""
MINUTES: Final = 720
"""Twelve hours."""
POOLS_EVERY_MS: Final = 3_600_000
POOL_SAMPLES: Final = 840
"""Five weeks of hours."""
_POOLS_KEPT_MS: Final = 40 * 86_400_000
"""Of a pool that left the inventory."""
SLOT_MS: Final = 300_000
SLOTS: Final = 144
"""Twelve hours of five minutes each."""

_Kept = TypeVar("_Kept", bound=NamedTuple)


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


class PoolSample(NamedTuple):
    """A pool at a moment (ms): values that services have, values in quarantine, and who waits."""

    at_ms: int
    given: int
    quarantine: int
    waiting: int


class Latency(NamedTuple):
    """The answers of a router within the five minutes that began at `at_ms`."""

    at_ms: int
    number: int
    mean_ms: float
    most_ms: int


class Samples(StorePart):
    """Keeps a bounded number of each, the newest."""

    def note_memory(self, now_ms: int) -> None:
        """Note the memory used, if the last sample is old enough."""
        newest = next(iter(self.memory(1)), None)
        if newest is not None and now_ms - newest.at_ms < SAMPLE_MS:
            return
        used = int(self._client.info("memory")["used_memory"])
        pipe = self._client.pipeline()
        _add(pipe, self._keys.samples, Sample(now_ms, used), SAMPLES)
        pipe.execute()

    def memory(self, most: int = SAMPLES) -> list[Sample]:
        """The newest samples first."""
        return _read(Sample, self._client.lrange(self._keys.samples, 0, most - 1))

    def note_minute(self, now_ms: int) -> None:
        """Note how the installation is; called once a minute by one worker."""
        keys, client = self._keys, self._client
        backlog = 0
        for page in pages(client.zrange(keys.routers_due, 0, -1)):
            queued = self._asked(page, lambda pipe, router: pipe.zcard(keys.router(router).due))
            backlog += sum(number for _, number in queued)
        journal = sum(client.hlen(keys.journal(lane).body) for lane in names.LANES)
        counters = client.hmget(keys.counters, ["accepted", "applied"])
        accepted, applied = (int(number or 0) for number in counters)
        pipe = client.pipeline()
        _add(pipe, keys.minutes, Minute(now_ms, backlog, journal, accepted, applied), MINUTES)
        pipe.execute()

    def minutes(self, most: int = MINUTES) -> list[Minute]:
        """The newest minutes, the oldest of them first."""
        return _read(Minute, reversed(self._client.lrange(self._keys.minutes, 0, most - 1)))

    def note_pools(self, usage: Mapping[str, PoolUsage], now_ms: int) -> None:
        """Note how the pools are, each whose last sample is an hour old."""
        newest = self.pools(list(usage), 1)
        pipe = self._client.pipeline(transaction=False)
        for name, use in usage.items():
            if newest[name] and now_ms - newest[name][0].at_ms < POOLS_EVERY_MS:
                continue
            key = self._keys.pool_samples(name)
            sample = PoolSample(now_ms, use.given, use.quarantine, use.waiting)
            _add(pipe, key, sample, POOL_SAMPLES)
            pipe.pexpire(key, _POOLS_KEPT_MS)
        pipe.execute()

    def pools(self, pools: list[str], most: int = POOL_SAMPLES) -> dict[str, list[PoolSample]]:
        """The newest samples of each pool, the newest first; with one round trip."""
        key = self._keys.pool_samples
        rows = self._asked(pools, lambda pipe, name: pipe.lrange(key(name), 0, most - 1))
        return {name: _read(PoolSample, texts) for name, texts in rows}

    def note_answers(self, answered: Mapping[str, AnswerTimes]) -> None:
        """Add the answers of routers since the last call to the present five minutes."""
        slot = self.now_ms() // SLOT_MS
        for page in pages(answered.items()):
            order = [word for router, times in page for word in (router, *times)]
            self._scripts.run("note_answers", slot, SLOTS, SLOTS * SLOT_MS // 1000, *order)

    def latency(self, router: str) -> list[Latency]:
        """How long a router took to answer in the last hours, the oldest first.

        Five minutes in which it answered nothing are left out.
        """
        raw = self._client.hgetall(self._keys.router(router).answers)
        found = {int(slot): AnswerTimes(*map(int, text.split())) for slot, text in raw.items()}
        after = self.now_ms() // SLOT_MS - SLOTS
        return [
            Latency(slot * SLOT_MS, times.number, times.sum_ms / times.number, times.most_ms)
            for slot, times in sorted(found.items())
            if slot > after
        ]


def _add(pipe: Pipeline, key: str, sample: NamedTuple, most: int) -> None:
    pipe.lpush(key, json.dumps(sample))
    pipe.ltrim(key, 0, most - 1)


def _read(kind: type[_Kept], texts: Iterable[str]) -> list[_Kept]:
    return [known_part(kind, json.loads(text)) for text in texts]
