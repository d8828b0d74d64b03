"""The store's upkeep: what no key's own time limit does.

Cancelled services are forgotten when their time is over, and the memory used is noted, so that
`leasewire status` can show how many days are left.
"""

import json
from typing import Any, Final

from contracts import names
from worker.core.alerting.health_figures import Sample
from worker.core.storage_format import known_part
from worker.store.connection import StorePart, StoreParts, pages
from worker.store.feed import Feed
from worker.store.pools import CURSOR
from worker.store.records import Records
from worker.store.samples import Samples

DAY_MS: Final = 86_400_000
TOMBSTONE_MS: Final = 400 * DAY_MS
"""A late event of a cancelled service must find its record, or it would be a ghost."""
TOMBSTONES_A_ROUND: Final = 50
SAMPLE_MS: Final = 300_000
SAMPLES: Final = 72
"""Six hours: memory follows the backlog, so days are estimated from a long time."""
_ROUND_MS: Final = 60_000
_PAGE: Final = 500


class StoreMaintenance(StorePart):
    """One round a minute, by any worker."""

    def __init__(self, *parts: *StoreParts, records: Records) -> None:
        super().__init__(*parts)
        self._records = records
        self._feed = Feed(*parts)
        self._samples = Samples(*parts)

    def run(self) -> bool:
        """Run a round; False when a worker did one within the last minute."""
        if not self._client.set(self._keys.maintenance, "1", nx=True, px=_ROUND_MS):
            return False
        now_ms = self._records.now_ms()
        self.sample(now_ms)
        self._samples.note_minute(now_ms)
        self.forget_cancelled(now_ms)
        self._client.zremrangebyscore(self._keys.calendar("ended"), "-inf", now_ms)
        self.forget_attempts(now_ms)
        self.forget_values()
        self._feed.trim(now_ms)
        return True

    def sample(self, now_ms: int) -> None:
        """Note the memory used, if the last sample is old enough."""
        newest = next(iter(self.samples(1)), None)
        if newest is not None and now_ms - newest.at_ms < SAMPLE_MS:
            return
        used = int(self._client.info("memory")["used_memory"])
        pipe = self._client.pipeline()
        pipe.lpush(self._keys.samples, json.dumps(Sample(now_ms, used)))
        pipe.ltrim(self._keys.samples, 0, SAMPLES - 1)
        pipe.execute()

    def samples(self, most: int = SAMPLES) -> list[Sample]:
        """The newest samples first."""
        texts = self._client.lrange(self._keys.samples, 0, most - 1)
        return [known_part(Sample, json.loads(text)) for text in texts]

    def forget_attempts(self, now_ms: int) -> None:
        """Forget beginnings of events that no journal has for a day: no commit will do it.

        A message alone whose task failed leaves one.
        """
        attempts = self._keys.attempts
        begun = [key for key, _ in self._client.hscan_iter(attempts, count=_PAGE)]
        left = set(begun)
        for lane in names.LANES:
            for page in pages(begun, _PAGE):
                left -= self._fields(self._keys.journal(lane).body, page).keys()
        raw = self._client.hgetall(self._keys.attempts_left)
        since: dict[Any, Any] = {key: int(raw.get(key, now_ms)) for key in left}
        over = [key for key, at_ms in since.items() if now_ms - at_ms >= DAY_MS]
        pipe = self._client.pipeline()
        pipe.delete(self._keys.attempts_left)
        if over:
            pipe.hdel(attempts, *over)
        if stays := {key: at_ms for key, at_ms in since.items() if key not in over}:
            pipe.hset(self._keys.attempts_left, mapping=stays)
        pipe.execute()

    def forget_values(self) -> None:
        """Forget values of pools whose quarantine is over, a bounded number of each pool.

        The pools are those of which values were searched, in this inventory or an earlier one.
        """
        for field in self._client.hkeys(self._keys.pools):
            if field.startswith(CURSOR):
                self._scripts.run("forget_values", field.removeprefix(CURSOR), _PAGE)

    def forget_cancelled(self, now_ms: int) -> int:
        """Forget services that were cancelled 400 days ago, a bounded number; returns how many.

        One whose row may still stand on a router that is down, or of which something is scheduled,
        is checked again a day later.
        """
        tombstones = self._keys.tombstones
        before = now_ms - TOMBSTONE_MS
        due = self._client.zrangebyscore(
            tombstones, "-inf", before, start=0, num=TOMBSTONES_A_ROUND
        )
        forgotten = 0
        for service_id, stored in self._records.read(due).items():
            record = stored.record
            if record.placements or record.pending or record.schedule.pending:
                self._client.zadd(tombstones, {service_id: before + DAY_MS}, xx=True)
                continue
            values = [had.value for had in record.assigned.values()]
            forgotten += self._scripts.run("forget", service_id, stored.generation, *values)
        return forgotten
