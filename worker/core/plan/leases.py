"""Dynamic leases, which the router made itself: which a plan ends for a service, and when.

Those of RADIUS, and those of a device on other servers, are never touched.
"""

from collections.abc import Iterable, Mapping, Sequence

from worker.core.plan.member import Member
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import PlanDraft, Step, Waiting
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    DEVICE_FIELDS,
    Identity,
    Lease,
    device_field,
    identity_of,
    scopes_meet,
)

Claimed = dict[str, list[tuple[str, str]]]
"""Claim key -> the scopes in which it is granted, each with the service that has it."""


class LeaseEnds:
    """Ends each dynamic lease at most once, however many services need that."""

    def __init__(self, index: RowIndex, policy: RouterPolicy, draft: PlanDraft) -> None:
        self._index = index
        self._may_end = policy.on_dynamic == "remove"
        self._draft = draft
        self._ended: dict[str, Step] = {}  # by row id

    def end_with_row(
        self, member: Member, written: Mapping[str, str] | None, claimed: Claimed
    ) -> None:
        """With a service, end the lease of its device, unless the device has another row."""
        known: dict[Identity, str] = {}
        for fields in (member.row.fields if member.row is not None else None, written):
            if fields is not None:
                known[identity_of(fields)] = DEVICE_FIELDS[device_field(fields)]
        for (device, _, server), word in known.items():
            claims: Sequence[tuple[str, str]] = claimed.get(f"{word}:{device}", ())
            rows = [row for row in self._index.static_of(device, server) if row is not member.row]
            if not rows and not any(scopes_meet(scope, server) for scope, _ in claims):
                for lease in self._index.dynamic_of(device, server):
                    self._end(member, lease)

    def blocking_lease(self, member: Member) -> Waiting | None:
        """The dynamic lease that must end before the target can be written."""
        if member.identity is None:
            return None
        device, address, server = member.identity
        for lease in self._index.dynamic_at(address):
            is_foreign = lease.device != device and lease.id not in self._ended
            if is_foreign and (lease.radius or not self._may_end):
                return Waiting("dynamic-lease", f"{lease.name} holds its address until it ends")
        for lease in self._index.dynamic_of(device, server):
            if lease.address != address and not self._may_end:
                return Waiting("dynamic-lease", f"{lease.name} holds its device until it ends")
        return None

    def fitting(self, member: Member) -> Lease | None:
        """The dynamic lease that is as the target, and only needs to be made static."""
        if member.identity is None:
            return None
        device, address, server = member.identity
        leases = self._index.dynamic_of(device, server)
        return next((lease for lease in leases if lease.address == address), None)

    def end_on_addresses(self, members: Iterable[Member]) -> None:
        """End the leases on services' addresses first; a device's own if it has a row already."""
        for member in members:
            if member.identity is None:
                continue
            device, address, server = member.identity
            own_leases = set()
            if member.row is not None and self._may_end:
                own_leases = {lease.id for lease in self._index.dynamic_of(device, server)}
            for lease in self._index.dynamic_at(address):
                if lease.device != device:
                    detail = f"{lease.name} had its address"
                    self._draft.note(member.id, "address-still-used-by", detail)
                if lease.device != device or lease.id in own_leases:
                    member.before.append(self._end(member, lease))

    def end_elsewhere(self, members: Iterable[Member]) -> None:
        """Once rows are written, end their devices' other leases, so that they ask for the rows."""
        for member in members if self._may_end else ():
            if member.identity is not None:
                device, address, server = member.identity
                for lease in self._index.dynamic_of(device, server):
                    if lease.address != address:
                        self._end(member, lease, *member.settled)

    def _end(self, member: Member, lease: Lease, *needs: Step) -> Step:
        if lease.id not in self._ended:
            self._ended[lease.id] = self._draft.step(member.remove(lease), *needs)
        return self._ended[lease.id]
