"""The IPv6 part of a router's DHCP setup; read only for services with IPv6."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import ANY_SERVER, BINDINGS

_NO_MENU: Final = f"menu {BINDINGS}: the router has no IPv6, or its package is missing"


@dataclass(frozen=True, slots=True)
class Ipv6Setup:
    """The setup, as one read shows it.

    Attributes:
        has_menu: the router has DHCPv6 servers at all; False before 7 without the package `ipv6`.
        servers: names of the DHCPv6 servers; None: not known.
        options: names of DHCPv6 options and of sets of them; None: not known.
        own: the router's own addresses -> what they are.
    """

    has_menu: bool = True
    servers: frozenset[str] | None = None
    options: frozenset[str] | None = None
    own: Mapping[IPv6Address, str] = field(default_factory=dict)

    def taken(self, bindings: Iterable[OwnBinding]) -> Waiting | None:
        """Return why no service may have a prefix: an address of the router is in it."""
        for binding in bindings:
            prefix = IPv6Network(binding.address)
            for address, what in self.own.items():
                if address in prefix:
                    detail = f"{address} in {binding.address} is {what}"
                    return Waiting("address-of-router", detail)
        return None

    def lacking(self, bindings: Iterable[OwnBinding]) -> tuple[str, ...]:
        """Return what bindings need and the router does not have."""
        if not self.has_menu:
            return (_NO_MENU,)
        missing: dict[str, None] = {}
        for binding in bindings:
            server = binding.server
            if self.servers is not None and not self.servers:
                missing["a DHCPv6 server"] = None
            elif self.servers is not None and server not in (ANY_SERVER, *self.servers):
                missing[f"DHCPv6 server {server!r}"] = None
            if self.options is not None:
                names = (name for name in (binding.options or "").split(",") if name)
                missing |= {
                    f"DHCPv6 option {name!r}": None for name in names if name not in self.options
                }
        return tuple(missing)
