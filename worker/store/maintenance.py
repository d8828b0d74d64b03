"""The store's upkeep: what no key's own time limit does.

Cancelled services are forgotten when their time is over, and the memory used is noted, so that
`leasewire status` can show how many days are left.
"""

import json
from typing import Any, Final

from contracts import names
from worker.store.canaries import EVERY_MS as CANARIES_MS
from worker.store.connection import PAGE, StorePart, pages
from worker.store.feed import Feed
from worker.store.journal import WORK_MS
from worker.store.pools import CURSOR
from worker.store.records import decode_stored
from worker.store.samples import Samples
from worker.store.schedule import RELEASE_MS

DAY_MS: Final = 86_400_000
TOMBSTONE_MS: Final = 400 * DAY_MS
"""A late event of a cancelled service must find its record, or it would be a ghost."""
TOMBSTONES_A_ROUND: Final = 50
_ROUND_MS: Final = 60_000
"""Longest life of flags that limit a task to once a minute or to one worker."""


class StoreMaintenance(StorePart):
    """One round a minute, by any worker."""

    def run(self) -> bool:
        """Run a round; False when a worker did one within the last minute."""
        if not self._client.set(self._keys.maintenance, "1", nx=True, px=_ROUND_MS):
            return False
        now_ms, parts = self.now_ms(), (self._client, self._scripts, self._keys)
        samples = Samples(*parts)
        samples.note_memory(now_ms)
        samples.note_minute(now_ms)
        self.forget_cancelled(now_ms)
        self._client.zremrangebyscore(self._keys.calendar("ended"), "-inf", now_ms)
        self.forget_attempts(now_ms)
        self.forget_values()
        Feed(*parts).trim(now_ms)
        return True

    def set_back(self, from_ms: int, lock_ms: int) -> bool:
        """Redis's clock was set back: correct all times as if none had passed since the last sweep.

        `from_ms`: what the clock showed then, as the sweep found it; `lock_ms`: the time of a lock.
        False: another worker did it.
        """
        order = {
            "last": from_ms,
            "lock_ms": lock_ms,
            "release_ms": RELEASE_MS,
            "canaries_ms": CANARIES_MS,
            "flag_ms": _ROUND_MS,
            # for so long taken events belong to a worker
            "lanes": [[lane, names.NOTIFIED_LIFETIME_MS, WORK_MS] for lane in names.LANES],
        }
        return bool(self._scripts.run("set_back", json.dumps(order)))

    def forget_attempts(self, now_ms: int) -> None:
        """Forget beginnings of events that no journal has for a day: no commit will do it.

        A message alone whose task failed leaves one.
        """
        attempts = self._keys.attempts
        begun = [key for key, _ in self._client.hscan_iter(attempts, count=PAGE)]
        left = set(begun)
        for lane in names.LANES:
            for page in pages(begun):
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
                self._scripts.run("forget_values", field.removeprefix(CURSOR), PAGE)

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
        forgotten, texts = 0, self._texts(self._keys.record, due)
        for service_id in due:
            generation, record = decode_stored(service_id, texts.get(service_id))
            if record.placements or record.pending or record.schedule.pending:
                self._client.zadd(tombstones, {service_id: before + DAY_MS}, xx=True)
                continue
            values = [had.value for had in record.assigned.values()]
            forgotten += self._scripts.run("forget", service_id, generation, *values)
        return forgotten
