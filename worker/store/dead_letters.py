"""Dead letters, and what people did with them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from worker.core.service.history import line_to_json
from worker.core.service.outcome import DeadLetter
from worker.store.scripts import StorePart

_PAGE: Final = 200


class Letters(StorePart):
    """Reads dead letters by pages, and settles one in one step."""

    def all(self) -> Iterator[DeadLetter]:
        """Every dead letter, the oldest first, without those that are settled meanwhile."""
        ids = cast("list[str]", self._client.zrange(self._keys.dead_letters_by_time, 0, -1))
        for start in range(0, len(ids), _PAGE):
            yield from self.read(ids[start : start + _PAGE])

    def times(self) -> dict[str, int]:
        """Id -> when it failed (ms), the oldest first."""
        by_time = self._keys.dead_letters_by_time
        found = cast(
            "list[tuple[str, float]]", self._client.zrange(by_time, 0, -1, withscores=True)
        )
        return {name: int(at_ms) for name, at_ms in found}

    def read(self, ids: Sequence[str]) -> list[DeadLetter]:
        """Those of the dead letters that are still there."""
        texts = cast("list[str | None]", self._client.hmget(self._keys.dead_letters, ids))
        return [DeadLetter.from_json(text) for text in texts if text]

    def settle(
        self, dead_letter: DeadLetter, what: str, by: str, at_ms: int, **more: object
    ) -> bool:
        """Settle a dead letter: remove it, and record who did what, in one step.

        Args:
            dead_letter: as it was read.
            what: `retried`, `edited`, `discarded`, or `mended` by what came after it.
            by: who.
            at_ms: Redis's time.
            more: further fields of the service's history line.

        Returns:
            False when it is gone or was replaced by a later failure, which stays.
        """
        line = {"by": by, "dead_letter": dead_letter.id, "reason": dead_letter.reason} | more
        action = {"at_ms": at_ms, "what": what} | line | {"service": dead_letter.service_id}
        notified = line_to_json(at_ms, what, line)
        return bool(
            self._scripts.run(
                "settle_dead_letter",
                *(dead_letter.id, dead_letter.to_json(), json.dumps(action)),
                *(dead_letter.service_id, notified, dead_letter.group),
            )
        )

    def gone(self) -> dict[str, int]:
        """Group (`source|reason`) -> how many dead letters were dropped for newer ones."""
        raw = cast("dict[str, str]", self._client.hgetall(self._keys.dead_letters_gone))
        return {group: int(count) for group, count in raw.items()}

    def actions(self) -> list[dict[str, Any]]:
        """The last 500 actions of people on dead letters and claims, the newest first."""
        texts = cast("list[str]", self._client.lrange(self._keys.actions, 0, -1))
        return [json.loads(text) for text in texts]
