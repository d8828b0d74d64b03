"""How much of each pool of ours was used in the last weeks."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from worker.core.storage_format import known_part
from worker.store.connection import StorePart
from worker.store.pools import PoolUsage

EVERY_MS: Final = 3_600_000
SAMPLES: Final = 840
"""Five weeks of hours."""
_KEPT_MS: Final = 40 * 86_400_000
"""Of a pool that left the inventory."""


class PoolSample(NamedTuple):
    """A pool at a moment (ms): values that services have, values in quarantine, and who waits."""

    at_ms: int
    given: int
    quarantine: int
    waiting: int


class PoolSamples(StorePart):
    """Keeps a bounded row an hour of each pool."""

    def note(self, usage: Mapping[str, PoolUsage], now_ms: int) -> None:
        """Note how the pools are, each whose last sample is an hour old."""
        newest = self.read(list(usage), 1)
        pipe = self._client.pipeline(transaction=False)
        for name, use in usage.items():
            if newest[name] and now_ms - newest[name][0].at_ms < EVERY_MS:
                continue
            sample = PoolSample(now_ms, use.given, use.quarantine, use.waiting)
            key = self._keys.pool_samples(name)
            pipe.lpush(key, json.dumps(sample))
            pipe.ltrim(key, 0, SAMPLES - 1)
            pipe.pexpire(key, _KEPT_MS)
        pipe.execute()

    def read(self, pools: list[str], most: int = SAMPLES) -> dict[str, list[PoolSample]]:
        """The newest samples of each pool, the newest first; with one round trip."""
        pipe = self._client.pipeline(transaction=False)
        for name in pools:
            pipe.lrange(self._keys.pool_samples(name), 0, most - 1)
        rows = cast("list[list[str]]", pipe.execute())
        return {
            name: [known_part(PoolSample, json.loads(text)) for text in texts]
            for name, texts in zip(pools, rows, strict=True)
        }
