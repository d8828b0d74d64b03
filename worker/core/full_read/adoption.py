"""Which static rows of a router that is in use are those of our services, and which are not.

Pure. A row is adopted by its MAC or its address, as the BSS knows them; whatever points at two
services, or at two rows, is left to a person.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from worker.core.entry.entry import Entry
from worker.core.rows.ownership import parse_tag
from worker.core.rows.rows import NO_MAC, Lease, is_host_address, scopes_meet

Sort = Literal["ours", "adopt", "foreign", "conflict"]
SORTS: Final[Mapping[Sort, str]] = {
    "ours": "ours",
    "adopt": "would adopt",
    "conflict": "conflict",
    "foreign": "foreign",
}
"""What each is called in front of people."""


class Differing(NamedTuple):
    """A field of a row that is to be adopted, and what it will be set to."""

    field: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class SortedRow:
    """One static row, and whose it is.

    Attributes:
        row: as read.
        sort: `ours` (it has our tag), `adopt` (it is the row of a service and lacks the tag),
            `conflict` (a person must decide) or `foreign` (of no service of ours).
        reason: why, in a sentence; empty where there is nothing to say.
        service_id: of `ours` and `adopt`.
        differs: of `adopt`, what a pass would change after it.
    """

    row: Lease
    sort: Sort
    reason: str = ""
    service_id: str = ""
    differs: Sequence[Differing] = ()


class KnownServices(NamedTuple):
    """The services that there are.

    Attributes:
        entries: by id, of those that this router is to hold.
        elsewhere: MAC -> a sentence about the service that has it and has no business here: it is
            on another router, or cancelled.
        ids: all ids of which something is known.
    """

    entries: Mapping[str, Entry]
    elsewhere: Mapping[str, str]
    ids: Collection[str]


def sort_rows(rows: Iterable[Lease], known: KnownServices, installation: str) -> list[SortedRow]:
    """Say of every static row whose it is, in the order of the rows.

    Args:
        rows: all leases of one read; dynamic ones are left out.
        known: the services.
        installation: ours.
    """
    sorting = _Sorting(known, installation)
    static = [row for row in rows if not row.dynamic]
    found = [sorting.first_check(row) for row in static]
    return sorting.second_check(found)


class _Sorting:
    def __init__(self, known: KnownServices, installation: str) -> None:
        self._known = known
        self._installation = installation
        self._macs: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._addresses: dict[str, str] = {}
        for service_id, entry in sorted(known.entries.items()):
            place = entry.fields if entry.fields is not None else entry.reserved
            if place is not None:
                self._macs[place["mac-address"]].append((place["server"], service_id))
                if is_host_address(place["address"]):
                    self._addresses.setdefault(place["address"], service_id)

    def first_check(self, row: Lease) -> SortedRow:
        """By what the row itself says."""
        tag = parse_tag(row.comment)
        if tag is not None and tag.installation == self._installation:
            orphan = "" if tag.service_id in self._known.ids else "no such service: an orphan"
            return SortedRow(row, "ours", orphan, tag.service_id)
        if tag is not None:
            return SortedRow(row, "foreign", f"it is of installation {tag.installation}")
        return self._untagged(row)

    def _untagged(self, row: Lease) -> SortedRow:
        by_mac = [
            service_id
            for server, service_id in self._macs.get(row.mac, ())
            if row.mac != NO_MAC and not row.radius and scopes_meet(server, row.server)
        ]
        by_address = None if row.radius else self._addresses.get(row.address)
        candidates = {*by_mac, *([by_address] if by_address else [])}
        if len(candidates) > 1:
            message = f"its MAC is that of {', '.join(sorted(by_mac))}"
            if by_address is not None and by_address not in by_mac:
                message += f", its address that of {by_address}"
            return SortedRow(row, "conflict", message)
        if candidates:
            (service_id,) = candidates
            return SortedRow(row, "adopt", "", service_id, self._differing(row, service_id))
        other = self._known.elsewhere.get(row.mac)
        if other is not None:
            return SortedRow(row, "conflict", other)
        return SortedRow(row, "foreign", "no service has its MAC or its address")

    def _differing(self, row: Lease, service_id: str) -> Sequence[Differing]:
        wanted = self._known.entries[service_id].fields or {}
        found = ((name, value, row.fields.get(name, "")) for name, value in wanted.items())
        return [Differing(*each) for each in found if each[1] != each[2]]

    def second_check(self, found: Sequence[SortedRow]) -> list[SortedRow]:
        """By what the other rows of the same service are."""
        own = {each.service_id: each.row for each in found if each.sort == "ours"}
        rivals: dict[str, list[Lease]] = defaultdict(list)
        for each in found:
            if each.sort == "adopt":
                rivals[each.service_id].append(each.row)
        return [self._settled(each, own, rivals) for each in found]

    def _settled(
        self, each: SortedRow, own: Mapping[str, Lease], rivals: Mapping[str, Sequence[Lease]]
    ) -> SortedRow:
        if each.sort != "adopt":
            return each
        service_id = each.service_id
        nobodys = replace(each, sort="conflict", service_id="", differs=())
        if service_id in own:
            return replace(nobodys, reason=f"{service_id} has a row: {own[service_id].name}")
        others = [row for row in rivals[service_id] if row is not each.row]
        on = [row for row in others if not row.disabled]
        if each.row.disabled and len(on) == 1:
            message = f"switched off; {service_id} has another: {on[0].name}"
            return replace(nobodys, sort="foreign", reason=message)
        if on or (others and each.row.disabled):
            names = "; ".join(row.name for row in on or others)
            return replace(nobodys, reason=f"{service_id} has more than one row: also {names}")
        return replace(each, reason="switched off" if each.row.disabled else "")
