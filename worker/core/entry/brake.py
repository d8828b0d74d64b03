"""The brake: which services lose their working entry, and how many may before a person is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from worker.core.entry.entry import address_field
from worker.core.policy.policy import RouterPolicy
from worker.core.service.record import Placement, ServiceRecord

LossKind = Literal["cancelled", "suspended", "replaced"]

HELD: Final = "held-by-brake"
"""The reason for which a held service waits."""
HELD_MESSAGE: Final = (
    "more services than usual lose their entries; held until a person decides: "
    "see `leasewire brake list`"
)
"""What people are told of a limit that was passed."""


class Loss(NamedTuple):
    """A working entry that is to go away: on which router, and what becomes of the service."""

    router: str
    kind: LossKind


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """How many services may lose their entry in an hour: a number or a share, whichever is more.

    Attributes:
        router_services: of one router.
        router_percent: of its services.
        source_services: by events of one source.
        source_percent: of the services that the source owns.
        source_suspensions: so many suspensions count for a source as one other loss.
    """

    router_services: int = 5
    router_percent: float = 5
    source_services: int = 50
    source_percent: float = 2
    source_suspensions: int = 4


def loss_of(record: ServiceRecord, policies: Mapping[str, RouterPolicy]) -> Loss | None:
    """Which working entry the router holds that is no longer wanted; None: none.

    An entry works when it was written and read back and suspends nobody. Moving away takes none:
    what is left on the former router is cleaned.

    Args:
        record: of the service.
        policies: router -> policy.
    """
    found = _working(record, policies)
    if found is None:
        return None
    router, written = found
    status = record.status
    if status in ("cancelled", "suspended"):
        return Loss(router, "cancelled" if status == "cancelled" else "suspended")
    wants = {
        "mac-address": record.value("mac"),
        "address": address_field(record.value("address")),
    }
    replaced = any(written[name] != value for name, value in wants.items())
    return Loss(router, "replaced") if record.router == router and replaced else None


def _working(
    record: ServiceRecord, policies: Mapping[str, RouterPolicy]
) -> tuple[str, Mapping[str, str]] | None:
    """The router that serves the device now, and the row there; the one wanted before others."""
    for router in sorted(record.placements, key=lambda name: name != record.router):
        at = record.placements[router]
        if at.written is not None:
            return (router, at.written) if _works(at, policies.get(router)) else None
    return None


def _works(at: Placement, policy: RouterPolicy | None) -> bool:
    if at.written is None or at.listed or at.written.get("block-access") == "yes":
        return False
    throttle = policy.throttle if policy else ""
    return not throttle or at.written.get("rate-limit") != throttle


class Cut(NamedTuple):
    """What a commit says to the brake.

    Attributes:
        loss: of its service; None: it loses nothing, or no longer.
        source: of the event that said so; empty without a loss.
        new: the record before lost nothing, so it counts.
    """

    loss: Loss | None
    source: str = ""
    new: bool = False


def ownership_change(before: ServiceRecord, after: ServiceRecord) -> dict[str, int]:
    """By how many the services change that each source owns and that are not cancelled."""
    change: dict[str, int] = {}
    for record, by in ((before, -1), (after, 1)):
        if record.owner is not None and record.value("lifecycle") == "on":
            change[record.owner] = change.get(record.owner, 0) + by
    return {source: by for source, by in change.items() if by}
