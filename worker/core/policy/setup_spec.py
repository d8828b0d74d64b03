"""What `routers setup` should create on a router, as the inventory says it.

`docs/routers-toml.texts.toml` says what each key of it means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Literal

from worker.core.rows.filter_rules import FILTER, FILTER6

FastTrack = Literal["keep", "spare-suspended", "off"]


def lacking(names: Iterable[str], rows: Iterable[Mapping[str, str]] | None) -> list[str]:
    """Return the names that no row has, quoted; none where the router does not show its rows."""
    there = None if rows is None else {row.get("name", "") for row in rows}
    return [] if there is None else [repr(name) for name in sorted(names) if name not in there]


@dataclass(frozen=True, slots=True)
class DhcpSpec:
    """One DHCP server with its network: the keys of `[[routers.NAME.setup.dhcp]]`.

    Attributes:
        options: (code, value) in RouterOS's syntax, for every device.
    """

    server: str
    interface: str
    network: IPv4Network
    gateway: str
    ranges: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    ntp_servers: tuple[str, ...] = ()
    domain: str = ""
    lease_time: str = "30m"
    options: tuple[tuple[int, str], ...] = ()

    @property
    def pool(self) -> str:
        """Name of the pool."""
        return f"pool-{self.server}"

    def option_name(self, code: int) -> str:
        """Name of an option's row."""
        return f"{self.server}-{code}"


@dataclass(frozen=True, slots=True)
class SetupSpec:
    """The keys of `[routers.NAME.setup]`."""

    manage_from: tuple[str, ...]
    dhcp: tuple[DhcpSpec, ...] = ()
    walled_garden: tuple[str, ...] = ()
    manage_only: bool = False
    ping: bool = False
    use_reconfigure: bool = False
    fasttrack: FastTrack = "keep"


@dataclass(frozen=True, slots=True)
class RadiusPeer:
    """A router with which another one speaks RADIUS, by a secret that both share."""

    name: str
    address: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RouterAccess:
    """How we log in and how services are suspended, from the rest of the inventory.

    Attributes:
        host: of the router, for its certificate.
        username: ours; its group has the same name.
        suspend_list: address list of suspended services; empty: none.
        enable: menu -> fields to be written where the router has that menu.
        ipv6_list: that of their prefixes; empty: the router is to have no rules for IPv6.
        policies: what our user must be allowed beside what it always is.
        named: menu -> names of rows there that services need and that others make.
        user_manager: the router whose User Manager its DHCP servers ask; None: they ask nobody.
        asked_by: the routers that ask its own User Manager.
    """

    installation: str
    host: str
    service: Literal["api-ssl", "www-ssl", "api"]
    username: str
    suspend_list: str = ""
    enable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ipv6_list: str = ""
    policies: frozenset[str] = frozenset()
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    user_manager: RadiusPeer | None = None
    asked_by: tuple[RadiusPeer, ...] = ()

    @property
    def suspend_lists(self) -> Mapping[str, str]:
        """By menu of firewall rules the list whose customers they stop; empty: none."""
        return {FILTER: self.suspend_list} | ({FILTER6: self.ipv6_list} if self.ipv6_list else {})
