"""Judges devices that hold leases: unknown devices, and devices of ended services."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.alerting.alerts import AlertKind
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.observed import Observation, SeenRow, macs_of, shown_address
from worker.core.rows.rows import ANY_SERVER, BindingRow
from worker.core.service.record import ServiceRecord

KINDS_OF_WATCH: Final[tuple[AlertKind, ...]] = (
    "rogue-device",
    "ended-service-bound",
    "mac-on-two-routers",
    "ipv6-client-ambiguous",
)
NAMED: Final = 20
"""More unknown devices on one router make one alert together."""


class UnknownDevice(NamedTuple):
    """A device that needs an alert: its kind, subject and text."""

    kind: AlertKind
    subject: str
    text: str


class DynamicRow(NamedTuple):
    """What a device holds without a static row: of a DHCP server, a lease or a DHCPv6 binding."""

    mac: str
    address: str
    server: str
    noun: str = "lease"


def watched(rows: Sequence[SeenRow], policy: RouterPolicy) -> dict[str, DynamicRow]:
    """Return by MAC the bound dynamic leases of our DHCP server, except those of RADIUS."""
    return {
        row.active_mac: DynamicRow(row.active_mac, row.active_address, row.lease.server)
        for row in rows
        if row.lease.dynamic
        and not row.lease.radius
        and row.status == "bound"
        and row.active_mac
        and policy.default_server in (ANY_SERVER, row.lease.server)
    }


def watched_clients(rows: Sequence[BindingRow], policy: RouterPolicy) -> dict[str, DynamicRow]:
    """Return by MAC the bound dynamic bindings of our DHCPv6 server; those that name one MAC."""
    found = {}
    for row in rows:
        macs = macs_of(row)
        ours = policy.ipv6_server in (ANY_SERVER, row.server)
        if row.dynamic and not row.radius and row.status == "bound" and ours and len(macs) == 1:
            (mac,) = macs
            found[mac] = DynamicRow(mac, shown_address(row.address), row.server, "DHCPv6 binding")
    return found


def blocked(rows: Sequence[SeenRow], policy: RouterPolicy) -> list[tuple[str, SeenRow]]:
    """Return the blocked services whose device is bound all the same, with their rows."""
    found = []
    for row in rows:
        tag = row.lease.own_tag(policy.installation)
        is_blocked = row.lease.fields["block-access"] == "yes"
        if tag is not None and is_blocked and row.status == "bound":
            found.append((tag.service_id, row))
    return found


def judge_blocked(
    router: str, row: SeenRow, record: ServiceRecord, seen: Observation, now_ms: int
) -> UnknownDevice | None:
    """Judge a device that is bound to the blocked row of its service.

    A block does not end a lease, the router only stops answering. So the device may stay bound for
    one lease time after the service's last event.
    """
    if record.status not in ("suspended", "cancelled"):
        return None  # a pass will unblock the row
    longest_s = max(seen.lease_times_s.values(), default=0)
    lease_s = row.lease_time_s or seen.lease_times_s.get(row.lease.server, longest_s)
    if now_ms - record.last_event_ms <= lease_s * 1000:
        return None
    device = f"device {row.active_mac} is bound to {row.active_address} on router {router}"
    message = f"service {record.service_id} is {record.status} and blocked, and its {device}"
    return UnknownDevice(
        "ended-service-bound",
        f"{router} {row.active_mac}",
        f"{message} for longer than a lease of {lease_s // 60} min",
    )


def judge(
    router: str, row: DynamicRow, services: Sequence[ServiceRecord], *, active_elsewhere: bool
) -> UnknownDevice | None:
    """Judge a dynamic lease or binding.

    With `active_elsewhere` the device is active on the router of its service too.
    """
    mac = row.mac
    where = f"device {mac} has {row.address} on router {router} ({row.server})"
    if not services:
        return UnknownDevice(
            "rogue-device",
            f"{router} {mac}",
            f"{where} by a dynamic {row.noun}, but no service has it",
        )
    for record in services:
        if record.status in ("active", "incomplete"):
            if active_elsewhere and record.router != router:
                message = f"{where}, and is active on {record.router}, where service"
                return UnknownDevice(
                    "mac-on-two-routers", f"{router} {mac}", f"{message} {record.service_id} is"
                )
            return None
    record = services[0]
    message = f"service {record.service_id} is {record.status}, but its {where}"
    return UnknownDevice("ended-service-bound", f"{router} {mac}", message)


def grouped(router: str, unknown_devices: Sequence[UnknownDevice]) -> list[UnknownDevice]:
    """Merge many unknown devices of a router into one alert."""
    rogues = [device for device in unknown_devices if device.kind == "rogue-device"]
    if len(rogues) <= NAMED:
        return list(unknown_devices)
    message = f"{len(rogues)} devices on router {router} have dynamic leases but no service"
    rest = [device for device in unknown_devices if device.kind != "rogue-device"]
    return [
        UnknownDevice(
            "rogue-device", router, f"{message}: see `leasewire routers leases {router}`"
        ),
        *rest,
    ]
