"""Events change the record, in any order and any number of times.

Who calls it: `accept`. A register is written only by an event that is newer than the one that
holds it, so every permutation and duplication of the same events gives the same registers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, assert_never

from pydantic import JsonValue

from contracts import (
    Activated,
    Cancelled,
    Event,
    MacChanged,
    Resumed,
    Service,
    Snapshot,
    Suspended,
    Suspension,
)
from worker.core.record import Register, ServiceRecord
from worker.core.version import Version


class Folded(NamedTuple):
    """What folding one event did.

    Attributes:
        record: the record after it; only registers and `highest` may differ.
        wrote: registers where the event was newer. Empty for an event folded before.
        changed: those of them that hold another value now.
        overtaken: registers where it came too late, each with the id of the event that holds it.
        conflicts: registers where an event of equal rank said something else; the greater
            version holds, whichever came first.
    """

    record: ServiceRecord
    wrote: frozenset[str]
    changed: frozenset[str]
    overtaken: Mapping[str, str]
    conflicts: frozenset[str]


def fold(record: ServiceRecord, event: Event, version: Version) -> Folded:
    """Fold one event into the record of the service that it names."""
    registers = dict(record.registers)
    wrote: set[str] = set()
    changed: set[str] = set()
    overtaken: dict[str, str] = {}
    conflicts: set[str] = set()
    for name, value in writes_of(event).items():
        held = registers.get(name)
        said = Register(value, version, event.id)
        if held is None or held.version < version:
            registers[name] = said
            wrote.add(name)
            if value != record.value(name):
                changed.add(name)
        elif held.version > version:
            overtaken[name] = held.event
        else:  # one version, so one content: of two ids keep the same one, whichever came first
            registers[name] = min(held, said, key=lambda register: register.event)
        if held is not None and held.value != value and held.version.rank == version.rank:
            conflicts.add(name)
    folded = replace(record, registers=registers, highest=max(record.highest, version))
    return Folded(folded, frozenset(wrote), frozenset(changed), overtaken, frozenset(conflicts))


def writes_of(event: Event) -> dict[str, JsonValue]:
    """The registers that an event writes, with the values it gives them.

    A `service` block stands for every register but lifecycle and suspension, a field absent from
    it for its default; the event's own fields win over it.
    """
    block = event.data.service
    writes = {} if block is None else _of_block(block)
    match event:
        case Activated():
            writes |= {"lifecycle": "on", "suspension": None}
        case Snapshot(data=data):
            writes |= {"lifecycle": "on", "suspension": _of_status(data.service)}
        case MacChanged(data=data):
            writes["mac"] = str(data.mac)
        case Suspended(data=data):
            in_block = None if block is None else block.suspension
            writes["suspension"] = _of_suspension(data.suspension or in_block)
        case Resumed():
            writes["suspension"] = None
        case Cancelled():
            writes["lifecycle"] = "cancelled"
        case _:
            assert_never(event)
    if event.data.customer_id is not None:
        writes["customer_id"] = event.data.customer_id
    return writes


def _of_block(block: Service) -> dict[str, JsonValue]:
    plan, options = block.plan, block.options or ()
    return {
        "router": block.access.router,
        "dhcp_server": block.access.dhcp_server,
        "mac": str(block.device.mac),
        "serial": block.device.serial,
        "circuit_id": block.device.circuit_id,
        "remote_id": block.device.remote_id,
        "address": block.address.model_dump(mode="json"),
        "plan": None if plan is None else plan.model_dump(mode="json", exclude_none=True),
        "dns_servers": [str(server) for server in block.dns_servers or ()],
        "options": [option.model_dump(mode="json") for option in options],
        "label": block.label,
    }


def _of_status(block: Service) -> JsonValue:
    return None if block.status == "active" else _of_suspension(block.suspension)


def _of_suspension(suspension: Suspension | None) -> JsonValue:
    if suspension is None:
        return {"mode": None, "reason_code": None}
    return suspension.model_dump(mode="json")
