"""The service record: all that is known of one service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from pydantic import JsonValue

from worker.core.rows.bindings import OwnBinding
from worker.core.rows.queues import OwnQueue
from worker.core.rows.rows import ListPlace
from worker.core.service.event_ref import NEVER, EventRef, Version
from worker.core.service.schedule import NOTHING_SCHEDULED, Schedule

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
        value: as JSON.
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
        detail: one sentence.
    """

    pool: str
    reason: str
    detail: str


class LeftValue(NamedTuple):
    """A value of a pool that a service gave back, while a row with it may still stand.

    Attributes:
        value: in normal form.
        pool: the pool's name.
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
        event: the event.
        registers: the ones it wrote when it was folded; none of one that changed nothing, and is
            applied when that was seen on the router.
        version: under which it wrote them.
    """

    event: EventRef
    registers: tuple[str, ...]
    version: Version


class ShortLease(NamedTuple):
    """The lease time of a row while it is shortened for scheduled events, and until it is back.

    Attributes:
        lease_time: the short one.
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


_NO_DEVICES: "Final[Mapping[str, Placement]]" = MappingProxyType({})


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
    devices: "Mapping[str, Placement]" = _NO_DEVICES


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """All that is known of a service.

    Attributes:
        service_id: the BSS's name of it.
        owner: source of the first event of a source that may own services; None: none came yet.
        epoch: of the owner's versions; raised when the owner restarts its counters, or changes.
        registers: by name; those never written are missing (see `value`).
        highest: the greatest version ever folded.
        placements: by router; added before anything is written there.
        pending: events accepted and not yet confirmed, in the order of acceptance.
        schedule: events that take effect later.
        assigned: what pools of ours gave it. It is kept while the service is suspended, and in the
            record of a cancelled one; it counts only while its register has mode `assigned`.
        unassigned: what it waits for: a value of a pool, or one that another service has.
        left: values of pools that it gave back, while rows with them may still stand.
        last_event_ms: when the newest event came that wrote something, by Redis's clock (of a
            row of a file, the time it describes): an older row of a file undoes nothing.
        rows_at: on which router its row stands, as the last commit found it in the inventory; None:
            on `router`. That of another `router` than the service has now says nothing.
    """

    service_id: str
    owner: str | None = None
    epoch: int = 0
    registers: Mapping[str, Register] = field(default_factory=dict)
    highest: Version = NEVER
    placements: Mapping[str, Placement] = field(default_factory=dict)
    pending: tuple[PendingEvent, ...] = ()
    schedule: Schedule = NOTHING_SCHEDULED
    last_event_ms: int = 0
    assigned: Mapping[AssignedKind, Assigned] = field(default_factory=dict)
    unassigned: Mapping[AssignedKind, Unassigned] = field(default_factory=dict)
    left: tuple[LeftValue, ...] = ()
    rows_at: RowsAt | None = None

    def value(self, name: str) -> JsonValue:
        """Return the value of a register: its default until it is written; or all `devices`."""
        register = self.registers.get(name)
        if register is not None:
            return register.value
        return [*self.devices.values()] if name == "devices" else DEFAULTS[name]

    @property
    def devices(self) -> dict[str, JsonValue]:
        """The values of its further devices, by number."""
        held = {number: self.registers.get(name) for number, name in DEVICE_REGISTERS.items()}
        return {
            number: register.value
            for number, register in held.items()
            if register and register.value
        }

    @property
    def names_a_pool(self) -> bool:
        """Whether it has, wants or waits for an address or a prefix of a pool of ours."""
        address, ipv6 = self.value("address"), self.value("ipv6")
        return (
            bool(self.assigned or self.unassigned)
            or (isinstance(address, dict) and address["mode"] == "assigned")
            or (isinstance(ipv6, dict) and _is_assigned(ipv6["prefix"]))
        )

    @property
    def status(self) -> Status:
        """The status for people; depends on lifecycle and suspension alone."""
        lifecycle = self.value("lifecycle")
        if lifecycle is None:
            return "incomplete"
        if lifecycle == "cancelled":
            return "cancelled"
        return "active" if self.value("suspension") is None else "suspended"

    @property
    def router(self) -> str | None:
        """The router that should serve the service."""
        router = self.value("router")
        return None if router is None else str(router)

    @property
    def row_router(self) -> str | None:
        """The router that should hold its row: `router`, or the one that runs its User Manager."""
        found = self.rows_at
        return found.at if found is not None and found.router == self.router else self.router

    def named_routers(self, besides: "ServiceRecord") -> set[str]:
        """The routers that it wants, now or later, and that another record of it does not want."""
        return _routers_of(self) - _routers_of(besides)


def _routers_of(record: ServiceRecord) -> set[str]:
    writes = [said for e in record.schedule.pending for said in (e.own, e.beside)]
    later = {str(said["router"]) for said in writes if said.get("router")}
    router = record.router
    return later | ({router} if router else set())


def _is_assigned(prefix: JsonValue) -> bool:
    return isinstance(prefix, dict) and prefix["mode"] == "assigned"


def place(record: ServiceRecord, router: str) -> ServiceRecord:
    """Add a placement: to be stored before the first write to a router.

    It knows the DHCPv6 clients that other routers showed, so that the device has its prefix there
    when it asks first: by then its old rows may be gone.
    """
    if router in record.placements:
        return record
    learned = {
        binding.ia: binding._replace(address="")
        for placement in record.placements.values()
        for binding in placement.bindings
        if binding.is_known and binding.mac
    }
    placement = Placement(None, bindings=tuple(learned.values()))
    return replace(record, placements={**record.placements, router: placement})


def cleaned(record: ServiceRecord, router: str) -> tuple[ServiceRecord, tuple[LeftValue, ...]]:
    """Note that the rows of the service on a router are as wanted, or gone.

    Returns:
        The record, and the values of pools that stand nowhere any more.
    """
    if not record.left:
        return record, ()
    after = [
        value._replace(routers=tuple(name for name in value.routers if name != router))
        for value in record.left
    ]
    left = replace(record, left=tuple(value for value in after if value.routers))
    return left, tuple(value for value in after if not value.routers)


class Settled(NamedTuple):
    """The end of a pending event; `by` is the id of the event that overtook it."""

    pending: PendingEvent
    outcome: Literal["applied", "superseded"]
    by: str | None


def settle(record: ServiceRecord) -> tuple[ServiceRecord, tuple[Settled, ...]]:
    """End every pending event, once the entry was confirmed.

    An event is applied if a register that it wrote still has its version (or if it wrote none),
    else superseded by the newest event that set one of them.
    """
    return replace(record, pending=()), _ends_of(record)


def settle_overtaken(record: ServiceRecord) -> tuple[ServiceRecord, tuple[Settled, ...]]:
    """End the pending events whose registers were all set by newer ones: they cannot apply.

    So a record has at most as many pending events as there are registers.
    """
    ends = _ends_of(record)
    overtaken = tuple(end for end in ends if end.outcome == "superseded")
    if not overtaken:
        return record, ()
    kept = tuple(end.pending for end in ends if end.outcome == "applied")
    return replace(record, pending=kept), overtaken


def _ends_of(record: ServiceRecord) -> tuple[Settled, ...]:
    return tuple(Settled(event, *_end_of(event, record)) for event in record.pending)


def _end_of(
    event: PendingEvent, record: ServiceRecord
) -> tuple[Literal["applied", "superseded"], str | None]:
    holders = [record.registers[name] for name in event.registers]
    if not holders or any(holder.version == event.version for holder in holders):
        return "applied", None
    return "superseded", max(holders, key=lambda holder: holder.version).event
