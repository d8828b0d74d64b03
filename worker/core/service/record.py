"""The service record: all that is known of one service."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import JsonValue

from worker.core.rows.normal import prefix6
from worker.core.rows.option82 import hex_of, joined
from worker.core.rows.rows import NO_ADDRESS, OPTION_82, device_field
from worker.core.service.event_ref import NEVER, Version
from worker.core.service.record_parts import (
    DEFAULTS,
    DEVICE_REGISTERS,
    NO_VALUES,
    Assigned,
    AssignedKind,
    LeftValue,
    PendingEvent,
    Placement,
    Register,
    RowsAt,
    Status,
    Unassigned,
)
from worker.core.service.schedule import NOTHING_SCHEDULED, Schedule


class ServiceRecord(NamedTuple):
    """All that is known of a service.

    Attributes:
        service_id: the BSS's name of it.
        owner: source of the first event of a source that may own services; None: none came yet.
        epoch: of the owner's versions; raised when the owner restarts its counters, or changes.
        registers: by name; those never written are missing (see `value`).
        highest: the greatest version ever folded.
        placements: by router; added before anything is written there.
        pending: events accepted and not yet confirmed, in the order of acceptance.
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
    registers: Mapping[str, Register] = NO_VALUES
    highest: Version = NEVER
    placements: Mapping[str, Placement] = NO_VALUES
    pending: tuple[PendingEvent, ...] = ()
    schedule: Schedule = NOTHING_SCHEDULED
    last_event_ms: int = 0
    assigned: Mapping[AssignedKind, Assigned] = NO_VALUES
    unassigned: Mapping[AssignedKind, Unassigned] = NO_VALUES
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
        if self.assigned or self.unassigned:
            return True
        return "assigned" in (_mode(self.asked("address")), _mode(self.asked("prefix")))

    def asked(self, kind: AssignedKind) -> Any:  # noqa: ANN401 - a register
        """Return what the registers say of its address or its prefix; None: nothing."""
        if kind == "address":
            return self.value("address")
        ipv6: Any = self.value("ipv6")
        return ipv6 and ipv6["prefix"]

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
    def label(self) -> str:
        """The text that its BSS wants to be shown with it; empty: none."""
        return str(self.value("label") or "")

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

    @property
    def wanted_router(self) -> str | None:
        """The router that should have a row of it; None: nothing is to be written."""
        return self.row_router if self.is_complete and self.value("lifecycle") == "on" else None

    @property
    def is_given_address(self) -> bool:
        """Whether a pool of ours gives its address, and nothing else is missing."""
        return _mode(self.value("address")) == "assigned" and self.names_a_device

    @property
    def waits_for_address(self) -> bool:
        """Whether it has no address before a pool gives one."""
        waits = "address" in self.unassigned and self.address is None
        return waits and self.is_given_address and self.value("lifecycle") == "on"

    @property
    def is_complete(self) -> bool:
        """Whether a device and an address are known, as a row needs them."""
        return self.names_a_device and bool(self.address)

    @property
    def names_a_device(self) -> bool:
        """Whether events gave any field of `DEVICE_FIELDS`."""
        value = self.value
        return bool(value("mac") or value("ppp") or value("circuit_id") or value("remote_id"))

    def device_in(self, field: str) -> str:
        """Return what events gave for a field of `DEVICE_FIELDS`; empty: nothing."""
        if field == "mac-address":
            return str(self.value("mac") or "")
        if field == OPTION_82:
            circuit, remote = self.value("circuit_id"), self.value("remote_id")
            if not circuit and not remote:
                return ""
            return joined(hex_of(str(circuit or "")), hex_of(str(remote or "")))
        ppp: Any = self.value("ppp")
        return str(ppp["name"]) if ppp else ""

    def replaces(self, fields: Mapping[str, str]) -> bool:
        """Whether a row in lease form is for another device or address than it has now."""
        named_by = device_field(fields)
        return fields.get(named_by, "") != self.device_in(named_by) or (
            # That of a pool may be known to the router alone.
            fields["address"] not in (self.address, NO_ADDRESS)
        )

    @property
    def address(self) -> str | None:
        """What the field `address` of its row should have; None: none is known yet.

        Its fixed or assigned IPv4 address, or the name of a router's pool.
        """
        address: Any = self.value("address")
        if address is not None and address["mode"] == "static":
            return str(address["ipv4"])
        return self._value_of("address", address, "ipv4")

    @property
    def has_pool(self) -> bool:
        """Whether it gets an address of a pool of the router."""
        return _mode(self.value("address")) == "pool"

    @property
    def prefix(self) -> str | None:
        """Its IPv6 prefix; None: it has no IPv6, or no prefix is known yet."""
        return self._value_of("prefix", self.asked("prefix"), "ipv6")

    @property
    def prefixes(self) -> frozenset[str]:
        """Its prefix, and its IPv6 address as a /128, in normal form."""
        ipv6: Any = self.value("ipv6")
        known = (self.prefix, ipv6 and ipv6["address"])
        return frozenset(prefix6(value) for value in known if value)

    def _value_of(self, kind: AssignedKind, held: JsonValue, static: str) -> str | None:
        if not isinstance(held, dict):
            return None
        if held["mode"] == "assigned":
            return self.assigned[kind].value if kind in self.assigned else None
        return str(held[static] if held["mode"] == "static" else held["pool"])

    @property
    def assigned_values(self) -> Mapping[AssignedKind, str]:
        """What pools of ours gave it, where it still wants one of them."""
        given = self.assigned.items()
        return {kind: at.value for kind, at in given if _mode(self.asked(kind)) == "assigned"}

    def named_routers(self, besides: "ServiceRecord") -> set[str]:
        """The routers that it wants, now or later, and that another record of it does not want."""
        return _routers_of(self) - _routers_of(besides)


