"""What a service record consists of: registers, placements, values of pools and pending events."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from pydantic import JsonValue

from worker.core.rows.bindings import OwnBinding
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import ListPlace
from worker.core.service.event_ref import NEVER, EventRef, Version

NO_VALUES: Final[Mapping[Any, Any]] = MappingProxyType({})
"""Default of a mapping; nobody can change it."""
DEVICE_REGISTERS: Final = {number: f"device{number}" for number in map(str, range(2, 9))}
"""The register of each further device, by its number."""
OF_DEVICES: Final = frozenset(DEVICE_REGISTERS.values())
DEFAULTS: Final[Mapping[str, JsonValue]] = {
    "lifecycle": None,  # None, "on" or "cancelled"
    "suspension": None,  # None or {"mode": …, "reason_code": …}; mode None: the policy's
    "router": None,  # the inventory's name
    "dhcp_server": None,  # None: the policy's
    "mac": None,
    "serial": None,
    "circuit_id": None,
    "remote_id": None,
    "ppp": None,  # {"name": …, "password": …}, sealed
    # {"mode": "static", "ipv4": …}, {"mode": "pool", "pool": …} of the router, or
    # {"mode": "assigned", "pool": …} of ours, with "ipv4" where the event asks for one
    "address": None,
    "plan": None,  # {"code": …, "down_kbps": …, "up_kbps": …}, the rates where given
    "dns_servers": [],
    "options": [],  # [{"code": …, "hex": …}, …]
    "label": None,
    "customer_id": None,
    # {"prefix": {"mode": "static", "ipv6": …} or {"mode": "assigned", "pool": …}, "address": …}
    "ipv6": None,
    "duid": None,  # as an event stated it, in hex without 0x; None: to be learned
    "iaid": None,
    # {"number": 2, "mac": …, …, "address": …} of a further device
    **dict.fromkeys(DEVICE_REGISTERS.values()),
}
"""Every register, with its value until an event sets it. Values are never mutated."""

AssignedKind = Literal["address", "prefix"]
Status = Literal["incomplete", "active", "suspended", "cancelled"]


class Register(NamedTuple):
    """One last-writer-wins field of a record.

    Attributes:
        version: of the event that set it.
        event: id of that event.
        stated: the newest version of an event that was about this register. A snapshot and a
            `service` block describe the present and are about none.
    """

    value: JsonValue
    version: Version
    event: str
    stated: Version = NEVER


class Assigned(NamedTuple):
    """What a pool of ours gave a service: the pool's name in the inventory, and the value.

    A value is an IPv4 address or an IPv6 prefix with its length, in normal form.
    """

    pool: str
    value: str


class Unassigned(NamedTuple):
    """Why a service has not the value that it should have: for rows and outcomes.

    Attributes:
        pool: for whose values it waits; empty: no pool has the name that its event says.
        reason: one word, such as `pool-full`.
    """

    pool: str
    reason: str
    detail: str


class LeftValue(NamedTuple):
    """A value of a pool that a service gave back, while a row with it may still stand.

    Attributes:
        value: in normal form.
        quarantine_ms: how long it is kept from others, from when the last row is gone.
        routers: where one may stand.
    """

    value: str
    pool: str
    quarantine_ms: int
    routers: tuple[str, ...]


class RowsAt(NamedTuple):
    """Where the rows of a router's services stand, if on another router: its User Manager's."""

    router: str
    at: str


class PendingEvent(NamedTuple):
    """An event that was folded, and whose outcome is not final yet.

    Attributes:
        registers: the ones it wrote when it was folded; none of one that changed nothing, and is
            applied when that was seen on the router.
    """

    event: EventRef
    registers: tuple[str, ...]
    version: Version


class ShortLease(NamedTuple):
    """The lease time of a row while it is shortened for scheduled events, and until it is back.

    Attributes:
        last_ms: when the last of these events takes effect; 0: the lease time is to be put back.
        lease_s: the lease time in seconds that devices had before.
        before: what the row had, noted before the short one is written; None: nothing was written.
        since_ms: when the short one was first confirmed; 0: not yet.
    """

    lease_time: str
    last_ms: int
    lease_s: int = 0
    before: str | None = None
    since_ms: int = 0


class Placement(NamedTuple):
    """What is known of the service on a router where a row of it may exist.

    Attributes:
        written: fields of the row that was last written and confirmed; None: no row.
        listed: its own rows in address lists that may exist, noted before they are written.
        seen_ms: when a pass last found all as wanted, by Redis's clock; 0: not yet.
        short: the shortened lease time; None: it is not shortened.
        queue: its own queue that was last written and confirmed, or `MAY_BE_THERE`; None: none.
        bindings: its own IPv6 bindings that may exist, with their clients as far as they are
            known: noted before they are written, and as confirmed. Without an address: only the
            client is known, by another router.
        devices: of its further devices, by number: `written` and `listed` alone.
    """

    written: Mapping[str, str] | None
    listed: frozenset[ListPlace] = frozenset()
    seen_ms: int = 0
    short: ShortLease | None = None
    queue: OwnQueue | None = None
    bindings: tuple[OwnBinding, ...] = ()
    devices: "Mapping[str, Placement]" = NO_VALUES

    @property
    def is_blank(self) -> bool:
        """Whether no row of it, or of its further devices, is known to be there."""
        known = self.written is not None or self.listed or self.queue is not None or self.bindings
        return not known and all(each.is_blank for each in self.devices.values())
