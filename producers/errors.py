"""What can go wrong when events are published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts import Problem


@dataclass(frozen=True, slots=True)
class Receipt:
    """That an event is safe in the intake journal.

    Attributes:
        event_id: its id, the one it was given here included.
        source: who says it; (source, id) names the event.
        event_key: its name in the store.
        rung: a message that carries it was sent; else the pending one, or a sweep, takes it along.
        id_reused: it is *not* in the journal: another event with this id still is, and stays.
        journaled_before: an equal event is in the journal since an earlier call.
    """

    event_id: str
    source: str
    event_key: str
    rung: bool
    id_reused: bool = False
    journaled_before: bool = False


class BatchViolation(Exception):  # noqa: N818 - named like ContractViolation
    """Some events of a call break the contract; none of them was published."""

    def __init__(self, problems: Iterable[tuple[int, Problem]]) -> None:
        """Take each problem with the index of its event in the call."""
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(f"event {index}: {problem}" for index, problem in self.problems)


class PublishFailed(Exception):  # noqa: N818 - says what happened
    """Redis did not take the events; publish the same call again when its cause is mended.

    Attributes:
        reason: what happened and what to do.
        receipts: of the events that were written before it did; to write them again does no harm.
    """

    def __init__(self, reason: str, receipts: Sequence[Receipt] = ()) -> None:
        self.reason = reason
        self.receipts = tuple(receipts)
        super().__init__(reason, self.receipts)

    def __str__(self) -> str:
        written = len(self.receipts)
        return f"{self.reason} ({written} events were written before)" if written else self.reason
