"""What a transport is given and does, how batches are sent, and how long to wait after a failure.

The transports are `JournalTransport` (Redis) and `HttpTransport` (the gateway).
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeVar

from pydantic_core import to_json

from contracts.names import MAX_EVENTS_PER_MESSAGE, Lane
from contracts.operator_proof import with_proof
from producers.errors import BatchRefused, PublishFailed, Receipt

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Size of one batch with its brackets and commas: a larger one would delay everybody else."""
_LONGEST_RETRY_AFTER_S: Final = 3_600.0


class CompleteEvent(NamedTuple):
    """An event ready to be sent: complete, valid, in normal form.

    Attributes:
        key: its key in the store.
        event: the JSON object.
        body: the same as text.
    """

    key: str
    event: dict[str, object]
    body: str

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.event["id"])

    @property
    def source(self) -> str:
        """The event's source."""
        return str(self.event["source"])

    def receipt(self, **state: bool) -> Receipt:
        """A receipt for it, of which `state` holds."""
        return Receipt(self.id, self.source, self.key, **state)


def proven_event(event: CompleteEvent, secret: str) -> CompleteEvent:
    """Add the proof that its publisher may speak for operators."""
    proven = with_proof(event.event, secret)
    return event._replace(event=proven, body=to_json(proven).decode())


class _Sendable(Protocol):
    @property
    def body(self) -> str: ...


WithBody = TypeVar("WithBody", bound=_Sendable)


class Transport(Protocol):
    """Brings events to the intake journal. Several threads may use one transport."""

    def send(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        """Send one batch: at most 500 events and `MAX_MESSAGE_BYTES`, all with different keys.

        Returns:
            A receipt for each event, in order. It is final.

        Raises:
            BatchRefused: some of the events will never be taken; none was taken.
            PublishFailed: the events may be sent again; those with a receipt were taken.
        """

    def close(self) -> None:
        """Close the connections; sending again opens new ones."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, with jitter, so that many callers do not return at the same moment.

    Attributes:
        first_s: shortest wait, and the first one.
        cap_s: longest wait.
    """

    first_s: float = 1.0
    cap_s: float = 300.0

    def wait_s(self, failures: int, retry_after_s: float | None = None) -> float:
        """Return the next wait.

        Args:
            failures: in a row, from 1.
            retry_after_s: what `Retry-After` asked for; respected up to one hour.
        """
        longest = min(self.cap_s, self.first_s * 2 ** min(failures - 1, 30))
        wait_s = random.uniform(self.first_s, longest)  # noqa: S311 - no secret depends on it
        return max(wait_s, min(retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S))


@dataclass(slots=True)
class Delivered:
    """What happened to the events of a call.

    Attributes:
        receipts: receipt by event key.
        refused: reason by event key, for events that will never be taken.
        failure: why the other events were not sent or not answered.
    """

    receipts: dict[str, Receipt] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failure: PublishFailed | None = None


def deliver(transport: Transport, events: Iterable[CompleteEvent], lane: Lane) -> Delivered:
    """Send events in order, in batches. A refused event does not stop the others."""
    done = Delivered()
    for batch in batches(events):
        _send(transport, batch, lane, done)
    return done


def batches(events: Iterable[WithBody]) -> Iterator[list[WithBody]]:
    """Split events into batches that a transport takes."""
    batch: list[WithBody] = []
    size = 2
    for event in events:
        length = len(event.body.encode()) + 1
        if batch and (len(batch) == MAX_EVENTS_PER_MESSAGE or size + length > MAX_MESSAGE_BYTES):
            yield batch
            batch, size = [], 2
        batch.append(event)
        size += length
    if batch:
        yield batch


def _send(
    transport: Transport, batch: Sequence[CompleteEvent], lane: Lane, done: Delivered
) -> None:
    if done.failure is not None or not batch:
        return
    try:
        receipts: Sequence[Receipt] = transport.send(batch, lane)
    except PublishFailed as failure:
        done.failure, receipts = failure, failure.receipts
    except BatchRefused as refusal:
        receipts = ()
        reasons = {i: reason for i, reason in refusal.problems.items() if 0 <= i < len(batch)}
        if not reasons and len(batch) == 1:
            reasons = {0: refusal.message}
        done.refused |= {batch[index].key: reason for index, reason in reasons.items()}
        rest = [event for index, event in enumerate(batch) if index not in reasons]
        # An answer that names no event: find it by sending half as many at a time.
        half = len(rest) if reasons else len(rest) // 2
        _send(transport, rest[:half], lane, done)
        _send(transport, rest[half:], lane, done)
    done.receipts |= {receipt.event_key: receipt for receipt in receipts}
