"""Sorts the rows of a router by owner: known services, orphans, and rows that are gone."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from worker.core.plan.member import OwnRow, Wanted, find_own_row
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import Lease, Row, identity_of

ORPHANS_PERCENT: Final = 10
"""With more orphans among our tagged rows, this is not the Redis that wrote them."""
FEW: Final = 5
"""Up to so many lost rows are written again without approval: somebody removed them."""
MANY_PERCENT: Final = 10
"""With more lost rows than a few and than this share, the router was reset or replaced."""


class Tagged(NamedTuple):
    """A static row with our tag, and the service that the tag names; `member`: `Tag.member`."""

    service_id: str
    row: Row
    member: str


class RowOwners(NamedTuple):
    """The owners of the rows of one read.

    Attributes:
        orphans: those of unknown services, except rows as last written whose tag was edited.
        left: those of known services that have nothing on this router any more.
        expected: how many services have a row that was confirmed here.
        gone: those of them whose row is not there.
        of_others: services for which nothing was written here yet and whose row exists with
            another MAC or address than wanted; another server alone does not count.
    """

    tagged: Sequence[Tagged]
    orphans: Sequence[Tagged]
    left: Sequence[Tagged]
    expected: int
    gone: Sequence[str]
    of_others: Sequence[str] = ()

    @property
    def too_many_orphans(self) -> bool:
        """Whether another Redis probably wrote the rows; one row proves nothing."""
        return len(self.orphans) > 1 and (
            len(self.orphans) * 100 > len(self.tagged) * ORPHANS_PERCENT
        )

    @property
    def many_of_others(self) -> bool:
        """Whether another installation with the same id probably writes to this router."""
        return len(self.of_others) > FEW and (
            len(self.of_others) * 100 > len(self.tagged) * ORPHANS_PERCENT
        )

    @property
    def many_gone(self) -> bool:
        """Whether so many rows are gone that a rebuild needs approval."""
        return len(self.gone) > FEW and len(self.gone) * 100 > self.expected * MANY_PERCENT


def tagged_rows(rows: Iterable[Row], installation: str) -> Iterator[Tagged]:
    """Yield the static rows of any menu with our tag."""
    for row in rows:
        tag = row.own_tag(installation)
        if tag is not None:
            yield Tagged(tag.service_id, row, tag.member)


def row_owners(
    rows: Sequence[Row],
    tagged: Sequence[Tagged],
    placed: Sequence[Wanted],
    known: Collection[str],
    installation: str,
) -> RowOwners:
    """Sort the rows of one read of a router.

    `rows` are all leases, and rows of other menus that may be ours. `known` are the services with a
    record, of those that tags name.
    """
    # A row that should be removed may be gone already.
    expected = [
        service
        for service in placed
        if service.written is not None and service.entry.fields is not None
    ]
    there = {tag.member for tag in tagged if isinstance(tag.row, Lease) and not tag.row.radius}
    lost = [service for service in placed if service.written and service.entry.member not in there]
    services = {service.entry.service_id for service in placed}
    unknown = [tag for tag in tagged if tag.service_id not in known]
    found = _without_tag(lost, rows, installation, {tag.service_id for tag in unknown})
    untagged = {own.row.key for own in found.values() if own.row is not None}
    return RowOwners(
        tagged,
        [tag for tag in unknown if tag.row.key not in untagged],
        [tag for tag in tagged if tag.service_id in known and tag.service_id not in services],
        len(expected),
        sorted(
            {
                service.entry.service_id
                for service in lost
                if service.entry.fields is not None and found[service.entry.member] == OwnRow()
            }
        ),
        sorted(_of_others(tagged, placed)),
    )


def _of_others(tagged: Iterable[Tagged], placed: Iterable[Wanted]) -> set[str]:
    new = {
        service.entry.member: service.entry.fields
        for service in placed
        if service.written is None and service.entry.fields is not None and service.granted
    }
    rows = [tag for tag in tagged if isinstance(tag.row, Lease) and tag.member in new]
    return {tag.service_id for tag in rows} - {
        tag.service_id
        for tag in rows
        if isinstance(tag.row, Lease) and _serves_alike(tag.row, new[tag.member])
    }


def _serves_alike(row: Lease, wanted: Mapping[str, str]) -> bool:
    """Whether a row gives the device its address, by any DHCP server."""
    return row.identity._replace(server=wanted["server"]) == identity_of(wanted)


def _without_tag(
    lost: Sequence[Wanted], rows: Sequence[Row], installation: str, unknown: AbstractSet[str]
) -> dict[str, OwnRow]:
    """The rows of services without a tagged one: people edit comments."""
    if not lost:
        return {}
    index = RowIndex(rows, installation, unknown=unknown)
    return {service.entry.member: find_own_row(service, index) for service in lost}
