"""The writes to a router, and the plan that orders them.

One that needs a MAC or an address comes after the one that frees it. Nothing here knows more of
rows than their keys.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contracts.sealing import SEALED
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.rows import (
    DEVICE_FIELDS,
    LEASES,
    QUEUES,
    ListPlace,
    MenuPath,
    RowKey,
    number_of_member,
    service_of_member,
)
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


def fields_to_free(
    blocked_by: Mapping[str, Sequence[tuple[str, str]]],
) -> Mapping[str, frozenset[str]]:
    """Break every ring of services whose rows hold what the next one wants.

    Args:
        blocked_by: service -> the fields it wants, each with the service whose row holds the value.

    Returns:
        Service -> the fields that its row must free before anything else, so that no ring is left.
        In a plain ring it is one field of the service with the smallest id.
    """
    freed: dict[str, set[str]] = defaultdict(set)
    on_path: dict[str, bool] = {}  # False: followed to its end
    for start in sorted(blocked_by):
        if start in on_path:
            continue
        on_path[start] = True
        path = [(start, iter(blocked_by[start]))]
        while path:
            service_id, rest = path[-1]
            for name, blocker in rest:
                if blocker not in on_path:
                    on_path[blocker] = True
                    path.append((blocker, iter(blocked_by.get(blocker, ()))))
                    break
                if on_path[blocker]:
                    freed[blocker].add(name)
            else:
                on_path[service_id] = False
                path.pop()
    return {service_id: frozenset(names) for service_id, names in freed.items()}


@dataclass(eq=False, slots=True)
class Step:
    """An operation without a number yet, and the steps that it needs."""

    draft: Operation
    needs: list["Step"] = field(default_factory=list)


@dataclass(slots=True)
class PlanDraft:
    """A plan in the making.

    Attributes:
        steps: in a fixed order.
        waiting: why services wait of which a row beside the lease cannot be written now.
        duplicates: rows that look like a service's own beside its row: copies made by hand, not
            ours.
    """

    steps: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    duplicates: set[RowKey] = field(default_factory=set)

    def step(self, draft: Operation, *needs: Step) -> Step:
        """Add an operation that needs others."""
        step = Step(draft, list(needs))
        self.steps.append(step)
        return step

    def note(self, member: str, kind: str, detail: str) -> None:
        """Note something of a service, or of a further device of one, that a person should know."""
        text = for_device(number_of_member(member), detail)
        self.notes.append(Note(service_of_member(member), kind, text))

    def leave_alone(self, member: str, key: RowKey, name: str) -> None:
        """Note a row with the tag of a service beside its own."""
        self.duplicates.add(key)
        self.note(member, "duplicate-row", f"{name} has its tag too; it is left alone")

    def wait(self, service_id: str, why: Waiting) -> None:
        """Note why a service waits; the first reason stays."""
        self.waiting.setdefault(service_id, why)


def into_phases(steps: Sequence[Step]) -> tuple[tuple[Operation, ...], ...]:
    """Number the steps and group them: each goes to the first phase after all that it needs.

    Those of one phase are numbered in the order of `steps`, which have no ring.
    """
    position = {step: number for number, step in enumerate(steps)}
    missing = {step: len(step.needs) for step in steps}
    followers: dict[Step, list[Step]] = defaultdict(list)
    for step in steps:
        for needed in step.needs:
            followers[needed].append(step)
    numbers: dict[Step, int] = {}
    phases = []
    ready = [step for step in steps if not step.needs]
    while ready:
        for step in ready:
            numbers[step] = len(numbers) + 1
        phases.append(tuple(_numbered(step, numbers) for step in ready))
        following = []
        for step in ready:
            for follower in followers.get(step, ()):
                missing[follower] -= 1
                if not missing[follower]:
                    following.append(follower)
        ready = sorted(following, key=position.__getitem__)
    return tuple(phases)


def _numbered(step: Step, numbers: Mapping[Step, int]) -> Operation:
    needs = frozenset(numbers[needed] for needed in step.needs)
    return replace(step.draft, number=numbers[step], needs=needs)
