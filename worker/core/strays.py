"""Devices that hold dynamic leases: which of them nobody knows, and which should hold none.

Who calls it: `worker/desk/watch.py`. No store and no router.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.alerts import AlertKind
from worker.core.entry import ANY_SERVER
from worker.core.observed import SeenRow
from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord

KINDS_OF_WATCH: Final[tuple[AlertKind, ...]] = (
    "rogue-device",
    "ended-service-bound",
    "mac-on-two-routers",
)
NAMED: Final = 20
"""More unknown devices on one router are one alert."""


class Stray(NamedTuple):
    """A device to be told of; kind, subject and words of the alert."""

    kind: AlertKind
    subject: str
    text: str


def watched(rows: Sequence[SeenRow], policy: RouterPolicy) -> dict[str, SeenRow]:
    """By MAC: dynamic leases that devices hold, of our DHCP server and not RADIUS's."""
    return {
        row.active_mac: row
        for row in rows
        if row.lease.dynamic
        and not row.lease.radius
        and row.status == "bound"
        and row.active_mac
        and policy.default_server in (ANY_SERVER, row.lease.server)
    }


def judge(
    router: str, row: SeenRow, services: Sequence[ServiceRecord], *, active_elsewhere: bool
) -> Stray | None:
    """What a dynamic lease means.

    Args:
        router: where it is.
        row: the lease.
        services: those with this MAC now.
        active_elsewhere: whether the device is active on the router of its service besides.
    """
    mac = row.active_mac
    where = f"device {mac} has {row.active_address} on router {router} ({row.lease.server})"
    if not services:
        return Stray(
            "rogue-device", f"{router} {mac}", f"{where} by a dynamic lease: no service has it"
        )
    for record in services:
        if record.status in ("active", "incomplete"):
            if active_elsewhere and record.router != router:
                words = f"{where}, and is active on {record.router}, where service"
                return Stray(
                    "mac-on-two-routers", f"{router} {mac}", f"{words} {record.service_id} is"
                )
            return None
    record = services[0]
    words = f"service {record.service_id} is {record.status}, and its {where} all the same"
    return Stray("ended-service-bound", f"{router} {mac}", words)


def grouped(router: str, strays: Sequence[Stray]) -> list[Stray]:
    """Many unknown devices on a router are one alert."""
    rogues = [each for each in strays if each.kind == "rogue-device"]
    if len(rogues) <= NAMED:
        return list(strays)
    words = f"{len(rogues)} devices on router {router} have dynamic leases, and no service has them"
    rest = [each for each in strays if each.kind != "rogue-device"]
    return [
        Stray("rogue-device", router, f"{words}: see `leasewire routers leases {router}`"),
        *rest,
    ]
