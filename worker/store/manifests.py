"""Parts of manifests that are not complete yet."""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.storage_format import known_part
from worker.store.connection import StorePart

TIME_LIMIT_MS: Final = 3_600_000
"""For so long the parts of one manifest may come."""
_KEPT_S: Final = 3 * 3600


class StoredPart(NamedTuple):
    """A part of a manifest: its event's key and id, and the services that it lists."""

    key: str
    event_id: str
    services: Sequence[str]


class StoredManifests(StorePart):
    """Keeps parts; each call may be repeated."""

    def keep(self, name: str, number: int, part: StoredPart, now_ms: int) -> dict[int, StoredPart]:
        """Keep a part of a manifest; returns all parts that came, by number."""
        key = self._keys.manifest(name)
        pipe = self._client.pipeline()
        pipe.hset(key, str(number), json.dumps(part))
        pipe.expire(key, _KEPT_S)
        pipe.zadd(self._keys.manifests, {name: now_ms + TIME_LIMIT_MS}, nx=True)
        pipe.hgetall(key)
        found: dict[str, str] = pipe.execute()[-1]
        return {
            int(number): known_part(StoredPart, json.loads(text)) for number, text in found.items()
        }

    def forget(self, name: str) -> None:
        """Forget a manifest."""
        pipe = self._client.pipeline()
        pipe.delete(self._keys.manifest(name))
        pipe.zrem(self._keys.manifests, name)
        pipe.execute()

    def overdue(self, now_ms: int) -> dict[str, list[StoredPart]]:
        """Manifests of which parts did not come in time, with the parts that did."""
        found: dict[str, list[StoredPart]] = {}
        for name in self._client.zrangebyscore(
            self._keys.manifests, "-inf", now_ms, start=0, num=10
        ):
            texts = self._client.hvals(self._keys.manifest(name))
            found[name] = [known_part(StoredPart, json.loads(text)) for text in texts]
        return found
