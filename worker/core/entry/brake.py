"""The brake: which services lose their working entry, and how many may without approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from worker.core.entry.devices import loses_device
from worker.core.entry.entry import Claim, Entry
from worker.core.policy.policy import RouterPolicy
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement

LossKind = Literal["cancelled", "suspended", "replaced"]

HELD: Final = "held-for-approval"
"""Reason of a service that is held for approval."""
HELD_MESSAGE: Final = (
    "more services than usual lose their entries; held for approval: see `leasewire brake list`"
)
"""Message of an exceeded limit."""


class Loss(NamedTuple):
    """A working entry that will go away: on which router, and what happens to the service."""

    router: str
    kind: LossKind


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """How many services may lose their entry in an hour: a number or a share, whichever is greater.

    The shares are percentages: of the services of a router, or of those that a source owns.
    """

    router_services: int = 5
    router_percent: float = 5
    source_services: int = 50
    source_percent: float = 2
    source_suspensions: int = 4


def loss_of(record: ServiceRecord, policies: Mapping[str, RouterPolicy]) -> Loss | None:
    """Return the working entry that the service loses; None: it loses none.

    An entry works when it was confirmed and suspends nobody. A move to another router is no loss:
    the row on the former router is cleaned up. An IPv6 prefix that its device could ask for is a
    part of the entry, and so is a further device: however many it loses, it is one service.
    """
    works = {
        name: _works(at, policies.get(name))
        for name, at in record.placements.items()
        if at.written is not None
    }
    if not any(works.values()):
        return None
    wanted_at, status = record.row_router, record.status
    # The router that serves the device now: the wanted one if it has a row.
    router = wanted_at if wanted_at in works else next(iter(works))
    if not works[router]:
        return None
    if status in ("cancelled", "suspended"):
        return Loss(router, "cancelled" if status == "cancelled" else "suspended")
    if router != wanted_at:
        return None
    at = record.placements[router]
    prefixes = {binding.address for binding in at.bindings if binding.is_known} - {""}
    replaced = at.written is not None and record.replaces(at.written)
    replaced = replaced or (bool(prefixes) and not prefixes <= record.prefixes)
    replaced = replaced or (bool(at.devices) and loses_device(record, at))
    return Loss(router, "replaced") if replaced else None


def _works(at: Placement, policy: RouterPolicy | None) -> bool:
    written = at.written or {}
    if at.listed or written.get("block-access") == "yes":
        return False
    if policy and policy.suspend_profile and written.get("profile") == policy.suspend_profile:
        return False
    throttle = policy.throttle if policy else ""
    rate = at.queue.rate if at.queue is not None else written.get("rate-limit")
    return not throttle or rate != throttle


class Cut(NamedTuple):
    """What a commit tells the brake about its service.

    Attributes:
        loss: None: it loses nothing, or no longer does.
        source: of the event that causes the loss; empty without one.
        new: the record before lost nothing, so the loss counts.
        stands: of a loss that is not new: the claims of the working entry. The service gives up
            the others that it does not want any more: no row has them, and who takes them does not
            need its row to go.
    """

    loss: Loss | None
    source: str = ""
    new: bool = False
    stands: frozenset[Claim] = frozenset()


def standing(at: Placement) -> frozenset[Claim]:
    """Return the claims of what was last confirmed on a router."""
    bindings = tuple(binding for binding in at.bindings if binding.address)
    rows = [device.written for device in at.devices.values()]
    own = Entry("", at.written, bindings=bindings).claims
    return own.union(*(Entry("", fields).claims for fields in rows))


def ownership_change(before: ServiceRecord, after: ServiceRecord) -> dict[str, int]:
    """Return by how many each source's services change that are not cancelled."""
    change: dict[str, int] = {}
    for record, by in ((before, -1), (after, 1)):
        if record.owner is not None and record.value("lifecycle") == "on":
            change[record.owner] = change.get(record.owner, 0) + by
    return {source: by for source, by in change.items() if by}
