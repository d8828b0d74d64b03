"""Which routers a record concerns: where a pass must look, and whether any has to."""

from collections.abc import Mapping
from typing import Final

from worker.core.entry.entry import Entry, wanted_entries, wanted_router
from worker.core.policy.policy import RouterPolicy
from worker.core.service.record import Placement, ServiceRecord, place

REMOVAL: Final = 1
BULK: Final = 2
"""Priorities: activations first (0), then removals (1), then both of the bulk lane (2, 3)."""


def placed(record: ServiceRecord) -> ServiceRecord:
    """The record with the router that it wants among its placements, before any write there."""
    router = wanted_router(record)
    return record if router is None else place(record, router)


def work_items_of(
    record: ServiceRecord, entries: Mapping[str, Entry], *, bulk: bool
) -> dict[str, int]:
    """Where a pass must look: router -> priority.

    Args:
        record: of the service, placed.
        entries: that are wanted for it, by router.
        bulk: what changed it came by the bulk lane alone.
    """
    work_items = {}
    for router, placement in record.placements.items():
        entry = entries.get(router)
        written = entry is not None and _is_written(entry, placement)
        gone = entry is not None and entry.is_over
        if written and not gone and not (record.pending and router == record.router):
            continue
        removal = gone or record.status == "suspended"
        work_items[router] = (REMOVAL if removal else 0) + (BULK if bulk else 0)
    return work_items


def in_sync(record: ServiceRecord, policies: Mapping[str, RouterPolicy]) -> bool:
    """Whether each router was last seen to hold just what the service wants there."""
    record = placed(record)
    entries = wanted_entries(record, policies)
    return all(
        router in entries and _is_written(entries[router], placement)
        for router, placement in record.placements.items()
    )


def _is_written(entry: Entry, at: Placement) -> bool:
    """Whether what was read back last is just what is wanted; of what is hindered it is not."""
    if entry.missing is not None:
        return False
    if entry.fields is None or at.written is None:
        return entry.fields is at.written
    return entry.fields == at.written and entry.listed == at.listed
