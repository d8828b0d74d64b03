"""Whose rows a router holds: those of services that we know, of none, and which are gone."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from worker.core.plan.own_row import OwnRow, find_own_row
from worker.core.plan.planner import Wanted
from worker.core.rows.ownership import parse_tag
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import Lease, Row, is_same

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


class RowOwners(NamedTuple):
    """What one read of a router shows.

    Attributes:
        tagged: all rows with our tag.
        orphans: those of services of which nothing is known, but for rows of ours as last written
            whose tag somebody edited.
        left: those of services that are known, and have nothing on this router any more.
        expected: how many services have a row that was written here and read back.
        gone: those of them whose row is not there.
        of_others: services of which nothing was written here yet, and whose row is there and has
            another MAC or address than it is to have: another server alone is no other device.
    """

    tagged: Sequence[Tagged]
    orphans: Sequence[Tagged]
    left: Sequence[Tagged]
    expected: int
    gone: Sequence[str]
    of_others: Sequence[str] = ()

    @property
    def too_many_orphans(self) -> bool:
        """Whether this Redis can hardly be the one that wrote the rows; one row proves nothing."""
        return len(self.orphans) > 1 and (
            len(self.orphans) * 100 > len(self.tagged) * ORPHANS_PERCENT
        )

    @property
    def many_of_others(self) -> bool:
        """Whether another Redis, of an installation with the same id, writes to this router."""
        return len(self.of_others) > FEW and (
            len(self.of_others) * 100 > len(self.tagged) * ORPHANS_PERCENT
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


def row_owners(
    rows: Sequence[Row],
    tagged: Sequence[Tagged],
    placed: Sequence[Wanted],
    known: Collection[str],
    installation: str,
) -> RowOwners:
    """Count the rows of one read of a router.

    Args:
        rows: all leases, and rows of other menus that may be ours.
        tagged: those of them with our tag (`tagged_rows`).
        placed: the services of which a row may exist on the router.
        known: of the services that tags name, those that have a record.
        installation: ours.
    """
    # One that is to be removed may be gone already: who removed it could not say so.
    expected = [one for one in placed if one.written is not None and one.entry.fields is not None]
    there = {
        each.service_id for each in tagged if isinstance(each.row, Lease) and not each.row.radius
    }
    lost = [one for one in placed if one.written and one.entry.service_id not in there]
    services = {one.entry.service_id for one in placed}
    unknown = [each for each in tagged if each.service_id not in known]
    found = _without_tag(lost, rows, installation, {each.service_id for each in unknown})
    untagged = {own.row.key for own in found.values() if own.row is not None}
    return RowOwners(
        tagged,
        [each for each in unknown if each.row.key not in untagged],
        [each for each in tagged if each.service_id in known and each.service_id not in services],
        len(expected),
        sorted(
            one.entry.service_id
            for one in lost
            if one.entry.fields is not None and found[one.entry.service_id] == OwnRow()
        ),
        sorted(_of_others(tagged, placed)),
    )


def _of_others(tagged: Iterable[Tagged], placed: Iterable[Wanted]) -> set[str]:
    new = {
        one.entry.service_id: one.entry.fields
        for one in placed
        if one.written is None and one.entry.fields is not None and one.granted
    }
    rows = [each for each in tagged if isinstance(each.row, Lease) and each.service_id in new]
    return {each.service_id for each in rows} - {
        each.service_id
        for each in rows
        if isinstance(each.row, Lease) and _serves_alike(each.row, new[each.service_id])
    }


def _serves_alike(row: Lease, wanted: Mapping[str, str]) -> bool:
    """Whether a row gives the device its address, whichever DHCP server it names."""
    return is_same({**row.fields, "server": wanted["server"]}, wanted)


def _without_tag(
    lost: Sequence[Wanted], rows: Sequence[Row], installation: str, unknown: Collection[str]
) -> dict[str, OwnRow]:
    """What the services without a tagged row have all the same: people edit comments."""
    if not lost:
        return {}
    leases = [row for row in rows if isinstance(row, Lease)]
    index = RowIndex(leases, installation, unknown=unknown)
    return {one.entry.service_id: find_own_row(one.entry, one.written, index) for one in lost}
