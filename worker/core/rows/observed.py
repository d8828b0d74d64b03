"""Which devices use the rows of a router, as read for people and watchers; no plan uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.rows.rows import Lease


class SeenRow(NamedTuple):
    """A row and the device that holds it.

    Attributes:
        lease: the row.
        status: of RouterOS: `bound`, `waiting`, `offered`, ….
        active_mac: MAC of the device that holds it; empty: none does.
        active_address: the address of this device; empty: it has none.
        expires_in_s: when the lease ends unless it is renewed; None: not known.
        last_seen_s: how long ago a device asked; None: never.
        lease_time_s: of this row alone; None: that of the server.
    """

    lease: Lease
    status: str = ""
    active_mac: str = ""
    active_address: str = ""
    expires_in_s: int | None = None
    last_seen_s: int | None = None
    lease_time_s: int | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Some rows of one router.

    Attributes:
        rows: with the devices that hold them, where the menu shows that.
        lease_times_s: the lease time of each DHCP server.
        entries: name of the kind of entry that the router holds for us.
    """

    rows: Sequence[SeenRow] = ()
    lease_times_s: Mapping[str, int] = field(default_factory=dict)
    entries: str = "lease"
