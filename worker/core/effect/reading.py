"""What is read on a router to see whether changes act there: leases, queues, lists, ARP, flows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import NamedTuple

from worker.core.rows.observed import SeenRow
from worker.core.rows.rows import ListPlace

IpNetwork = IPv4Network | IPv6Network


class SeenQueue(NamedTuple):
    """A target of a simple queue that is enabled; the first one with it takes its packets.

    Attributes:
        address: that IPv4 address, or IPv6 prefix.
        limit: `max-limit` in normal form; `0/0`: none.
        dynamic: the router made it for a lease.
    """

    name: str
    address: str
    limit: str
    dynamic: bool


class SeenFlow(NamedTuple):
    """A tracked connection.

    Attributes:
        address: of the customer; of IPv6 its prefix.
        peer: the address at its other end.
        fasttracked: its packets pass neither firewall rules nor simple queues.
    """

    address: str
    peer: str
    fasttracked: bool


class SeenBinding(NamedTuple):
    """A DHCPv6 binding: its prefix, `status`, and what the router says of its times."""

    address: str
    status: str
    last_seen_s: int | None
    expires_in_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectReading:
    """One read of a router; None: it was not read, or our login may not read it.

    Attributes:
        leases: with the devices that hold them.
        queues: those with one of the addresses as target, in the router's order.
        listed: the enabled rows of address lists that have one of the addresses.
        garden: what suspended customers may reach.
        arp: address -> MAC of each complete entry.
        flows: the tracked connections of the addresses.
        flows6: those of the prefixes.
        pools: name -> its ranges.
        bindings: those of the prefixes.
    """

    leases: Sequence[SeenRow] = ()
    lease_times_s: Mapping[str, int] = field(default_factory=dict)
    queues: Sequence[SeenQueue] | None = None
    listed: frozenset[ListPlace] | None = None
    garden: Sequence[IpNetwork] = ()
    arp: Mapping[str, str] | None = None
    flows: Sequence[SeenFlow] | None = None
    flows6: Sequence[SeenFlow] | None = None
    pools: Mapping[str, Sequence[IpNetwork]] = field(default_factory=dict)
    bindings: Sequence[SeenBinding] | None = None

    def held_by(self, device: str) -> SeenRow | None:
        """Return the bound row that a device holds."""
        bound = (row for row in self.leases if row.status == "bound")
        return next((row for row in bound if row.is_held_by(device)), None)

    def lease_time_s(self, server: str) -> int | None:
        """Return the lease time of a server; the longest where any may serve; None: not known."""
        return self.lease_times_s.get(server) or max(self.lease_times_s.values(), default=None)

    def flows_of(self, address: str, *, fasttracked: bool) -> list[SeenFlow]:
        """Return the flows of an address or a prefix to others than the walled garden.

        With `fasttracked` only those that FastTrack handles.
        """
        return [
            flow
            for flow in (self.flows6 if ":" in address else self.flows) or ()
            if flow.address == address
            and (flow.fasttracked or not fasttracked)
            and not is_in(flow.peer, self.garden)
        ]


def is_in(address: str, networks: Sequence[IpNetwork]) -> bool:
    """Return whether an address is in one of the networks."""
    try:
        host = ip_address(address)
    except ValueError:
        return False
    return any(host in network for network in networks)


def networks_of(text: str) -> list[IpNetwork]:
    """Return the networks of `a`, `a/n` or `a-b`, several with commas; names are left out."""
    found: list[IpNetwork] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        try:
            if last:
                found += summarize_address_range(IPv4Address(first), IPv4Address(last))
            elif first:
                found.append(ip_network(first, strict=False))
        except ValueError:
            continue
    return found
