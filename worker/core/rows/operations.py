"""One write to a router each, and the plan that orders them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.core.rows.rows import LEASES, ListPlace, MenuPath, RowKey
from worker.core.storage_format import printable

_IDENTITY: Final = frozenset({"mac-address", "address", "server"})


@dataclass(frozen=True, slots=True)
class Add:
    """Make a static row. `fields` holds all of them, `comment` included."""

    number: int
    service_id: str
    fields: Mapping[str, str]
    needs: frozenset[int] = frozenset()
    menu: MenuPath = LEASES


@dataclass(frozen=True, slots=True)
class Set:
    """Change the named fields of one static row; `was` is what they held when it was read."""

    number: int
    service_id: str
    row_id: str
    fields: Mapping[str, str]
    was: Mapping[str, str]
    needs: frozenset[int] = frozenset()
    menu: MenuPath = LEASES


@dataclass(frozen=True, slots=True)
class MakeStatic:
    """Turn a dynamic lease into a static one in place (same row, same address).

    The row has no tag until the `Set` that needs this operation. So `was`, what it held when it
    was read, must be stored as *last written* before this is sent: then a pass after a crash in
    between knows the row for ours.
    """

    number: int
    service_id: str
    row_id: str
    needs: frozenset[int] = frozenset()
    was: Mapping[str, str] = field(default_factory=dict)
    menu: MenuPath = LEASES


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a row of ours, or a dynamic one that our policy may drop; `was` says what it held."""

    number: int
    service_id: str
    row_id: str
    was: Mapping[str, str]
    needs: frozenset[int] = frozenset()
    menu: MenuPath = LEASES


Operation = Add | Set | MakeStatic | Remove
"""`number` is unique in a plan; `needs` names the operations without which this one must not go."""


def is_new_row(operation: Operation) -> bool:
    """Whether it makes a static lease where the service has none."""
    return operation.menu == LEASES and isinstance(operation, Add | MakeStatic)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing can be written for a service now, in a word and in a sentence.

    Attributes:
        reason: `foreign-row`, `ambiguous-rows`, `row-in-the-way`, `dynamic-lease`, `claim-held`,
            `option-changed`, `unknown-plan`, `not-expressible`, …
        detail: one sentence that names the row or the holder.
    """

    reason: str
    detail: str

    def __post_init__(self) -> None:
        """Make the words printable: some are a router's own."""
        object.__setattr__(self, "detail", printable(self.detail))


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know of, that stops nothing.

    Attributes:
        service_id: whom it is about.
        kind: `tag-lost`, `duplicate-row`, `late-row`, `disabled-by-hand`, `address-still-used-by`,
            `listed-by-others`, `suspend-mode`, `options-not-managed` or `rate-not-managed`.
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
        reason: why it is empty (`already-current`, `waiting`, `nothing-wanted`), else `writes`.
        waiting: the services that cannot go on, each with why.
        notes: what was noticed beside.
        duplicates: rows that look like a service's beside its own row. They are foreign:
            give them to the next plan of this session, which may not see it any more, as the
            service's own row was removed.
        listed: by service, what its own rows in address lists say.
    """

    phases: tuple[tuple[Operation, ...], ...] = ()
    reason: str = "already-current"
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    duplicates: frozenset[RowKey] = frozenset()
    listed: Mapping[str, frozenset[ListPlace]] = field(default_factory=dict)

    def operations(self) -> Iterator[Operation]:
        """All operations, phase by phase."""
        for phase in self.phases:
            yield from phase


def moved_rows(plan: WritePlan) -> frozenset[str]:
    """The services whose static lease is given another MAC, address or server."""
    return frozenset(
        each.service_id
        for each in plan.operations()
        if isinstance(each, Set) and each.menu == LEASES and each.fields.keys() & _IDENTITY
    )
