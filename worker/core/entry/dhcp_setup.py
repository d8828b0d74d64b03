"""The DHCP setup of a router: what a row may name, and which addresses a device can use.

People or `routers setup` write it; workers never do.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, Self

from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Note, Waiting
from worker.core.rows.rows import ANY_SERVER, BINDINGS, NO_ADDRESS, is_host_address

_MOST_REMEMBERED: Final = 2_000
"""Networks, or addresses, that are stored; with more, addresses are judged only at the router."""
_NO_MENU: Final = f"menu {BINDINGS}: the router has no IPv6, or its package is missing"


@dataclass(frozen=True)
class DhcpSetup:
    """The setup, as one read shows it.

    Attributes:
        servers: names of the DHCP servers; None: not known.
        pools: names of the address pools; None: not known.
        networks: the DHCP networks; empty: none, not known, or devices log in and need none.
        named: fields that name rows of other menus -> the names that are there.
        own: addresses that no device may have -> what they are: the router's own, and the
            gateways of its networks.
    """

    servers: frozenset[str] | None = None
    pools: frozenset[str] | None = None
    networks: tuple[IPv4Network, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, Collection[str]] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """What is needed to judge addresses without the router, as JSON; each pass compares it."""
        if max(len(self.networks), len(self.own)) > _MOST_REMEMBERED:
            return json.dumps([[], {}])
        return json.dumps([[str(network) for network in self.networks], dict(self.own)])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `text` said."""
        networks, own = json.loads(text)
        return cls(networks=tuple(IPv4Network(network) for network in networks), own=own)

    def taken(self, address: str) -> Waiting | None:
        """Return why no service may have an address: it would take a whole network down."""
        if address not in self.own:
            return None
        return Waiting("address-of-router", f"{address} is {self.own[address]}")

    def lacking(self, fields: Mapping[str, str], *, is_pool: bool) -> tuple[str, ...]:
        """Return what a row with these fields names and the router does not have.

        `is_pool`: its address is the name of a pool.
        """
        server, address = fields["server"], fields["address"]
        missing = []
        if self.servers is not None and server != ANY_SERVER and server not in self.servers:
            missing.append(f"DHCP server {server!r}")
        if (
            is_pool
            and address != NO_ADDRESS
            and self.pools is not None
            and address not in self.pools
        ):
            missing.append(f"pool {address!r}")
        missing += [
            f"{name} {fields[name]!r}"
            for name, there in self.named.items()
            if name in fields and fields[name] not in there
        ]
        return tuple(missing)

    def misfit(self, service_id: str, address: str) -> Note | None:
        """Return why no device could use the address, though RouterOS accepts it; None: one can.

        A router without networks is not judged: it may only relay.
        """
        if not self.networks or not is_host_address(address):
            return None
        host = IPv4Address(address)
        around = [network for network in self.networks if host in network]
        if not around:
            detail = f"{address} is in none of the router's DHCP networks"
            return Note(service_id, "address-outside-networks", detail)
        for network in around:
            if network.prefixlen < 31 and host in (  # noqa: PLR2004 - RFC 3021: all are hosts' there
                network.network_address,
                network.broadcast_address,
            ):
                what = "network" if host == network.network_address else "broadcast"
                detail = f"{address} is the {what} address of {network}"
                return Note(service_id, "address-not-a-hosts", detail)
        return None


@dataclass(frozen=True, slots=True)
class Ipv6Setup:
    """The IPv6 part of the setup, which is read only for services with IPv6.

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