def _routers_of(record: ServiceRecord) -> set[str]:
    writes = [said for e in record.schedule.pending for said in (e.own, e.beside)]
    later = {str(said["router"]) for said in writes if said.get("router")}
    router = record.router
    return later | ({router} if router else set())


def _mode(held: JsonValue) -> JsonValue:
    return held["mode"] if isinstance(held, dict) else None


def lacking(record: ServiceRecord) -> str:
    """Return what no event gave yet and a router needs; empty: nothing.

    A source may leave registers to others (`unmanaged`), whose events have not come yet.
    """
    if record.value("lifecycle") == "cancelled":
        return ""
    if record.value("lifecycle") is None:
        return "the service was not activated yet"
    known = {
        "router": record.router,
        "MAC": record.names_a_device,
        "address": record.address,
    }
    missing = [name for name, value in known.items() if not value]
    if missing == ["address"] and "address" in record.unassigned:
        return record.unassigned["address"].detail
    verb = "is" if len(missing) == 1 else "are"
    return f"its {' and '.join(missing)} {verb} not known yet" if missing else ""


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
    return record._replace(placements={**record.placements, router: placement})


def cleaned(record: ServiceRecord, router: str) -> tuple[ServiceRecord, tuple[LeftValue, ...]]:
    """Note that the rows of the service on a router are as wanted, or gone.

    Values of pools that stand nowhere any more are returned beside the record.
    """
    if not record.left:
        return record, ()
    after = [
        value._replace(routers=tuple(name for name in value.routers if name != router))
        for value in record.left
    ]
    left = record._replace(left=tuple(value for value in after if value.routers))
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
    return record._replace(pending=()), _ends_of(record)


def settle_overtaken(record: ServiceRecord) -> tuple[ServiceRecord, tuple[Settled, ...]]:
    """End the pending events whose registers were all set by newer ones: they cannot apply.

    So a record has at most as many pending events as there are registers.
    """
    ends = _ends_of(record)
    overtaken = tuple(end for end in ends if end.outcome == "superseded")
    if not overtaken:
        return record, ()
    kept = tuple(end.pending for end in ends if end.outcome == "applied")
    return record._replace(pending=kept), overtaken


def _ends_of(record: ServiceRecord) -> tuple[Settled, ...]:
    return tuple(Settled(event, *_end_of(event, record)) for event in record.pending)


def _end_of(
    event: PendingEvent, record: ServiceRecord
) -> tuple[Literal["applied", "superseded"], str | None]:
    holders = [record.registers[name] for name in event.registers]
    if not holders or any(holder.version == event.version for holder in holders):
        return "applied", None
    return "superseded", max(holders, key=lambda holder: holder.version).event
