"""The registers that an event writes.

One case per type of event: a new type is added here.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple, assert_never

from pydantic import JsonValue

from contracts.events import (
    Activated,
    AddressChanged,
    Cancelled,
    DeviceAdded,
    DeviceRemoved,
    DeviceSwapped,
    DnsChanged,
    Event,
    MacChanged,
    Moved,
    OptionsChanged,
    PlanChanged,
    PppChanged,
    Resumed,
    ScheduleWithdrawn,
    Snapshot,
    Suspended,
)
from contracts.service import (
    Access,
    AssignedAddress,
    AssignedPrefix,
    Device,
    FurtherDevice,
    Ipv6,
    Plan,
    PoolAddress,
    Ppp,
    Service,
    StaticAddress,
    StaticPrefix,
    Suspension,
)
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import DEFAULTS, DEVICE_REGISTERS, OF_DEVICES

UNMANAGEABLE: Final = frozenset({*DEFAULTS, "devices"}) - OF_DEVICES - {"lifecycle", "customer_id"}
"""The registers that a source may leave to others: those of a `service` block. `devices` are all
further devices."""


_CLIENT_UNKNOWN: Final[Mapping[str, JsonValue]] = {"duid": None, "iaid": None}
"""Of a device that replaces another: what was stated of the former one's DHCPv6 client goes."""
OF_CLIENT: Final = frozenset(_CLIENT_UNKNOWN)
"""The registers of a service's DHCPv6 client."""
_NO_IPV6: Final[Mapping[str, JsonValue]] = {"ipv6": None, **_CLIENT_UNKNOWN}


class Writes(NamedTuple):
    """The registers that an event writes, with the values it gives them.

    Attributes:
        own: what the event is about; of `activated` and `snapshot` every register.
        beside: what it only mentions: its `service` block without `own`, and the customer.
    """

    own: Mapping[str, JsonValue]
    beside: Mapping[str, JsonValue]

    @property
    def together(self) -> dict[str, JsonValue]:
        """All of them."""
        return {**self.beside, **self.own}


def writes_of(event: Event, unmanaged: frozenset[str] = frozenset()) -> Writes:
    """The registers that an event writes.

    A `service` block sets every register but lifecycle and suspension, a field absent from
    it for its default; the event's own fields win over it.

    `unmanaged` are registers that the event's source does not know: its blocks do not write them.
    """
    if isinstance(event, ScheduleWithdrawn):
        return Writes({}, {})
    block = event.data.service
    state = {} if block is None else _managed(_of_block(block), unmanaged)
    own = _own_writes(event, state)
    if unmanaged and isinstance(event, Activated | Snapshot):
        own = _managed(own, unmanaged)
    beside = {name: value for name, value in state.items() if name not in own}
    if event.data.customer_id is not None:
        beside["customer_id"] = event.data.customer_id
    return Writes(own, beside)


