"""The writes to a router, and the plan that orders them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.sealing import SEALED
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.rows import DEVICE_FIELDS, LEASES, QUEUES, ListPlace, MenuPath, RowKey
from worker.core.storage_format import printable

IDENTIFYING: Final = frozenset({*DEVICE_FIELDS, "address", "server"})
"""The fields of an identity."""


def shown(value: str) -> str:
    """Return a field's value as people may see it: `***` for a sealed password."""
    return "***" if value.startswith(SEALED) else value


@dataclass(frozen=True, slots=True)
class Write:
    """What each operation states.

    Attributes:
        number: unique in a plan.
        needs: numbers of the operations that must succeed before this one.
        device: number of the service's further device that it is for; empty: the first one.
    """

    number: int
    service_id: str
    needs: frozenset[int] = field(default=frozenset(), kw_only=True)
    menu: MenuPath = field(default=LEASES, kw_only=True)
    device: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Add(Write):
    """Make a static row; `fields` are all of them, including `comment`."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Set(Write):
    """Change fields of one static row; `was` are their values when it was read."""

    row_id: str
    fields: Mapping[str, str]
    was: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MakeStatic(Write):
    """Turn a dynamic lease into a static one in place (same row, same address).

    The row has no tag until the `Set` that needs this operation. So `was`, its fields when it was
    read, must be stored as *last written* before this is sent: then a pass after a crash in
    between recognises the row as ours.
    """

    row_id: str
    was: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remove(Write):
    """Delete a row of ours, or a dynamic one that the policy lets us drop; `was` are its fields."""

    row_id: str
    was: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Move(Write):
    """Put a row of ours elsewhere in the order of its menu; `was` are its fields.

    Attributes:
        before: id of the row that it is to stand before; empty: it becomes the last.
        place: the same as the policy says it, such as `first`.
    """

    row_id: str
    before: str
    place: str
    was: Mapping[str, str]
    menu: MenuPath = field(default=QUEUES, kw_only=True)


Operation = Add | Set | MakeStatic | Remove | Move


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing can be written for a service now.

    Attributes:
        reason: `foreign-row`, `ambiguous-rows`, `row-in-the-way`, `dynamic-lease`, `claim-held`,
            `devices-alike`, `option-changed`, `unknown-plan`, `not-expressible`, …
        detail: one sentence that names the row or the holder.
    """

    reason: str
    detail: str

    def __post_init__(self) -> None:
        """Make the text printable: parts come from a router."""
        object.__setattr__(self, "detail", printable(self.detail))


def for_device(number: str, text: str) -> str:
    """Return a text that begins with the further device it is about; without one as it is."""
    return f"device {number}: {text}" if number else text


def device_named(text: str) -> str:
    """Return the number of the further device with which a text begins; empty: with none."""
    first, _, _ = text.partition(": ")
    return first.removeprefix("device ") if first.startswith("device ") else ""


def describe(operation: Operation) -> str:
    """Describe an operation in one line, for history and log."""
    where = "" if operation.menu == LEASES else f"{operation.menu} "
    return for_device(operation.device, where + _describe(operation))


def _describe(operation: Operation) -> str:
    match operation:
        case Add(fields=fields):
            return f"add {_pairs(fields)}"
        case Set(row_id=row_id, fields=fields, was=was):
            changes = (
                f"{name}: {shown(was.get(name, ''))} -> {shown(value)}"
                for name, value in fields.items()
            )
            return f"set {row_id} {', '.join(changes)}"
        case MakeStatic(row_id=row_id):
            return f"make-static {row_id}"
        case Move(row_id=row_id, place=place):
            return f"move {row_id} to its place: {place}"
        case Remove(row_id=row_id, was=was):
            return f"remove {row_id} {_pairs(was)}"


def _pairs(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shown(value)}" for name, value in fields.items())


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person should know and that stops nothing.

    Attributes:
        kind: `tag-lost`, `duplicate-row`, `late-row`, `disabled-by-hand`, `address-still-used-by`,
            `listed-by-others`, `suspend-mode`, `options-not-managed`, `rate-not-managed`,
            `rate-on-lease`, `queue-disabled`, `queue-place`, `queue-shadowed`, `lease-queue`,
            `binding-disabled`, `ipv6-client-unknown`, `ipv6-client-ambiguous` or
            `ipv6-client-changed`.
        detail: one sentence that names the row.
    """

    service_id: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Phases of operations, in order; operations of one phase commute.

    Attributes:
        phases: empty when nothing is to be written.
        operations: all of them, phase by phase.
        reason: why it is empty (`already-current`, `waiting`, `nothing-wanted`), else `writes`.
        waiting: why each service that cannot continue waits.
        notes: for people.
        duplicates: rows that look like a service's own beside its row. They are foreign. The next
            plan of this session needs them: it cannot see this any more if the service's own row
            was removed.
        listed: the entries of own rows in address lists, by service, of those that have or want
            some; of further devices by their `member_id`.
        bindings: by service, its own IPv6 bindings once the plan is written, with the clients that
            were learned.
    """

    phases: tuple[tuple[Operation, ...], ...] = ()
    operations: tuple[Operation, ...] = ()
    reason: str = "already-current"
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    duplicates: frozenset[RowKey] = frozenset()
    listed: Mapping[str, frozenset[ListPlace]] = field(default_factory=dict)
    bindings: Mapping[str, tuple[OwnBinding, ...]] = field(default_factory=dict)
