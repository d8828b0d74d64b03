"""What devices do with the rows of a router, as seen when somebody asked: nothing plans by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.rows.rows import Lease


class SeenRow(NamedTuple):
    """A row and who holds it.

    Attributes:
        lease: the row.
        status: RouterOS's word: `bound`, `waiting`, `offered`, ….
        active_mac: MAC of the device that holds it; empty when none does.
        active_address: the address that this device has; empty when it has none.
        expires_in_s: when its hold ends if it is not renewed; None where the router does not say.
        last_seen_s: how long ago a device asked; None: never.
        lease_time_s: of this row alone; None: the server's.
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
        rows: they, with who holds them where the menu says it.
        lease_times_s: for how long each of its DHCP servers leases.
        entries: name of the kind of entry that the router holds for us.
    """

    rows: Sequence[SeenRow] = ()
    lease_times_s: Mapping[str, int] = field(default_factory=dict)
    entries: str = "lease"
