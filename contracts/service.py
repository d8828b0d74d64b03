"""The `service` block of events, and its parts."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from contracts.ipv6_values import Duid, Ipv6Address, Ipv6Prefix
from contracts.values import (
    AgentId,
    AssignedPoolName,
    Code,
    Hex,
    Iaid,
    Ipv4,
    Kbps,
    Mac48,
    Name,
    OptionCode,
    Password,
    PoolName,
    RouterName,
)


class Part(BaseModel):
    """An immutable part of an event; unknown fields are refused unless `parse_event` is lenient."""

    # Values are personal data (MAC addresses, ids): errors do not show them.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Access(Part):
    """Where the service is connected. Without `dhcp_server` the router's policy decides."""

    router: RouterName
    dhcp_server: Name | None = None


_IDS: Final = ("circuit_id", "remote_id")


class Device(Part):
    """The device that gets the lease, and the option 82 ids that its access node adds.

    It has a MAC, one of the ids, or all of them.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in ("mac", *_IDS)]}
    )

    serial: Name | None = None
    circuit_id: AgentId | None = None
    remote_id: AgentId | None = None
    mac: Annotated[Mac48 | None, Field(validate_default=True)] = None

    @field_validator("mac")
    @classmethod
    def _is_known_by_something(cls, mac: Mac48 | None, info: ValidationInfo) -> Mac48 | None:
        # An id with a problem of its own is in `data` no more.
        if mac is None and [info.data.get(name, "") for name in _IDS] == [None, None]:
            raise PydanticCustomError("device_missing", "and both ids are missing")
        return mac


class Ppp(Part):
    """What the device logs in with."""

    name: Name
    password: Password


class StaticAddress(Part):
    """One fixed address."""

    mode: Literal["static"]
    ipv4: Ipv4


class PoolAddress(Part):
    """Any address of a pool of the router, named as on the router."""

    mode: Literal["pool"]
    pool: PoolName


class AssignedAddress(Part):
    """An address that Leasewire assigns from a pool of the inventory, and keeps for the service.

    With `ipv4` it is that one if it is in the pool and free: for services that have one already.
    """

    mode: Literal["assigned"]
    pool: AssignedPoolName
    ipv4: Ipv4 | None = None


Address = Annotated[StaticAddress | PoolAddress | AssignedAddress, Field(discriminator="mode")]


class StaticPrefix(Part):
    """One fixed prefix."""

    mode: Literal["static"]
    ipv6: Ipv6Prefix


class AssignedPrefix(Part):
    """A prefix that Leasewire assigns from a pool of the inventory, and keeps for the service.

    With `ipv6` it is that one if it is in the pool and free: for services that have one already.
    """

    mode: Literal["assigned"]
    pool: AssignedPoolName
    ipv6: Ipv6Prefix | None = None


Prefix = Annotated[StaticPrefix | AssignedPrefix, Field(discriminator="mode")]


class Ipv6(Part):
    """The IPv6 of a service: a delegated prefix, and an address for the device itself if wanted.

    `duid` and `iaid` say which DHCPv6 client gets them. Without them Leasewire learns them from the
    router, by the MAC address of the device.
    """

    prefix: Prefix
    address: Ipv6Address | None = None
    duid: Duid | None = None
    iaid: Iaid | None = None


FIRST_FURTHER: Final = 2
MOST_DEVICES: Final = 8
"""Devices of a service, the first one included."""

DeviceNumber = Annotated[int, Field(ge=FIRST_FURTHER, le=MOST_DEVICES)]
"""Names a further device of a service for good; the device of `device` is number 1."""


class FurtherDevice(Device):
    """A device of the service beside its first one, with an address of its own.

    It has the plan, the DNS servers, the options and the suspension of the service.
    """

    number: DeviceNumber
    address: Annotated[StaticAddress | PoolAddress, Field(discriminator="mode")]


def _each_once(devices: tuple[FurtherDevice, ...]) -> tuple[FurtherDevice, ...]:
    numbers = {device.number for device in devices}
    macs = [device.mac for device in devices if device.mac is not None]
    fixed = [one.address.ipv4 for one in devices if isinstance(one.address, StaticAddress)]
    if len(numbers) < len(devices) or any(len({*all_}) < len(all_) for all_ in (macs, fixed)):
        message = "names a number, a MAC address or an IPv4 address twice; give each once"
        raise PydanticCustomError("device-twice", message)
    return devices


FurtherDevices = Annotated[
    tuple[FurtherDevice, ...], Field(max_length=MOST_DEVICES - 1), AfterValidator(_each_once)
]
"""The devices beside the first one; an empty list means none."""


class Plan(Part):
    """The plan, by its code in Leasewire's catalogue. Rates given here override the catalogue."""

    code: Code
    down_kbps: Kbps | None = None
    up_kbps: Kbps | None = None


