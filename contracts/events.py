"""One model for each event type, named for what happened in the business; and their union.

A new type is a data class, an event class and its place in `Event`; its schema and its tests
follow from that.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from contracts.envelope import Data, Envelope, EventId
from contracts.manifest import Manifest
from contracts.service import (
    Access,
    ActiveService,
    Address,
    Device,
    DhcpOptions,
    DnsServers,
    Plan,
    Service,
    SuspendedService,
    Suspension,
)
from contracts.values import Code, Mac48


class ActivatedData(Data):
    """Of `Activated`."""

    service: ActiveService


class Activated(Envelope):
    """The service may use the network. Sets every field of the service."""

    type: Literal["leasewire.service.activated.v1"]
    data: ActivatedData


class SnapshotData(Data):
    """Of `Snapshot`."""

    service: Service


class Snapshot(Envelope):
    """The full desired state, as adapters, imports and resyncs send it. Sets every field."""

    type: Literal["leasewire.service.snapshot.v1"]
    data: SnapshotData


class MacChangedData(Data):
    """Of `MacChanged`; `previous_mac`, like every `previous_…`, is a check that only warns."""

    mac: Mac48
    previous_mac: Mac48 | None = None


class MacChanged(Envelope):
    """The device has another MAC address."""

    type: Literal["leasewire.service.mac_changed.v1"]
    data: MacChangedData


class DeviceSwappedData(Data):
    """Of `DeviceSwapped`; what is absent from the device becomes none."""

    device: Device
    previous_device: Device | None = None


class DeviceSwapped(Envelope):
    """The customer has another device: its MAC address, serial number and option 82 ids."""

    type: Literal["leasewire.service.device_swapped.v1"]
    data: DeviceSwappedData


class AddressChangedData(Data):
    """Of `AddressChanged`."""

    address: Address
    previous_address: Address | None = None


class AddressChanged(Envelope):
    """The service has another address, or one of a pool instead, or the other way round."""

    type: Literal["leasewire.service.address_changed.v1"]
    data: AddressChangedData


class DnsChangedData(Data):
    """Of `DnsChanged`; the list replaces the old one."""

    dns_servers: DnsServers


class DnsChanged(Envelope):
    """The device is to ask other DNS servers; with an empty list the router's own."""

    type: Literal["leasewire.service.dns_changed.v1"]
    data: DnsChangedData


class OptionsChangedData(Data):
    """Of `OptionsChanged`; the list replaces the old one."""

    options: DhcpOptions


class OptionsChanged(Envelope):
    """The device is to be given other DHCP options; with an empty list none."""

    type: Literal["leasewire.service.options_changed.v1"]
    data: OptionsChangedData


class PlanChangedData(Data):
    """Of `PlanChanged`."""

    plan: Plan
    previous_plan_code: Code | None = None


class PlanChanged(Envelope):
    """The customer has another plan."""

    type: Literal["leasewire.service.plan_changed.v1"]
    data: PlanChangedData


class MovedData(Data):
    """Of `Moved`; without an address the service keeps its own."""

    access: Access
    previous_access: Access | None = None
    address: Address | None = None


class Moved(Envelope):
    """The service is at another router or DHCP server; what it leaves behind is cleaned."""

    type: Literal["leasewire.service.moved.v1"]
    data: MovedData


class SuspendedData(Data):
    """Of `Suspended`; without `suspension` the router's policy says how."""

    suspension: Suspension | None = None
    service: SuspendedService | None = None


class Suspended(Envelope):
    """The service is suspended until it is resumed."""

    type: Literal["leasewire.service.suspended.v1"]
    data: SuspendedData


class ResumedData(Data):
    """Of `Resumed`."""

    service: ActiveService | None = None


class Resumed(Envelope):
    """The service is no longer suspended."""

    type: Literal["leasewire.service.resumed.v1"]
    data: ResumedData


class Cancelled(Envelope):
    """The service has ended; its MAC address and its address are free at once."""

    type: Literal["leasewire.service.cancelled.v1"]
    data: Data


def _at_least_one(ids: tuple[EventId, ...]) -> tuple[EventId, ...]:
    # Not `min_length`: pydantic counts the right items only, and would call one wrong id too few.
    if not ids:
        raise PydanticCustomError("too-short", "must name at least one event")
    return ids


class ScheduleWithdrawnData(Data):
    """Of `ScheduleWithdrawn`; it says nothing else of the service, and needs no revision."""

    withdraws: Annotated[
        tuple[EventId, ...],
        Field(max_length=50, json_schema_extra={"minItems": 1}),
        AfterValidator(_at_least_one),
    ]
    effective_at: None = None
    service: None = None


class ScheduleWithdrawn(Envelope):
    """Scheduled events of the service do not happen; their ids may be named before they come."""

    type: Literal["leasewire.service.schedule_withdrawn.v1"]
    data: ScheduleWithdrawnData


Event = (
    Activated
    | Snapshot
    | MacChanged
    | DeviceSwapped
    | AddressChanged
    | DnsChanged
    | OptionsChanged
    | PlanChanged
    | Moved
    | Suspended
    | Resumed
    | Cancelled
    | ScheduleWithdrawn
)

AnyEvent = Event | Manifest
"""An event about a service, or about all of them."""

EVENT_TYPES: Final[dict[str, type[AnyEvent]]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in (*get_args(Event), Manifest)
}
"""Each event class by its type."""
