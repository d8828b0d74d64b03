"""A model for each event type, named after what happened in the business; and their union.

To add a type, add a data class, an event class, and the class to `Event`. Its schema and tests
follow from that.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from contracts.envelope import Data, Envelope, EventId
from contracts.manifest import Manifest
from contracts.service import (
    Access,
    ActiveService,
    Address,
    Device,
    DeviceNumber,
    DhcpOptions,
    DnsServers,
    FurtherDevice,
    Ipv6,
    Plan,
    Ppp,
    Service,
    SuspendedService,
    Suspension,
)
from contracts.values import Code, Mac48


class ActivatedData(Data):
    """Data of `Activated`."""

    service: ActiveService


class Activated(Envelope):
    """The service is active. Sets all fields of the service."""

    type: Literal["leasewire.service.activated.v1"]
    data: ActivatedData


class SnapshotData(Data):
    """Data of `Snapshot`."""

    service: Service


class Snapshot(Envelope):
    """The complete state of the service, for imports, resyncs and adapters. Sets all fields."""

    type: Literal["leasewire.service.snapshot.v1"]
    data: SnapshotData


class MacChangedData(Data):
    """Data of `MacChanged`. `previous_mac`, like all `previous_…`, is checked, and only warns."""

    mac: Mac48
    previous_mac: Mac48 | None = None


class MacChanged(Envelope):
    """The MAC address of the device changed. `duid` and `iaid` of its IPv6 are learned anew."""

    type: Literal["leasewire.service.mac_changed.v1"]
    data: MacChangedData


class DeviceSwappedData(Data):
    """Data of `DeviceSwapped`. Fields that `device` does not have are removed.

    Without `ipv6` the service keeps its prefix and its IPv6 address; `duid` and `iaid` are learned.
    """

    device: Device
    ipv6: Ipv6 | None = None
    previous_device: Device | None = None


class DeviceSwapped(Envelope):
    """The customer has another device, with MAC address, serial number and option 82 ids."""

    type: Literal["leasewire.service.device_swapped.v1"]
    data: DeviceSwappedData


class DeviceAddedData(Data):
    """Data of `DeviceAdded`. A device that had this number before is replaced."""

    device: FurtherDevice


class DeviceAdded(Envelope):
    """The service has a further device, or another one in place of a further device."""

    type: Literal["leasewire.service.device_added.v1"]
    data: DeviceAddedData


class DeviceRemovedData(Data):
    """Data of `DeviceRemoved`."""

    number: DeviceNumber


class DeviceRemoved(Envelope):
    """A further device of the service is no more. Its MAC address and its address are free."""

    type: Literal["leasewire.service.device_removed.v1"]
    data: DeviceRemovedData


class AddressChangedData(Data):
    """Data of `AddressChanged`: `address`, `ipv6` or both; what is absent is kept.

    `duid` and `iaid` are kept, too, where `ipv6` does not have them: the device is the same.
    """

    ipv6: Ipv6 | None = None
    address: Annotated[Address | None, Field(validate_default=True)] = None
    previous_address: Address | None = None

    @field_validator("address")
    @classmethod
    def _one_of_both(cls, address: Address | None, info: ValidationInfo) -> Address | None:
        if address is None and info.data.get("ipv6", address) is None and "ipv6" in info.data:
            raise PydanticCustomError("missing", "is missing")
        return address


class AddressChanged(Envelope):
    """The service has another address or IPv6 prefix: a static one, or one from a pool."""

    type: Literal["leasewire.service.address_changed.v1"]
    data: AddressChangedData


class DnsChangedData(Data):
    """Data of `DnsChanged`. The list replaces the old list."""

    dns_servers: DnsServers


class DnsChanged(Envelope):
    """The device gets other DNS servers; with an empty list those of the router."""

    type: Literal["leasewire.service.dns_changed.v1"]
    data: DnsChangedData


class OptionsChangedData(Data):
    """Data of `OptionsChanged`. The list replaces the old list."""

    options: DhcpOptions


class OptionsChanged(Envelope):
    """The device gets other DHCP options; with an empty list none."""

    type: Literal["leasewire.service.options_changed.v1"]
    data: OptionsChangedData


class PppChangedData(Data):
    """Data of `PppChanged`."""

    ppp: Ppp


class PppChanged(Envelope):
    """The device logs in with another name or password."""

    type: Literal["leasewire.service.ppp_changed.v1"]
    data: PppChangedData


class PlanChangedData(Data):
    """Data of `PlanChanged`."""

    plan: Plan
    previous_plan_code: Code | None = None


class PlanChanged(Envelope):
    """The customer has another plan."""

    type: Literal["leasewire.service.plan_changed.v1"]
    data: PlanChangedData


class MovedData(Data):
    """Data of `Moved`. Without `address` or `ipv6` the service keeps them.

    An assigned address changes if the new router has another pool of that name.
    """

    access: Access
    previous_access: Access | None = None
    address: Address | None = None
    ipv6: Ipv6 | None = None


class Moved(Envelope):
    """The service moved to another router or DHCP server. Its old rows are removed."""

    type: Literal["leasewire.service.moved.v1"]
    data: MovedData


class SuspendedData(Data):
    """Data of `Suspended`. Without `suspension` the router's policy decides how."""

    suspension: Suspension | None = None
    service: SuspendedService | None = None


class Suspended(Envelope):
    """The service is suspended until it is resumed."""

    type: Literal["leasewire.service.suspended.v1"]
    data: SuspendedData


class ResumedData(Data):
    """Data of `Resumed`."""

    service: ActiveService | None = None


class Resumed(Envelope):
    """The service is no longer suspended."""

    type: Literal["leasewire.service.resumed.v1"]
    data: ResumedData


class Cancelled(Envelope):
    """The service ended. Its MAC address and its address are free at once."""

    type: Literal["leasewire.service.cancelled.v1"]
    data: Data


def _at_least_one(ids: tuple[EventId, ...]) -> tuple[EventId, ...]:
    # Not `min_length`: pydantic counts valid items only, so one wrong id would be too few.
    if not ids:
        raise PydanticCustomError("too-short", "must name at least one event")
    return ids


class ScheduleWithdrawnData(Data):
    """Data of `ScheduleWithdrawn`. It changes nothing else and needs no revision."""

    withdraws: Annotated[
        tuple[EventId, ...],
        Field(max_length=50, json_schema_extra={"minItems": 1}),
        AfterValidator(_at_least_one),
    ]
    effective_at: None = None
    service: None = None


class ScheduleWithdrawn(Envelope):
    """Withdraws scheduled events of the service by their ids, even before they arrive."""

    type: Literal["leasewire.service.schedule_withdrawn.v1"]
    data: ScheduleWithdrawnData


Event = (
    Activated
    | Snapshot
    | MacChanged
    | DeviceSwapped
    | DeviceAdded
    | DeviceRemoved
    | AddressChanged
    | DnsChanged
    | OptionsChanged
    | PlanChanged
    | PppChanged
    | Moved
    | Suspended
    | Resumed
    | Cancelled
    | ScheduleWithdrawn
)

AnyEvent = Event | Manifest
"""An event about a service, or a manifest of all services."""

EVENT_TYPES: Final[dict[str, type[AnyEvent]]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in (*get_args(Event), Manifest)
}
"""Event class by event type."""
