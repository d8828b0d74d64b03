"""Which devices use the rows of a router, as read for people and watchers; no plan uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.rows.bindings import mac_in_duid, mac_in_link_local
from worker.core.rows.rows import BindingRow, Lease


class RunningSession(NamedTuple):
    """A session of a device that logged in: id, the device's name and address, and its age."""

    id: str
    device: str
    address: str
    uptime_s: int


class SeenRow(NamedTuple):
    """A row and the device that holds it.

    Attributes:
        status: of RouterOS: `bound`, `waiting`, `offered`, ….
        active_mac: MAC of the device that holds it, or the name that it logged in with; empty: none
            does.
        active_address: the address of this device; empty: it has none.
        expires_in_s: when the lease ends unless it is renewed; None: not known.
        last_seen_s: how long ago a device asked, or logged in; None: never.
        lease_time_s: of this row alone; None: that of the server.
        active_ids: the ids of option 82 that came with what this device asked; empty: none.
    """

    lease: Lease
    status: str = ""
    active_mac: str = ""
    active_address: str = ""
    expires_in_s: int | None = None
    last_seen_s: int | None = None
    lease_time_s: int | None = None
    active_ids: str = ""

    def is_held_by(self, device: str) -> bool:
        """Whether a device holds it, which is known by its MAC, its name or its ids."""
        return bool(self.active_mac) and device in (self.active_mac, self.active_ids)


@dataclass(frozen=True, slots=True)
class SeenIpv6:
    """The DHCPv6 bindings of one router that were asked for, and all dynamic ones.

    Attributes:
        rows: with the clients that use them.
        servers: DHCPv6 server -> why it serves nobody, such as `disabled`; empty: it serves.
        problem: why the router shows no bindings; empty: it does.
    """

    rows: Sequence[BindingRow] = ()
    servers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """Some rows of one router.

    Attributes:
        rows: with the devices that hold them, where the menu shows that.
        entries: name of the kind of entry that the router holds for us.
        ipv6: its DHCPv6 bindings; None: they were not asked for.
    """

    rows: Sequence[SeenRow] = ()
    lease_times_s: Mapping[str, int] = field(default_factory=dict)
    entries: str = "lease"
    ipv6: SeenIpv6 | None = None


def macs_of(row: BindingRow) -> frozenset[str]:
    """Return the MAC addresses that a client may have: of its DUID, its address, its neighbour."""
    found = {mac_in_duid(row.fields["duid"]), mac_in_link_local(row.client_address), row.client_mac}
    return frozenset(found - {""})


def shown_address(address: str) -> str:
    """Return a prefix, or an address without its `/128`, for a person."""
    return address.removesuffix("/128")
