"""What publishing returns and raises."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import Problem


@dataclass(frozen=True, slots=True)
class Receipt:
    """Confirms that an event is safe: in the intake journal, or in the spool on this host's disk.

    Attributes:
        event_id: id of the event, also where it was filled in.
        source: source of the event; source and id together name an event.
        event_key: key of the event in the store.
        notified: this call sent a message that wakes a worker. False when one was pending already,
            and always over HTTP, where the gateway does it.
        id_reused: the event is *not* in the journal, because another event with this id is.
        journaled_before: an equal event has been in the journal since an earlier call.
        spooled: the event is not in the journal yet: the gateway or Redis is unavailable, or
            earlier events are still in the spool.
    """

    event_id: str
    source: str
    event_key: str
    notified: bool = False
    id_reused: bool = False
    journaled_before: bool = False
    spooled: bool = False


class BatchViolation(Exception):  # noqa: N818 - named like ContractViolation
    """Some events of a call violate the contract; no event of the call was published."""

    def __init__(self, problems: Iterable[tuple[int, Problem]]) -> None:
        """Take each problem with the index of its event in the call."""
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(f"event {index}: {problem}" for index, problem in self.problems)


class PublishFailed(Exception):  # noqa: N818 - says what happened
    """The events were not taken. Publish the same call again when the cause is repaired.

    Attributes:
        reason: what happened and what to do.
        receipts: of the events that were written before; writing them again does no harm.
        retry_after_s: the wait that the other side asked for, if any.
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
    """The gateway or Redis refuses our key or login. The events are fine; a person must act."""


class SpoolFailed(PublishFailed):
    """The event is nowhere: the transport failed, and the spool is full or cannot be written."""


class BatchRefused(Exception):  # noqa: N818 - says what happened
    """Raised by a transport: some events of a batch will never be taken; none was taken.

    Attributes:
        problems: reason by index in the batch; empty when the answer names no event.
        message: the whole answer.
    """

    def __init__(self, message: str, problems: Mapping[int, str]) -> None:
        self.message = message
        self.problems = dict(problems)
        super().__init__(message, self.problems)


class EventsRefused(Exception):  # noqa: N818 - says what happened
    """Some events of a call will never be taken; the others are safe.

    Attributes:
        refused: reason by event id.
        receipts: of the other events.
    """

    def __init__(self, refused: Mapping[str, str], receipts: Sequence[Receipt]) -> None:
        self.refused = dict(refused)
        self.receipts = tuple(receipts)
        super().__init__(self.refused, self.receipts)

    def __str__(self) -> str:
        return "; ".join(f"event {event_id}: {reason}" for event_id, reason in self.refused.items())
