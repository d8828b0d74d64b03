"""What a router must hold by the fold of all events, and what no two rows may hold."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from ipaddress import IPv6Network
from itertools import combinations, pairwise
from typing import Any

from contracts.parse import parse_event
from tests import builders
from tests.installation import INSTALLATION
from worker.core.entry.entry import Entry, EntryKind
from worker.core.entry.wanted import DEFAULT_KIND, wanted_entries, with_rows_at
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.rows import (
    NO_DEVICE,
    Lease,
    is_host_address,
    scopes_meet,
    tag_text,
)
from worker.core.service.fold import fold
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Assigned


def expected_entries(
    events: Sequence[Mapping[str, Any]],
    policies: Mapping[str, RouterPolicy],
    orders: Mapping[str, str],
    assigned: Callable[[Collection[str]], Mapping[str, Mapping[Any, Assigned]]] = lambda _: {},
) -> dict[str, dict[str, Entry]]:
    """Router -> service -> what the fold of all events asks for; what is over is left out.

    Args:
        events: in any order.
        policies: by router.
        orders: how each source orders its events.
        assigned: gives what services have from pools.
    """
    records: dict[str, ServiceRecord] = {}
    for raw in events:
        event = parse_event(raw)
        service = event.data.service_id
        version = builders.version_of(raw, order=orders[raw["source"]])
        before = records.get(service, ServiceRecord(service))
        records[service] = fold(before, event, version).record
    entries: dict[str, dict[str, Entry]] = {router: {} for router in policies}
    given = assigned(sorted(records))
    for service, folded in records.items():
        record = with_rows_at(folded._replace(assigned=given.get(service, {})), policies)
        for router, entry in wanted_entries(record, policies).items():
            if not entry.is_over:
                entries[router][service] = entry
    return entries


def row_of(entry: Entry | None, kind: EntryKind = DEFAULT_KIND) -> dict[str, str] | None:
    """An entry as `own_rows` shows it."""
    if entry is None or entry.fields is None:
        return None
    comment = tag_text(INSTALLATION, entry.service_id)
    fields = {**kind.as_lease(kind.menu.defaults), **entry.fields}
    return {**fields, "comment": comment, "disabled": "false"}


def places_of(entry: Entry | None) -> list[tuple[str, str, str]]:
    """Rows of lists as `own_lists` shows them."""
    return sorted((*place, "false") for place in (entry.listed if entry else ()))


def held_twice(rows: Mapping[str, Lease | Mapping[str, str]]) -> list[str]:
    """Devices and addresses that two static entries of a router hold; a pool is no address."""
    static = [row for row in rows.values() if isinstance(row, Lease) and not row.dynamic]
    places = Counter(row.address for row in static if is_host_address(row.address))
    by_device: dict[str, list[str]] = {}
    for row in static:
        if not row.disabled:
            by_device.setdefault(row.device, []).append(row.server)
    return [
        *(f"two rows with the address {address}" for address, times in places.items() if times > 1),
        *(
            f"two rows of the device {device}"
            for device, servers in by_device.items()
            if device not in NO_DEVICE
            and any(scopes_meet(*pair) for pair in combinations(servers, 2))
        ),
        *_prefixes_held_twice(row for row in rows.values() if not isinstance(row, Lease)),
    ]


def _prefixes_held_twice(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Static bindings whose prefixes overlap. Sorted, an overlap is one of neighbours."""
    prefixes = sorted(
        IPv6Network(row["address"])
        for row in rows
        if row.get("dynamic") != "true" and row.get("disabled") != "true"
    )
    return [f"two bindings with {a} and {b}" for a, b in pairwise(prefixes) if a.overlaps(b)]
