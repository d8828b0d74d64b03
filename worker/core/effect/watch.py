"""A change whose effect is awaited at one router, as it is kept until it acts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from worker.core.effect.applied_change import AppliedChange, EffectVerdict
from worker.core.effect.means import with_rate
from worker.core.effect.rungs import ChangeKind, EffectiveBy
from worker.core.entry.devices import as_service
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


class DeviceChange(NamedTuple):
    """What the change is at a further device of the service; its fields are as of `EffectWatch`."""

    kinds: tuple[ChangeKind, ...]
    row: Mapping[str, str]
    listed: frozenset[ListPlace]


@dataclass(frozen=True, slots=True)
class EffectWatch:
    """A change whose effect is awaited; with further devices, at each that it is about.

    Attributes:
        events: keys of the events that it came from.
        kinds: what it is to the customer, the gravest first; empty: it is about further devices.
        by: when it acts, in short form (`EffectiveBy`).
        row: the fields of a row that is gone, by which its device is found; empty: the record has
            the row.
        listed: rows in address lists that must be gone.
        reported: what was reported last: a reason, with `!` after the promised time; empty: nothing
            yet.
        devices: the further devices that it is about, by number.
    """

    events: tuple[str, ...]
    kinds: tuple[ChangeKind, ...]
    by: str
    applied_ms: int
    row: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[ListPlace] = frozenset()
    reported: str = ""
    devices: Mapping[str, DeviceChange] = field(default_factory=dict)

    def to_text(self) -> str:
        """Return it as one line; scripts read the events, its first value."""
        values: list[Any] = [
            list(self.events),
            list(self.kinds),
            self.by,
            self.applied_ms,
            dict(self.row),
            _places(self.listed),
            self.reported,
            {n: [at.kinds, dict(at.row), _places(at.listed)] for n, at in self.devices.items()},
        ]
        return to_json(without_end(values))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote."""
        raw = json.loads(text)
        events, kinds, by, applied_ms, row, listed, reported, devices = raw + _NOTHING[len(raw) :]
        return cls(
            tuple(events),
            tuple(kinds),
            by,
            applied_ms,
            row or {},
            _placed(listed),
            reported,
            {
                n: DeviceChange(tuple(k), r, _placed(at))
                for n, (k, r, at) in (devices or {}).items()
            },
        )

    def changes(self, record: ServiceRecord, router: str) -> list[AppliedChange]:
        """Return what must be so on a router, device by device; none: no row is there any more."""
        all_devices = {"": DeviceChange(self.kinds, self.row, self.listed), **self.devices}
        found = (
            self._change(number, at, as_service(record, number) if number else record, router)
            for number, at in all_devices.items()
            if at.kinds
        )
        return [change for change in found if change is not None]

    def _change(
        self, number: str, at: DeviceChange, record: ServiceRecord, router: str
    ) -> AppliedChange | None:
        placement = record.placements.get(router)
        listed = at.listed
        if "suspended" in at.kinds and placement is not None:
            listed = placement.listed | listed_by(placement.written)
        row: Mapping[str, str] | None = at.row
        if not row:
            row = with_rate(placement.written, placement.queue) if placement else None
        if row is None:
            return None
        return AppliedChange(
            kinds=at.kinds,
            row=row,
            listed=listed,
            is_pool=not at.row and record.has_pool,
            applied_ms=self.applied_ms,
            bindings=tuple(b for b in placement.bindings if b.address) if placement else (),
            number=number,
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


def _places(places: Iterable[ListPlace]) -> list[list[str]]:
    return [list(place) for place in sorted(places)]


def _placed(places: Iterable[Sequence[str]]) -> frozenset[ListPlace]:
    return frozenset(ListPlace(*place) for place in places)


_NOTHING: Final[list[Any]] = [[], [], "", 0, {}, [], "", {}]
