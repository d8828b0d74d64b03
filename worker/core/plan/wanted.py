"""What a service of a batch wants on a router, as the planner takes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.core.entry.entry import Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import Identity, ListPlace
from worker.core.service.record import Placement, ServiceRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one service of a batch wants on the router.

    Attributes:
        entry: what the router must hold for it.
        written: fields of its lease last written there and read back; None: none yet.
        listed: the rows of address lists that may be its own.
        granted: whether it holds all its claims; if not, nothing is written towards its entry.
        refused_because: which services hold them; shown for a service that is not granted.
        sent: leases that were added for it, of which one may have landed late.
        bindings: its IPv6 bindings as last written, or noted before that.
    """

    entry: Entry
    written: Mapping[str, str] | None = None
    granted: bool = True
    refused_because: Waiting | None = None
    listed: frozenset[ListPlace] = frozenset()
    sent: frozenset[Identity] = frozenset()
    bindings: tuple[OwnBinding, ...] = ()


def wanted_at(router: str, record: ServiceRecord, policy: RouterPolicy) -> Wanted:
    """What a service wants on a router, and what was written there; its claims are not checked."""
    entry = wanted_entries(record, {router: policy}).get(router)
    placement = record.placements.get(router, Placement(None))
    return Wanted(
        Entry(record.service_id, None) if entry is None else entry,
        written=placement.written,
        listed=placement.listed,
        bindings=placement.bindings,
    )
