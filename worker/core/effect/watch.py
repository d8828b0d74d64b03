"""A change whose effect is awaited at one router, as it is kept until it acts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from worker.core.effect.applied_change import AppliedChange
from worker.core.effect.means import with_rate
from worker.core.effect.rungs import ChangeKind, EffectiveBy
from worker.core.effect.verdict import EffectVerdict
from worker.core.rows.radius import listed_by
from worker.core.rows.rows import DEVICE_FIELDS, ListPlace
from worker.core.service.record import ServiceRecord
from worker.core.storage_format import to_json, without_end

FIRST_MS: Final = 1_000
"""The first read is so long after the confirmation; each wait is as long as the change is old."""
FIRST_BULK_MS: Final = 15_000
"""The same for changes of the bulk lane: an import of thousands must not flood the routers."""
FORGET_MS: Final = 7 * 86_400_000
"""A device that connects after a week says nothing about this event any more."""
OF_GONE_ROW: Final = (*DEVICE_FIELDS, "address", "server", "lease-time")
"""Fields of a row that is gone that are kept."""


@dataclass(frozen=True, slots=True)
class EffectWatch:
    """A change whose effect is awaited.

    Attributes:
        events: keys of the events that it came from.
        kinds: what it is to the customer, the gravest first.
        by: when it acts, in short form (`EffectiveBy`).
        applied_ms: when it was confirmed.
        row: the fields of a row that is gone, by which its device is found; empty: the record has
            the row.
        listed: rows in address lists that must be gone.
        reported: what was reported last: a reason, with `!` after the promised time; empty: nothing
            yet.
    """

    events: tuple[str, ...]
    kinds: tuple[ChangeKind, ...]
    by: str
    applied_ms: int
    row: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[ListPlace] = frozenset()
    reported: str = ""

    def to_text(self) -> str:
        """Return it as one line; scripts read the events, its first value."""
        values: list[Any] = [
            list(self.events),
            list(self.kinds),
            self.by,
            self.applied_ms,
            dict(self.row),
            [list(place) for place in sorted(self.listed)],
            self.reported,
        ]
        return to_json(without_end(values))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        raw = json.loads(text)
        events, kinds, by, applied_ms, row, listed, reported = raw + _NOTHING[len(raw) :]
        places = frozenset(ListPlace(*place) for place in listed)
        return cls(tuple(events), tuple(kinds), by, applied_ms, row or {}, places, reported)

    def change(self, record: ServiceRecord, router: str) -> AppliedChange | None:
        """Return what must be so on a router; None: the service has no row there any more."""
        placement = record.placements.get(router)
        listed = self.listed
        if "suspended" in self.kinds and placement is not None:
            listed = placement.listed | listed_by(placement.written)
        row: Mapping[str, str] | None = self.row
        if not row:
            row = with_rate(placement.written, placement.queue) if placement else None
        if row is None:
            return None
        address = record.value("address")
        is_pool = not self.row and isinstance(address, dict) and address["mode"] == "pool"
        return AppliedChange(
            kinds=self.kinds,
            row=row,
            listed=listed,
            is_pool=is_pool,
            applied_ms=self.applied_ms,
            bindings=tuple(at for at in placement.bindings if at.address) if placement else (),
        )

    def report_of(self, verdict: EffectVerdict, now_ms: int) -> tuple[str, str, int]:
        """Return what is reported of a change that does not act: key, sentence, until when (ms).

        The key changes with the reason, and when the promised time is over.
        """
        by = EffectiveBy.from_text(self.by)
        promised_ms = by.by_ms(self.applied_ms) if by else 0
        is_late = 0 < promised_ms < now_ms
        until_ms = verdict.until_ms or (0 if is_late else promised_ms)
        detail = f"{verdict.detail}, although its lease time is over" if is_late else verdict.detail
        return f"{verdict.reason}!" if is_late else verdict.reason, detail, until_ms

    def next_ms(self, now_ms: int, until_ms: int = 0) -> int:
        """Return when to read next: the older the change, the rarer; at once after `until_ms`."""
        at_ms = now_ms + max(now_ms - self.applied_ms, FIRST_MS)
        return min(at_ms, until_ms + FIRST_MS) if until_ms > now_ms else at_ms


_NOTHING: Final[list[Any]] = [[], [], "", 0, {}, [], ""]
