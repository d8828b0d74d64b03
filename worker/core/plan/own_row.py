"""Finds the row of a service on a router. A row that is not surely ours is never touched."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from worker.core.entry.entry import Entry, placeholder_mac
from worker.core.rows.operations import Waiting
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import NO_ADDRESS, Identity, Lease, identity_of, is_same


@dataclass(frozen=True, slots=True)
class OwnRow:
    """The row of a service, and rows that look like it.

    Attributes:
        row: its own row; None: it has none, or none that is surely its own.
        tag_lost: the row has no tag any more, but is as we last wrote it.
        duplicates: other rows with the service's tag, or without a tag and as last written: copies
            made by hand, not ours.
        late: other rows with its tag that we added ourselves and that landed late.
        waiting: why the service must wait: several rows may be its own.
    """

    row: Lease | None = None
    tag_lost: bool = False
    duplicates: tuple[Lease, ...] = ()
    late: tuple[Lease, ...] = ()
    waiting: Waiting | None = None


_NOTHING: Final = OwnRow()


def find_own_row(
    entry: Entry,
    written: Mapping[str, str] | None,
    index: RowIndex,
    sent: AbstractSet[Identity] = frozenset(),
) -> OwnRow:
    """Find the row of a service by its tag, or else by what was last written.

    Args:
        entry: what the service wants now: of several tagged rows the one that an interrupted pass
            changed, wholly or in part, may be its own.
        written: fields of the lease last written and read back; None: none.
        index: of one read.
        sent: leases that were added for it and may not have been seen (`lua/_in_flight.lua`).
    """
    tagged = index.tagged.get(entry.service_id, [])
    untagged = [] if written is None else index.untagged.get(identity_of(written), [])
    if not tagged and not untagged:
        return _NOTHING
    added = [row for row in tagged if identity_of(row.fields) in sent]
    own = _choose(tagged or untagged, entry, written) or next(iter(added), None)
    if own is not None:
        # A row like its own is a copy: RouterOS would have refused it from us.
        late = tuple(row for row in added if not is_same(row.fields, own.fields))
        others = [row for row in tagged + untagged if row is not own and row not in late]
        return OwnRow(own, tag_lost=not tagged, duplicates=tuple(others), late=late)
    names = "; ".join(row.name for row in tagged or untagged)
    detail = f"any of these rows may be the service's; remove the others: {names}"
    return OwnRow(waiting=Waiting("ambiguous-rows", detail))


def _choose(rows: Sequence[Lease], entry: Entry, written: Mapping[str, str] | None) -> Lease | None:
    if len(rows) == 1:
        return rows[0]
    as_written = [row for row in rows if written and is_same(row.fields, written)]
    # An identical copy can only exist switched off.
    candidates = as_written or [row for row in rows if _is_half_done(row, entry, written)]
    enabled = [row for row in candidates if not row.disabled] or candidates
    return enabled[0] if len(enabled) == 1 else None


def _is_half_done(row: Lease, entry: Entry, written: Mapping[str, str] | None) -> bool:
    """Whether our own writes lead from what was written to this row: a pass was interrupted."""
    if entry.fields is not None and is_same(row.fields, entry.fields):
        return True
    return (
        written is not None
        and row.server == written["server"]
        and row.mac in (written["mac-address"], placeholder_mac(entry.service_id))
        and row.address in (written["address"], NO_ADDRESS)
    )
