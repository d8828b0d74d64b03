"""`[routers.NAME.setup]`: what `leasewire routers setup` should create."""

from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from worker.core.policy.setup_spec import DhcpSpec, FastTrack, SetupSpec
from worker.inventory.policy_keys import Time, TomlTable


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError("must be an IPv4 address") from None


def _host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None


def _prefix(value: str) -> str:
    try:
        return str(IPv4Network(value))
    except ValueError:
        raise ValueError("must be an IPv4 prefix such as 192.0.2.0/24, without host bits") from None


def _range(value: str) -> str:
    try:
        ends = [IPv4Address(end) for end in value.split("-", 1)]
    except ValueError:
        raise ValueError("must be FIRST-LAST or one address") from None
    if ends[0] > ends[-1]:
        raise ValueError("must be FIRST-LAST, the lower address first")
    return value


Address = Annotated[str, AfterValidator(_address)]
Host = Annotated[str, AfterValidator(_host)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Range = Annotated[str, AfterValidator(_range)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,48}$")]
Domain = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$")]
OptionValue = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class OptionKeys(TomlTable):
    """One DHCP option; its value in RouterOS's syntax, as `'text'` or `0x0a0b`."""

    code: Annotated[int, Field(ge=1, le=254)]
    value: OptionValue


class DhcpKeys(TomlTable):
    """`[[routers.NAME.setup.dhcp]]`; see `worker.core.policy.setup_spec.DhcpSpec`."""

    server: Name
    interface: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    network: Prefix
    gateway: Address
    ranges: list[Range] = Field(default_factory=list)
    dns_servers: list[Address] = Field(default_factory=list)
    ntp_servers: list[Address] = Field(default_factory=list)
    domain: Domain | None = None
    lease_time: Time = "30m"
    options: list[OptionKeys] = Field(default_factory=list)

    @model_validator(mode="after")
    def _within(self) -> Self:
        network = IPv4Network(self.network)
        ends = [end for span in self.ranges for end in span.split("-")]
        outside = [end for end in [self.gateway, *ends] if IPv4Address(end) not in network]
        if outside:
            raise ValueError(f"{', '.join(outside)} must be in {self.network}")
        return self

    def spec(self) -> DhcpSpec:
        """Return the spec."""
        own = {
            "network": IPv4Network(self.network),
            "domain": self.domain or "",
            "options": tuple((option.code, option.value) for option in self.options),
        }
        return DhcpSpec(**_with_tuples(self) | own)


class SetupKeys(TomlTable):
    """`[routers.NAME.setup]`; see `worker.core.policy.setup_spec.SetupSpec`."""

    manage_from: Annotated[list[Prefix], Field(min_length=1)]
    dhcp: list[DhcpKeys] = Field(default_factory=list)
    walled_garden: list[Host] = Field(default_factory=list)
    manage_only: bool = False
    ping: bool = False
    use_reconfigure: bool = False
    fasttrack: FastTrack = "keep"

    def spec(self) -> SetupSpec:
        """Return the spec."""
        return SetupSpec(**_with_tuples(self) | {"dhcp": tuple(dhcp.spec() for dhcp in self.dhcp)})


def _with_tuples(table: TomlTable) -> dict[str, Any]:
    """The values of a table by key, its lists as the tuples of a spec."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table}
