"""What the services of a batch and their further devices want on a router, for the planner."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property

from worker.core.entry.entry import Entry
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import Identity, ListPlace, identity_of
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement


@dataclass(frozen=True)
class Wanted:
    """What one service of a batch wants on the router; of a further device in a value of its own.

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

    @cached_property
    def written_identity(self) -> Identity | None:
        """What identifies its lease as last written."""
        return None if self.written is None else identity_of(self.written)


def no_more_wanted(wanted: Sequence[Wanted], further: AbstractSet[tuple[str, str]]) -> list[Wanted]:
    """Return further devices of the services of a batch that have rows and are wanted no more.

    Args:
        wanted: of the batch.
        further: services and numbers of their further devices that tags name.
    """
    batch = {service.entry.service_id for service in wanted}
    wants = {(service.entry.service_id, service.entry.number) for service in wanted}
    return [
        Wanted(Entry(service_id, None, number=number))
        for service_id, number in sorted(further - wants)
        if service_id in batch
    ]


def wanted_at(router: str, record: ServiceRecord, policy: RouterPolicy) -> Wanted:
    """What a service wants on a router, and what was written there; its claims are not checked.

    Its entry has those of its further devices.
    """
    entry = wanted_entries(record, {router: policy}).get(router)
    placement = record.placements.get(router, Placement(None))
    return Wanted(
        Entry(record.service_id, None) if entry is None else entry,
        written=placement.written,
        listed=placement.listed,
        bindings=placement.bindings,
    )


def with_further(wanted: Wanted, placement: Placement) -> list[Wanted]:
    """Return what a service wants without its further devices, and what each of these wants.

    Args:
        wanted: of the service.
        placement: of the service on the router.
    """
    if not wanted.entry.devices:
        return [wanted]
    nothing = Placement(None)
    further = [
        replace(
            wanted,
            entry=entry,
            written=placement.devices.get(number, nothing).written,
            listed=placement.devices.get(number, nothing).listed,
            bindings=(),
        )
        for number, entry in wanted.entry.devices.items()
    ]
    return [replace(wanted, entry=replace(wanted.entry, devices={})), *further]
