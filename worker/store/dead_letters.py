"""Dead letters, and what people did with them."""

from collections.abc import Iterator, Sequence
from typing import Final

from worker.core.service.history import line_to_json
from worker.core.service.outcome import DeadLetter
from worker.store.audit import AuditEntry
from worker.store.connection import StorePart, pages

_PAGE: Final = 200
MENDED: Final = "mended"
"""What came after it settled a dead letter, and no person."""


class Letters(StorePart):
    """Reads dead letters by pages, and settles one in one step."""

    def all(self) -> Iterator[DeadLetter]:
        """Every dead letter, the oldest first, without those that are settled meanwhile."""
        ids = self._client.zrange(self._keys.dead_letters_by_time, 0, -1)
        for page in pages(ids, _PAGE):
            yield from self.read(page)

    def times(self) -> dict[str, int]:
        """Id -> when it failed (ms), the oldest first."""
        by_time = self._keys.dead_letters_by_time
        found = self._client.zrange(by_time, 0, -1, withscores=True)
        return {name: int(at_ms) for name, at_ms in found}

    def read(self, ids: Sequence[str]) -> list[DeadLetter]:
        """Those of the dead letters that are still there."""
        return list(map(DeadLetter.from_json, self._fields(self._keys.dead_letters, ids).values()))

    def settle(
        self,
        dead_letter: DeadLetter,
        what: str,
        by: str,
        at_ms: int,
        *,
        audit: bool = True,
        **more: object,
    ) -> bool:
        """Settle a dead letter: remove it, and record who did what, in one step.

        `what`: `retried`, `edited`, `discarded`, or `MENDED` by what came after it; `audit`: False:
        the caller records it in the audit trail, as one of many; `more`: further fields of the
        service's history line; `why`, a person's words, is for the audit trail too.

        Returns:
            False when it is gone or was replaced by a later failure, which stays.
        """
        line = {"by": by, "dead_letter": dead_letter.id, "reason": dead_letter.reason} | more
        entry = ""
        if audit and what != MENDED:
            detail = audit_detail(dead_letter, more.get("why"))
            entry = AuditEntry(at_ms, by, f"dead_letter.{what}", dead_letter.id, detail).to_text()
        notified = line_to_json(at_ms, what, line)
        return bool(
            self._scripts.run(
                "settle_dead_letter",
                *(dead_letter.id, dead_letter.to_json(), entry),
                *(dead_letter.service_id, notified, dead_letter.group),
            )
        )

    def gone(self) -> dict[str, int]:
        """Group (`source|reason`) -> how many dead letters were dropped for newer ones."""
        raw = self._client.hgetall(self._keys.dead_letters_gone)
        return {group: int(count) for group, count in raw.items()}


def audit_detail(dead_letter: DeadLetter, why: object) -> str:
    """What the audit trail says of a settled dead letter: its reason, and the person's words."""
    return f"{dead_letter.reason}: {why}" if why else dead_letter.reason
