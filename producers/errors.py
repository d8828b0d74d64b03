"""What can go wrong when events are published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts import Problem


@dataclass(frozen=True, slots=True)
class Receipt:
    """That an event is safe: in the intake journal, or `spooled` on this host's disk.

    Attributes:
        event_id: its id, the one it was given here included.
        source: who says it; (source, id) names the event.
        event_key: its name in the store.
        notified: a message that calls a worker was sent; else the pending one, or a sweep, does.
            Over HTTP that is the gateway's affair, and False.
        id_reused: it is *not* in the journal: another event with this id still is, and stays.
        journaled_before: an equal event is in the journal since an earlier call.
        spooled: it is not in the journal yet: the way in is down, or serves earlier events first.
    """

    event_id: str
    source: str
    event_key: str
    notified: bool = False
    id_reused: bool = False
    journaled_before: bool = False
    spooled: bool = False


class BatchViolation(Exception):  # noqa: N818 - named like ContractViolation
    """Some events of a call break the contract; none of them was published."""

    def __init__(self, problems: Iterable[tuple[int, Problem]]) -> None:
        """Take each problem with the index of its event in the call."""
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(f"event {index}: {problem}" for index, problem in self.problems)


class PublishFailed(Exception):  # noqa: N818 - says what happened
    """The events were not taken; publish the same call again when its cause is mended.

    Attributes:
        reason: what happened and what to do.
        receipts: of the events that were written before it did; to write them again does no harm.
        retry_after_s: how long whoever refused asks to be left alone; None if it did not say.
    """

    def __init__(
        self, reason: str, receipts: Sequence[Receipt] = (), retry_after_s: float | None = None
    ) -> None:
        self.reason = reason
        self.receipts = tuple(receipts)
        self.retry_after_s = retry_after_s
        super().__init__(reason, self.receipts, retry_after_s)

    def __str__(self) -> str:
        written = len(self.receipts)
        return f"{self.reason} ({written} events were written before)" if written else self.reason


class KeyRefused(PublishFailed):
    """The gateway or Redis does not let us in: the events are fine, a person must act."""


class SpoolFailed(PublishFailed):
    """The way in is down, and the spool is full or cannot be written: nothing holds the event."""


class BatchRefused(Exception):  # noqa: N818 - says what happened
    """What a transport raises: events of one batch will never be taken; none of it was.

    Attributes:
        problems: index in the batch -> why; empty when the answer names none.
        message: of the whole answer.
    """

    def __init__(self, message: str, problems: Mapping[int, str]) -> None:
        self.message = message
        self.problems = dict(problems)
        super().__init__(message, self.problems)


class EventsRefused(Exception):  # noqa: N818 - says what happened
    """Some events will never be taken as they are; the others of the call were.

    Attributes:
        refused: id of each -> why.
        receipts: of the others.
    """

    def __init__(self, refused: Mapping[str, str], receipts: Sequence[Receipt]) -> None:
        self.refused = dict(refused)
        self.receipts = tuple(receipts)
        super().__init__(self.refused, self.receipts)

    def __str__(self) -> str:
        return "; ".join(
            f"event {event_id}: {message}" for event_id, message in self.refused.items()
        )