class DhcpOption(Part):
    """One DHCP option for the device."""

    code: OptionCode
    hex: Hex


def _each_code_once(options: tuple[DhcpOption, ...]) -> tuple[DhcpOption, ...]:
    if len({option.code for option in options}) < len(options):
        raise PydanticCustomError("option-twice", "names an option code twice; give each once")
    return options


DnsServers = Annotated[tuple[Ipv4, ...], Field(max_length=8)]
"""In order of preference; an empty list means those of the router."""

DhcpOptions = Annotated[
    tuple[DhcpOption, ...], Field(max_length=32), AfterValidator(_each_code_once)
]
"""Options that no other field sets; an empty list means none."""


class Suspension(Part):
    """How and why a service is suspended. Without `mode` the router's policy decides."""

    mode: Literal["block", "walled_garden", "throttle"] | None = None
    reason_code: Code | None = None


class Service(Part):
    """The complete state of a service after the change. An absent field has its default."""

    status: Literal["active", "suspended"]
    access: Access
    device: Device | None = None
    ppp: Annotated[Ppp | None, Field(validate_default=True)] = None
    address: Address
    ipv6: Ipv6 | None = None
    devices: FurtherDevices | None = None
    plan: Plan | None = None
    dns_servers: DnsServers | None = None
    options: DhcpOptions | None = None
    label: Annotated[Name | None, Field(description="Text for the comment on the router.")] = None
    suspension: Suspension | None = None

    @field_validator("ppp")
    @classmethod
    def _one_of_both(cls, ppp: Ppp | None, info: ValidationInfo) -> Ppp | None:
        if ppp is None and info.data.get("device", ppp) is None and "device" in info.data:
            message = "and device are missing; give the device's MAC, or what it logs in with, "
            message += "or its ids of option 82"
            raise PydanticCustomError("no-device", message)
        return ppp

    @field_validator("devices")
    @classmethod
    def _unlike_the_first(
        cls, devices: tuple[FurtherDevice, ...] | None, info: ValidationInfo
    ) -> tuple[FurtherDevice, ...] | None:
        first, address = info.data.get("device"), info.data.get("address")
        for device in devices or ():
            alike = first is not None and device.mac is not None and device.mac == first.mac
            if alike or (isinstance(address, StaticAddress) and device.address == address):
                message = f"has device {device.number} with the MAC address or the IPv4 address of "
                message += "the first device; give it one of its own"
                raise PydanticCustomError("device-twice", message)
        return devices

    @field_validator("suspension")
    @classmethod
    def _agrees_with_status(
        cls, suspension: Suspension | None, info: ValidationInfo
    ) -> Suspension | None:
        # A field validator, not a model validator, so that it runs when other fields have problems.
        if suspension is not None and info.data.get("status") == "active":
            raise PydanticCustomError(
                "status-disagrees",
                "is given although status is active; remove it or correct the status",
            )
        return suspension


class ActiveService(Service):
    """The state of a service that is not suspended."""

    status: Literal["active"]


class SuspendedService(Service):
    """The state of a service that is suspended."""

    status: Literal["suspended"]
