"""What we know of one service.

Nothing here knows of Redis or of a router.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from pydantic import JsonValue

from worker.core.rows.rows import ListPlace
from worker.core.service.schedule import NOTHING_SCHEDULED, Schedule
from worker.core.service.version import NEVER, Version

DEFAULTS: Final[Mapping[str, JsonValue]] = {
    "lifecycle": None,  # None, "on" or "cancelled"
    "suspension": None,  # None or {"mode": …, "reason_code": …}; mode None: the policy's
    "router": None,  # the inventory's name
    "dhcp_server": None,  # None: the policy's
    "mac": None,
    "serial": None,
    "circuit_id": None,
    "remote_id": None,
    "address": None,  # {"mode": "static", "ipv4": …} or {"mode": "pool", "pool": …}
    "plan": None,  # {"code": …, "down_kbps": …, "up_kbps": …}, the rates where given
    "dns_servers": [],
    "options": [],  # [{"code": …, "hex": …}, …]
    "label": None,
    "customer_id": None,
}
"""Every register, with what it holds while nothing was said of it. Values are never changed."""

SAID_AT_ONCE: Final = 1_000
"""So many own versions of a service fit into a microsecond: those of one call say one time."""

Status = Literal["incomplete", "active", "suspended", "cancelled"]


class Register(NamedTuple):
    """One thing known of a service.

    Attributes:
        value: what it is.
        version: under which that was said.
        event: id of the event that said so.
        stated: the newest version of an event that was about this register. A snapshot and a
            `service` block speak of the present and are about none.
    """

    value: JsonValue
    version: Version
    event: str
    stated: Version = NEVER


class PendingEvent(NamedTuple):
    """An event that was folded but is not yet seen on the router.

    Attributes:
        key: its name in the store (`contracts.event_key`).
        event_id: as its source named it.
        source: who sent it.
        type: its full type.
        registers: the ones it wrote when it was folded; none of one that changed nothing, and is
            applied when that was seen on the router.
        version: under which it wrote them.
        accepted_at_ms: when, by the store's clock.
        lane: the way it came in, `events` or `bulk`.
    """

    key: str
    event_id: str
    source: str
    type: str
    registers: tuple[str, ...]
    version: Version
    accepted_at_ms: int
    lane: str


class Placement(NamedTuple):
    """A router on which a row of the service may exist.

    Attributes:
        written: fields of the last lease written there and read back; None: none yet, or the
            entry was an absence.
        listed: what rows of its own in address lists may say, noted before they are written.
        seen_ms: when a pass last found all there as wanted, by Redis's clock; 0: not yet.
    """

    written: Mapping[str, str] | None
    listed: frozenset[ListPlace] = frozenset()
    seen_ms: int = 0


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """All we know of a service.

    Attributes:
        service_id: the BSS's name of it.
        owner: source of the first event; None until a source has spoken that may own services.
        epoch: of the owner's versions; raised when the owner counts anew, or is another one.
        registers: by name; the ones nobody wrote are missing (see `value`).
        highest: the greatest version ever folded.
        placements: by router; one joins before anything is written there.
        pending: accepted and not yet confirmed, in the order of acceptance.
        schedule: events that are to take effect later.
        last_event_ms: when the newest event came that wrote something (of a file's row, the time
            it speaks of), by Redis's clock: a row that is older undoes nothing.
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

    def value(self, name: str) -> JsonValue:
        """What a register holds: its default while nobody wrote it."""
        register = self.registers.get(name)
        return DEFAULTS[name] if register is None else register.value

    @property
    def status(self) -> Status:
        """What a person is shown; a function of lifecycle and suspension alone."""
        lifecycle = self.value("lifecycle")
        if lifecycle is None:
            return "incomplete"
        if lifecycle == "cancelled":
            return "cancelled"
        return "active" if self.value("suspension") is None else "suspended"

    @property
    def router(self) -> str | None:
        """The router that the service is to be served by."""
        router = self.value("router")
        return None if router is None else str(router)


def own_version(record: ServiceRecord, digest: str, said_us: int, names: Iterable[str]) -> Version:
    """The version of an event of an operator or of Leasewire itself, stamped once in its commit.

    It beats what the owner said so far, and loses to the owner's next word. Among each other such
    events go by the times at which they were said, whichever is folded first: who finds one about
    the same that was said later takes a place below that one. Of equal times the order of arrival
    counts.

    Args:
        record: of the service, as the commit finds it.
        digest: of the event (`contracts.version_hash`).
        said_us: when it was said, in microseconds since 1970.
        names: the registers that it writes.
    """
    at = max(said_us, 0) * SAID_AT_ONCE
    held = [record.registers[name].version for name in names if name in record.registers]
    later = [each[:2] for each in held if each.local >= at + SAID_AT_ONCE]
    epoch, revision = min(later, default=record.highest[:2])
    every = [record.highest, *(register.version for register in record.registers.values())]
    at_once = [
        each.local
        for each in every
        if each[:2] == (epoch, revision) and at <= each.local < at + SAID_AT_ONCE
    ]
    return Version(epoch, revision, max(at_once, default=at) + 1, digest)


def place(record: ServiceRecord, router: str) -> ServiceRecord:
    """Note that a row may come to exist on a router: to be stored before the first write there."""
    if router in record.placements:
        return record
    return replace(record, placements={**record.placements, router: Placement(None)})


class Settled(NamedTuple):
    """The end of an outstanding event; `by` is the id of the event that overtook it."""

    pending: PendingEvent
    outcome: Literal["applied", "superseded"]
    by: str | None


def settle(record: ServiceRecord) -> tuple[ServiceRecord, tuple[Settled, ...]]:
    """Say what became of every outstanding event, once the entry was read back as wanted.

    An event is applied if a register that it wrote still carries its version (or if it had none
    to write), else superseded by the newest event that holds one of them.
    """
    return replace(record, pending=()), _ends_of(record)


def settle_overtaken(record: ServiceRecord) -> tuple[ServiceRecord, tuple[Settled, ...]]:
    """End the outstanding events of which newer ones hold every register: they cannot apply.

    So a record lists at most as many outstanding events as there are registers.
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