def _own_writes(  # noqa: C901, PLR0911, PLR0912 - one case a type of event
    event: Event, state: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    match event:
        case Activated():
            return {**state, "lifecycle": "on", "suspension": None}
        case Snapshot(data=data):
            return {**state, "lifecycle": "on", "suspension": _of_status(data.service)}
        case MacChanged(data=data):
            return {"mac": str(data.mac), **_CLIENT_UNKNOWN}
        case DeviceSwapped(data=data):
            client = _CLIENT_UNKNOWN if data.ipv6 is None else _of_ipv6(data.ipv6)
            return {**_of_device(data.device), **client}
        case DeviceAdded(data=data):
            return {DEVICE_REGISTERS[str(data.device.number)]: _of_further(data.device)}
        case DeviceRemoved(data=data):
            return {DEVICE_REGISTERS[str(data.number)]: None}
        case AddressChanged(data=data):
            return _of_addresses(data.address, data.ipv6)
        case DnsChanged(data=data):
            return {"dns_servers": [str(server) for server in data.dns_servers]}
        case OptionsChanged(data=data):
            return {"options": [option.model_dump(mode="json") for option in data.options]}
        case PlanChanged(data=data):
            return {"plan": _of_plan(data.plan)}
        case PppChanged(data=data):
            return {"ppp": _of_ppp(data.ppp)}
        case Moved(data=data):
            return _of_access(data.access) | _of_addresses(data.address, data.ipv6)
        case Suspended(data=data):
            in_block = None if data.service is None else data.service.suspension
            return {"suspension": _of_suspension(data.suspension or in_block)}
        case Resumed():
            return {"suspension": None}
        case Cancelled():
            return {"lifecycle": "cancelled"}
        case ScheduleWithdrawn():
            return {}
        case _:
            assert_never(event)


def changes_nothing(
    record: ServiceRecord, event: Event, unmanaged: frozenset[str] = frozenset()
) -> bool:
    """Return whether all registers already have the values that an event writes."""
    writes = writes_of(event, unmanaged).together
    return bool(writes) and all(record.value(name) == value for name, value in writes.items())


def differing(record: ServiceRecord, event: Event) -> frozenset[str]:
    """Return the registers whose value is not the previous one that the event names."""
    return frozenset(
        name
        for name, previous in _previous(event).items()
        if name in record.registers and not _agrees(record.value(name), previous)
    )


def _previous(event: Event) -> dict[str, JsonValue]:
    previous: dict[str, JsonValue] = {}
    match event:
        case MacChanged(data=data):
            previous = {"mac": data.previous_mac}
        case DeviceSwapped(data=data) if data.previous_device is not None:
            previous = _of_device(data.previous_device)
        case AddressChanged(data=data) if data.previous_address is not None:
            previous = {"address": _of_address(data.previous_address)}
        case PlanChanged(data=data) if data.previous_plan_code is not None:
            previous = {"plan": {"code": data.previous_plan_code}}
        case Moved(data=data) if data.previous_access is not None:
            previous = _of_access(data.previous_access)
    return {name: value for name, value in previous.items() if value is not None}


def _agrees(held: JsonValue, named: JsonValue) -> bool:
    """Whether a value equals the named one, as far as that is given."""
    if isinstance(held, dict) and isinstance(named, dict):
        return all(held.get(name) == value for name, value in named.items())
    return held == named


def _managed(writes: dict[str, JsonValue], unmanaged: frozenset[str]) -> dict[str, JsonValue]:
    if not unmanaged:
        return writes
    return {name: value for name, value in writes.items() if name not in unmanaged}


def _of_block(block: Service) -> dict[str, JsonValue]:
    return {
        **_of_access(block.access),
        **(_NO_DEVICE if block.device is None else _of_device(block.device)),
        "ppp": None if block.ppp is None else _of_ppp(block.ppp),
        "address": _of_address(block.address),
        **(_NO_IPV6 if block.ipv6 is None else _of_ipv6(block.ipv6)),
        "plan": None if block.plan is None else _of_plan(block.plan),
        "dns_servers": [str(server) for server in block.dns_servers or ()],
        "options": [option.model_dump(mode="json") for option in block.options or ()],
        "label": block.label,
        "devices": [
            _of_further(device) for device in sorted(block.devices or (), key=attrgetter("number"))
        ],
    }


def _of_access(access: Access) -> dict[str, JsonValue]:
    return {"router": access.router, "dhcp_server": access.dhcp_server}


def _of_device(device: Device) -> dict[str, JsonValue]:
    return {
        "mac": None if device.mac is None else str(device.mac),
        "serial": device.serial,
        "circuit_id": device.circuit_id,
        "remote_id": device.remote_id,
    }


def _of_further(device: FurtherDevice) -> dict[str, Any]:
    known = {name: value for name, value in _of_device(device).items() if value is not None}
    return {"number": device.number, **known, "address": _of_address(device.address)}


_NO_DEVICE: Final[Mapping[str, JsonValue]] = dict.fromkeys(
    ("mac", "serial", "circuit_id", "remote_id")
)


def _of_ppp(ppp: Ppp) -> dict[str, JsonValue]:
    return {"name": ppp.name, "password": ppp.password}


def _of_address(address: StaticAddress | PoolAddress | AssignedAddress) -> dict[str, JsonValue]:
    if isinstance(address, StaticAddress):
        return {"mode": "static", "ipv4": str(address.ipv4)}
    return address.model_dump(mode="json", exclude_none=True)


def _of_ipv6(ipv6: Ipv6) -> dict[str, JsonValue]:
    prefix: StaticPrefix | AssignedPrefix = ipv6.prefix
    address = None if ipv6.address is None else str(ipv6.address)
    return {
        "ipv6": {"prefix": prefix.model_dump(mode="json", exclude_none=True), "address": address},
        "duid": None if ipv6.duid is None else str(ipv6.duid),
        "iaid": ipv6.iaid,
    }


def _of_addresses(
    address: StaticAddress | PoolAddress | AssignedAddress | None, ipv6: Ipv6 | None
) -> dict[str, JsonValue]:
    """The given ones of both families; a DUID and an IAID that are not given are kept."""
    writes: dict[str, JsonValue] = {} if address is None else {"address": _of_address(address)}
    if ipv6 is None:
        return writes
    given = _of_ipv6(ipv6)
    return writes | {n: value for n, value in given.items() if n == "ipv6" or value is not None}


def _of_plan(plan: Plan) -> dict[str, JsonValue]:
    return plan.model_dump(mode="json", exclude_none=True)


def _of_status(block: Service) -> JsonValue:
    return None if block.status == "active" else _of_suspension(block.suspension)


def _of_suspension(suspension: Suspension | None) -> JsonValue:
    if suspension is None:
        return {"mode": None, "reason_code": None}
    return suspension.model_dump(mode="json")
