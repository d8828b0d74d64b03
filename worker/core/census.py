"""Whose rows a router holds: those of services that we know, of none, and which are gone.

Who calls it: `full_read` for reports, `first_contact` before anything is written to a router that
may not be what it was.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from worker.core.entry import wanted_entries
from worker.core.own_row import find_own_row
from worker.core.ownership import parse_tag
from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord
from worker.core.row_index import RowIndex
from worker.core.rows import Lease, Row

ORPHANS_PERCENT: Final = 10
"""More of our tagged rows without a record, and this is not the Redis that wrote them."""
FEW: Final = 5
"""So many rows may be gone, and are written again by themselves: somebody removed them."""
MANY_PERCENT: Final = 10
"""More than a few and than this share of our rows gone: the router was reset, or is another."""


class Tagged(NamedTuple):
    """A static row with our installation's tag, and the service that the tag names."""

    service_id: str
    row: Row


class Census(NamedTuple):
    """What one read of a router shows.

    Attributes:
        tagged: all rows with our tag.
        orphans: those of services of which nothing is known.
        left: those of services that are known, and have nothing on this router any more.
        expected: how many services have a row that was written here and read back.
        gone: those of them whose row is not there.
    """

    tagged: Sequence[Tagged]
    orphans: Sequence[Tagged]
    left: Sequence[Tagged]
    expected: int
    gone: Sequence[str]

    @property
    def too_many_orphans(self) -> bool:
        """Whether this Redis can hardly be the one that wrote the rows; one row proves nothing."""
        return len(self.orphans) > 1 and (
            len(self.orphans) * 100 > len(self.tagged) * ORPHANS_PERCENT
        )

    @property
    def many_gone(self) -> bool:
        """Whether so many rows are gone that a person is to say that they be written again."""
        return len(self.gone) > FEW and len(self.gone) * 100 > self.expected * MANY_PERCENT


def tagged_rows(rows: Iterable[Row], installation: str) -> Iterator[Tagged]:
    """The static rows of any menu with our tag."""
    for row in rows:
        tag = None if row.dynamic else parse_tag(row.comment)
        if tag is not None and tag.installation == installation:
            yield Tagged(tag.service_id, row)


def census(
    rows: Sequence[Row],
    placed: Mapping[str, ServiceRecord],
    known: Collection[str],
    router: str,
    policy: RouterPolicy,
) -> Census:
    """Count the rows of one read of a router.

    Args:
        rows: all leases, and rows of other menus that may be ours.
        placed: by id, the services of which a row may exist on the router.
        known: of the services that tags name, those that have a record.
        router: its name.
        policy: of the router, as held in the session's menu.
    """
    tagged = list(tagged_rows(rows, policy.installation))
    index = RowIndex([row for row in rows if isinstance(row, Lease)], policy.installation)
    expected, gone = 0, []
    for service_id, record in sorted(placed.items()):
        at = record.placements.get(router)
        entry = wanted_entries(record, {router: policy}).get(router)
        # One that is to be removed may be gone already: who removed it could not say so.
        if at is None or at.written is None or entry is None or entry.fields is None:
            continue
        expected += 1
        own = find_own_row(entry, at.written, index)
        if own.row is None and own.waiting is None:
            gone.append(service_id)
    return Census(
        tagged,
        [each for each in tagged if each.service_id not in known],
        [each for each in tagged if each.service_id in known and each.service_id not in placed],
        expected,
        gone,
    )
