"""Sorts the static rows of a router that was in use before: ours, to be adopted, or foreign.

A row is adopted by its MAC (or the name of its device) or its address, as the BSS knows them. What
points at two services, or at two rows, is left to a person.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from worker.core.entry.entry import Entry
from worker.core.rows.operations import shown
from worker.core.rows.rows import (
    DEVICE_FIELDS,
    NO_DEVICE,
    BindingRow,
    Lease,
    device_field,
    device_of,
    is_host_address,
    parse_tag,
    scopes_meet,
)

Sort = Literal["ours", "adopt", "foreign", "conflict"]
SORTS: Final[Mapping[Sort, str]] = {
    "ours": "ours",
    "adopt": "would adopt",
    "conflict": "conflict",
    "foreign": "foreign",
}
"""The name of each sort for people."""


class Differing(NamedTuple):
    """A field of an adopted row that will be changed."""

    field: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class SortedRow:
    """One static row and its owner.

    Attributes:
        row: a lease or a DHCPv6 binding, as read.
        sort: `ours` (it has our tag), `adopt` (it is the row of a service and lacks the tag),
            `conflict` (a person must decide) or `foreign` (of no service of ours).
        reason: one sentence; may be empty.
        service_id: of `ours` and `adopt`.
        differs: of `adopt`, what a pass would change after it.
    """

    row: Lease | BindingRow
    sort: Sort
    reason: str = ""
    service_id: str = ""
    differs: Sequence[Differing] = ()


class KnownServices(NamedTuple):
    """The services of the installation, seen from one router.

    Attributes:
        entries: by service id, those that this router should have.
        elsewhere: device -> a sentence about its service, which does not belong here: it is on
            another router, or cancelled.
    """

    entries: Mapping[str, Entry]
    elsewhere: Mapping[str, str]
    ids: Collection[str]


def sort_rows(rows: Iterable[Lease], known: KnownServices, installation: str) -> list[SortedRow]:
    """Sort every static row, in the order of the rows.

    Dynamic rows are ignored.
    """
    sorting = _Sorting(known)
    static = [row for row in rows if not row.dynamic]
    return second_check(
        [by_tag(row, known, installation) or sorting.untagged(row) for row in static]
    )


def by_tag(row: Lease | BindingRow, known: KnownServices, installation: str) -> SortedRow | None:
    """Sort a row by its tag; None: it has none."""
    tag = parse_tag(row.comment)
    if tag is None:
        return None
    if tag.installation != installation:
        return SortedRow(row, "foreign", f"it belongs to installation {tag.installation}")
    orphan = "" if tag.service_id in known.ids else "no such service: an orphan"
    return SortedRow(row, "ours", orphan, tag.member)


def differing(row: Lease | BindingRow, wanted: Mapping[str, str]) -> Sequence[Differing]:
    """Return what a pass would change on a row."""
    found = ((name, value, row.fields.get(name, "")) for name, value in wanted.items())
    return [
        Differing(name, shown(value), shown(held)) for name, value, held in found if value != held
    ]


class _Sorting:
    def __init__(self, known: KnownServices) -> None:
        self._known = known
        self._devices: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._addresses: dict[str, str] = {}
        for service_id, entry in sorted(known.entries.items()):
            place = entry.fields if entry.fields is not None else entry.reserved
            if place is not None:
                self._devices[device_of(place)].append((place["server"], service_id))
                if is_host_address(place["address"]):
                    self._addresses.setdefault(place["address"], service_id)

    def untagged(self, row: Lease) -> SortedRow:
        """Sort a row without a tag by itself."""
        by_device = [
            service_id
            for server, service_id in self._devices.get(row.device, ())
            if row.device not in NO_DEVICE and not row.radius and scopes_meet(server, row.server)
        ]
        by_address = None if row.radius else self._addresses.get(row.address)
        candidates = {*by_device, *([by_address] if by_address else [])}
        if len(candidates) > 1:
            message = f"its {_word_for(row)} is that of {', '.join(sorted(by_device))}"
            if by_address is not None and by_address not in by_device:
                message += f", its address that of {by_address}"
            return SortedRow(row, "conflict", message)
        if candidates:
            (service_id,) = candidates
            wanted = self._known.entries[service_id].fields or {}
            return SortedRow(row, "adopt", "", service_id, differing(row, wanted))
        other = self._known.elsewhere.get(row.device)
        if other is not None:
            return SortedRow(row, "conflict", other)
        return SortedRow(row, "foreign", f"no service has its {_word_for(row)} or its address")


def _word_for(row: Lease) -> str:
    word = DEVICE_FIELDS[device_field(row.fields)]
    return "MAC" if word == "mac" else word


def second_check(found: Sequence[SortedRow]) -> list[SortedRow]:
    """Sort rows of one kind again, now that all rows of each service are known."""
    own = {row.service_id: row.row for row in found if row.sort == "ours"}
    rivals: dict[str, list[Lease | BindingRow]] = defaultdict(list)
    for row in found:
        if row.sort == "adopt":
            rivals[row.service_id].append(row.row)
    return [_settled(row, own, rivals) for row in found]


def _settled(
    found: SortedRow,
    own: Mapping[str, Lease | BindingRow],
    rivals: Mapping[str, Sequence[Lease | BindingRow]],
) -> SortedRow:
    if found.sort != "adopt":
        return found
    service_id = found.service_id
    conflict = replace(found, sort="conflict", service_id="", differs=())
    if service_id in own:
        return replace(conflict, reason=f"{service_id} has a row: {own[service_id].name}")
    others = [row for row in rivals[service_id] if row is not found.row]
    enabled = [row for row in others if not row.disabled]
    if found.row.disabled and len(enabled) == 1:
        message = f"disabled; {service_id} has another row: {enabled[0].name}"
        return replace(conflict, sort="foreign", reason=message)
    if enabled or (others and found.row.disabled):
        names = "; ".join(row.name for row in enabled or others)
        return replace(conflict, reason=f"{service_id} has more than one row: also {names}")
    return replace(found, reason="disabled" if found.row.disabled else "")
