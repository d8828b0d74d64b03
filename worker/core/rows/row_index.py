"""The rows of one read, found by what they hold and by whose they are.

Every list is in the order of the row ids, so that a plan does not depend on the order of the read.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from worker.core.rows.ownership import parse_tag
from worker.core.rows.rows import (
    NO_MAC,
    Identity,
    Lease,
    RowKey,
    identity_of,
    is_host_address,
    scopes_meet,
)

_Rows = dict[str, list[Lease]]


class RowIndex:
    """Rows by MAC, address, tag and identity.

    Attributes:
        tagged: static rows with a tag of our installation, by service.
        untagged: static rows with nobody's tag, by identity.

    Args:
        rows: of the read.
        installation: ours.
        duplicates: rows that are nobody's, whatever their tags say.
        unknown: services that do not exist: a tag that names one is as good as none.
    """

    def __init__(
        self,
        rows: Iterable[Lease],
        installation: str,
        duplicates: frozenset[RowKey] = frozenset(),
        unknown: Collection[str] = (),
    ) -> None:
        self.tagged: _Rows = defaultdict(list)
        self.untagged: dict[Identity, list[Lease]] = defaultdict(list)
        self._static_macs: _Rows = defaultdict(list)
        self._static_addresses: _Rows = defaultdict(list)
        self._dynamic_macs: _Rows = defaultdict(list)
        self._dynamic_addresses: _Rows = defaultdict(list)
        for row in sorted(rows, key=lambda row: (len(row.id), row.id)):
            if row.dynamic:
                self._dynamic_macs[row.mac].append(row)
                self._dynamic_addresses[row.address].append(row)
            else:
                self._add_static(row, installation, duplicates, unknown)

    def _add_static(
        self,
        row: Lease,
        installation: str,
        duplicates: frozenset[RowKey],
        unknown: Collection[str],
    ) -> None:
        mac, address = row.mac, row.address
        if mac != NO_MAC and not row.disabled:
            self._static_macs[mac].append(row)
        if is_host_address(address):
            self._static_addresses[address].append(row)
        if row.radius or (duplicates and row.key in duplicates):
            return
        tag = parse_tag(row.comment)
        ours = tag is not None and tag.installation == installation
        if tag is None or (ours and tag.service_id in unknown):
            self.untagged[identity_of(row.fields)].append(row)
        elif ours:
            self.tagged[tag.service_id].append(row)

    def holders(self, fields: Mapping[str, str]) -> Iterator[tuple[str, Lease]]:
        """The static rows beside which RouterOS refuses a row with these fields, and by which."""
        for row in self.static_of(fields["mac-address"], fields["server"]):
            yield "mac-address", row
        for row in self._static_addresses.get(fields["address"], ()):
            yield "address", row

    def static_of(self, mac: str, server: str) -> Sequence[Lease]:
        """The enabled static rows of a MAC whose server meets this one."""
        rows = self._static_macs.get(mac, ())
        return [row for row in rows if scopes_meet(row.server, server)]

    def dynamic_of(self, mac: str, server: str) -> Sequence[Lease]:
        """The dynamic rows of a MAC on a server; RADIUS's are not ours to touch and left out."""
        rows = self._dynamic_macs.get(mac, ())
        return [row for row in rows if not row.radius and scopes_meet(row.server, server)]

    def dynamic_at(self, address: str) -> Sequence[Lease]:
        """The dynamic rows that hold an address, on any server."""
        return self._dynamic_addresses.get(address, ())
