"""The entries that a service should have, and the routers that a pass must visit for them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from worker.core.entry.devices import over, place_devices, with_devices
from worker.core.entry.entry import Entry, EntryKind
from worker.core.entry.kinds.lease import LeaseEntry
from worker.core.entry.kinds.mac_server import MacServerEntry
from worker.core.entry.kinds.ppp_secret import PppSecretEntry
from worker.core.entry.kinds.user_manager import UserManagerEntry
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import are_written
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import NO_DEVICE, OPTION_82, device_of
from worker.core.service.record import ServiceRecord, place
from worker.core.service.record_parts import OF_DEVICES, Placement, RowsAt

DEFAULT_KIND: Final[EntryKind] = LeaseEntry()
KINDS: Final[dict[str, EntryKind]] = {
    kind.name: kind
    for kind in (DEFAULT_KIND, MacServerEntry(), PppSecretEntry(), UserManagerEntry())
}
"""By the name that the inventory uses. A new kind is a module in `kinds` and a name here."""

REMOVAL: Final = 1
BULK: Final = 2
"""Priorities: activations first (0), then removals (1), then both of the bulk lane (2, 3)."""


def kind_of(policy: RouterPolicy) -> EntryKind:
    """Return the kind that a policy names; the default while `auto` is not settled by a session."""
    return KINDS.get(policy.entries, DEFAULT_KIND)


def possible_kinds(entries: str) -> list[EntryKind]:
    """Return the kinds that a router may have, the preferred ones first.

    `entries` is the name of a kind, or `auto`.
    """
    if entries in KINDS:
        return [KINDS[entries]]
    return [*(kind for kind in KINDS.values() if kind.in_auto), DEFAULT_KIND]


def wanted_entries(
    record: ServiceRecord, policies: Mapping[str, RouterPolicy]
) -> Mapping[str, Entry]:
    """Return the entries of one service by router: present where it is served, absent elsewhere.

    Without a policy for the router that the service wants, that router has no entry in the answer
    and stays as it is.
    """
    wanted = record.wanted_router
    entries = {
        router: Entry(record.service_id, None) for router in record.placements if router != wanted
    }
    for router, entry in entries.items():
        if record.placements[router].devices:
            entries[router] = replace(entry, devices=over(entry, record.placements, router))
    policy = None if wanted is None else policies.get(wanted)
    if wanted is not None and policy is not None:
        entry = kind_of(policy).wanted(record, policy)
        entry = _without_device(entry, policy, record)
        if not OF_DEVICES.isdisjoint(record.registers):
            entry = with_devices(entry, record, policy, kind_of(policy))
        entries[wanted] = _awaiting(entry, record) if record.unassigned else entry
    elif record.waits_for_address and (at := record.row_router or "") in policies:
        entries[at] = _without_address(record)
    return entries


def _without_device(entry: Entry, policy: RouterPolicy, record: ServiceRecord) -> Entry:
    """The entry of a service whose events did not name a device as this kind knows them."""
    if entry.fields is None or entry.missing or device_of(entry.fields) not in NO_DEVICE:
        return entry
    what = "MAC" if "mac-address" in entry.fields else "name to log in with"
    detail = f"its events gave no {what}, which {kind_of(policy).menu.path} needs"
    if record.device_in(OPTION_82) and isinstance(kind_of(policy), LeaseEntry):
        detail += '; its ids of option 82 count where identify_by is "option-82"'
    return replace(entry, missing=Waiting("no-device", detail))


def _awaiting(entry: Entry, record: ServiceRecord) -> Entry:
    """The entry of a service that waits for a value of a pool.

    Its row stays as it is without the right address; without the prefix the rest is written.
    """
    for kind, why in record.unassigned.items():
        if kind == "address":
            entry = replace(entry, missing=entry.missing or Waiting(why.reason, why.detail))
        else:
            entry = replace(entry, notes=(*entry.notes, (why.reason, why.detail)))
    return entry


def _without_address(record: ServiceRecord) -> Entry:
    """The entry of a service that has no address yet; Redis may have lost the one that it had.

    What stands on the router for it stays until it has one.
    """
    unassigned = record.unassigned["address"]
    why = Waiting(unassigned.reason, unassigned.detail)
    further = {n: Entry(record.service_id, None, missing=why, number=n) for n in record.devices}
    return Entry(record.service_id, None, missing=why, devices=further)


def with_rows_at(record: ServiceRecord, policies: Mapping[str, RouterPolicy]) -> ServiceRecord:
    """Return the record with the router of its row, as the inventory has it now.

    It stays as it was while the inventory lacks the service's router.
    """
    router = record.router
    policy = policies.get(router or "")
    if router is None or policy is None:
        return record
    rows_at = RowsAt(router, policy.user_manager) if policy.user_manager else None
    return record if rows_at == record.rows_at else record._replace(rows_at=rows_at)


def placed(record: ServiceRecord, policies: Mapping[str, RouterPolicy]) -> ServiceRecord:
    """Return the record with the router of its row, and that among its placements.

    It is stored before any write.
    """
    record = with_rows_at(record, policies)
    router = record.wanted_router
    if router is None:
        return record
    record = place(record, router)
    return record if OF_DEVICES.isdisjoint(record.registers) else place_devices(record, router)


def work_items_of(
    record: ServiceRecord, entries: Mapping[str, Entry], *, bulk: bool
) -> dict[str, int]:
    """Return the routers that a pass must visit, each with its priority.

    With `bulk` all changes came by the bulk lane.
    """
    work_items = {}
    for router, placement in record.placements.items():
        entry = entries.get(router)
        written = entry is not None and _is_written(entry, placement)
        gone = entry is not None and entry.is_over
        if written and not gone and not (record.pending and router == record.row_router):
            continue
        removal = gone or record.status == "suspended"
        work_items[router] = (REMOVAL if removal else 0) + (BULK if bulk else 0)
    return work_items


def in_sync(record: ServiceRecord, policies: Mapping[str, RouterPolicy]) -> bool:
    """Return whether each router was last read back with just what the service wants there."""
    record = placed(record, policies)
    entries = wanted_entries(record, policies)
    return all(
        router in entries and _is_written(entries[router], placement)
        for router, placement in record.placements.items()
    )


def _is_written(entry: Entry, placement: Placement) -> bool:
    """Whether the last read back is just what is wanted; never so while something is missing."""
    if entry.missing is not None:
        return False
    for number, device in entry.devices.items():
        at = placement.devices.get(number)
        if at is None or device.is_over or not _is_written(device, at):
            return False
    if entry.fields is None or placement.written is None:
        nothing_beside = placement.queue is None and not placement.bindings
        return entry.fields is placement.written and nothing_beside
    return (
        entry.fields == placement.written
        and entry.listed == placement.listed
        and entry.queue == placement.queue
        and are_written(entry.bindings, placement.bindings)
    )
