"""Orders operations: one that needs a MAC or an address comes after the one that frees it.

Knows nothing of rows but their keys, only which operation needs which.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.core.rows.operations import Note, Operation, Waiting, for_device
from worker.core.rows.rows import RowKey, number_of_member, service_of_member


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
