"""The further devices of a service: an entry for each, made by the kind as if it were a service.

They have the plan, the options and the suspension of the service, and a device and an address of
their own. They have no IPv6 and nothing of a pool of ours.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from worker.core.entry.entry import Entry, EntryKind
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import NO_DEVICE, device_field, device_of
from worker.core.service.event_ref import NEVER
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement, Register

_OWN: Final = ("mac", "serial", "circuit_id", "remote_id", "address")
_NEVER: Final = ("ppp", "ipv6", "duid", "iaid")
_NOTHING: Final = Placement(None)


def as_service(record: ServiceRecord, number: str) -> ServiceRecord:
    """Return the record as if it were of this further device alone; it may be no more."""
    given: Any = record.devices.get(number) or {}
    registers = dict(record.registers)
    for name in (*_OWN, *_NEVER):
        registers[name] = Register(given.get(name), NEVER, "")
    placements = {
        router: at.devices.get(number, _NOTHING)._replace(seen_ms=at.seen_ms)
        for router, at in record.placements.items()
    }
    return record._replace(registers=registers, placements=placements, assigned={}, unassigned={})


def macs_of(record: ServiceRecord) -> frozenset[str]:
    """Return the MACs of all devices of a service that have one."""
    devices: Any = record.devices
    macs = [record.value("mac"), *(device.get("mac") for device in devices.values())]
    return frozenset(str(mac) for mac in macs if mac)


def with_devices(
    entry: Entry, record: ServiceRecord, policy: RouterPolicy, kind: EntryKind
) -> Entry:
    """Return the entry of a service with those of its further devices on the same router.

    Where the rate is a queue of ours, they share it.
    """
    devices: dict[str, Entry] = {}
    for number in record.devices:
        made = replace(kind.wanted(as_service(record, number), policy), number=number)
        why = _not_expressible(made, kind)
        made = made if why is None else replace(made, missing=why)
        devices[number] = made
    if entry.queue is not None:
        shared = _shared(entry.queue, devices)
        entry = replace(entry, queue=shared)
        devices = {n: replace(e, queue=None, shares=e.queue and shared) for n, e in devices.items()}
    else:
        devices = {number: _with_own_rate(made) for number, made in devices.items()}
    return replace(entry, devices={**over(entry, record.placements, record.row_router), **devices})


def over(entry: Entry, placements: Mapping[str, Placement], router: str | None) -> dict[str, Entry]:
    """Return entries without rows for the further devices that may have some on a router."""
    at = placements.get(router or "", _NOTHING)
    return {number: Entry(entry.service_id, None, number=number) for number in at.devices}


def place_devices(record: ServiceRecord, router: str) -> ServiceRecord:
    """Return the record with its further devices among the placements of a router.

    It is stored before any write.
    """
    at = record.placements[router]
    new = record.devices.keys() - at.devices.keys()
    if not new:
        return record
    placed = at._replace(devices={**at.devices, **dict.fromkeys(sorted(new), _NOTHING)})
    return record._replace(placements={**record.placements, router: placed})


def loses_device(record: ServiceRecord, at: Placement) -> bool:
    """Return whether a further device with a row on a router is no more, or another one."""
    for number, placed in at.devices.items():
        written, own = placed.written, as_service(record, number)
        if written is not None and own.replaces(written):
            return True
    return False


def _not_expressible(made: Entry, kind: EntryKind) -> Waiting | None:
    fields = made.fields or made.reserved
    if fields is None or device_of(fields) not in NO_DEVICE:
        return None
    if kind.device == "name":
        detail = f"{kind.menu.path} knows no further devices of a service: make it one of its own"
        return Waiting("not-expressible", detail)
    detail = f"{kind.menu.path} knows it by its {device_field(fields)}, which no event gave"
    return Waiting("no-device", detail)


def _shared(queue: OwnQueue, devices: Mapping[str, Entry]) -> OwnQueue:
    addresses = (made.queue.address for made in devices.values() if made.queue is not None)
    return queue._replace(more=",".join(sorted(f"{address}/32" for address in addresses)))


def _with_own_rate(made: Entry) -> Entry:
    """A device whose service has no queue to share: its rate is on its row."""
    if made.queue is None:
        return made
    fields = {**(made.fields or {}), "rate-limit": made.queue.rate}
    return replace(made, queue=None, fields=fields)
