"""Revision conflicts that no newer event has settled yet, by source."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from worker.core.service.conflicts import Conflict
from worker.store.connection import PAGE, StorePart
from worker.store.records import unreadable_left_out

LOOKED_AT: Final = 2_000
"""Conflicts of a source that one check reads: the others follow when these are settled."""
MOST: Final = 10_000
"""Conflicts of a source that are kept."""
_COMES_MS: Final = 600_000
"""A conflict is stored before its commit: for so long a record may still come."""


class Conflicts(StorePart):
    """Keeps a hash for each source: conflict -> when it was stored."""

    def note(self, source: str, conflicts: Collection[Conflict], now_ms: int) -> None:
        """Store conflicts before their commit; those that are never committed go by themselves.

        Of a source that never counts up the first ones are enough.
        """
        room = MOST - self._client.hlen(self._keys.conflicts(source))
        noted: dict[Any, Any] = {
            found.to_json(): now_ms for found in islice(conflicts, max(room, 0))
        }
        if not noted:
            return
        pipe = self._client.pipeline()
        pipe.sadd(self._keys.conflict_sources, source)
        pipe.hset(self._keys.conflicts(source), mapping=noted)
        pipe.execute()

    def open(self, now_ms: int) -> Iterator[tuple[str, int, Sequence[Conflict]]]:
        """Of each source: its name, number of conflicts, and the first; drops settled ones."""
        sources = self._client.smembers(self._keys.conflict_sources)
        for source in sorted(sources):
            left = self._left(source, now_ms)
            count = self._client.hlen(self._keys.conflicts(source))
            if left:
                yield source, count, left

    def dismiss(self, source: str) -> bool:
        """Forget the conflicts of a source; False when there is none."""
        return bool(self._client.delete(self._keys.conflicts(source)))

    def _left(self, source: str, now_ms: int) -> list[Conflict]:
        key = self._keys.conflicts(source)
        entries = self._client.hscan_iter(key, count=PAGE)
        noted = {Conflict.from_json(text): int(at) for text, at in islice(entries, LOOKED_AT)}
        services = sorted({conflict.service_id for conflict in noted})
        texts = self._texts(self._keys.record, services)
        # Records that cannot be read here are checked by workers of the version that wrote them.
        stored = unreadable_left_out({service: texts.get(service) for service in services})
        left: list[Conflict] = []
        settled: list[Conflict] = []
        for each, at_ms in sorted(noted.items()):
            found = stored.get(each.service_id)
            gone = found and not found.generation and now_ms - at_ms > _COMES_MS
            over = gone or (found and each.is_settled(found.record))
            (settled if over else left).append(each)
        if settled:
            self._client.hdel(key, *(conflict.to_json() for conflict in settled))
        return left
