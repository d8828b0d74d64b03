"""What a transport does, and how a number of events goes through one.

`celery_transport.py` and `http_transport.py` are the transports.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from contracts.names import MAX_EVENTS_PER_MESSAGE, Lane
from producers.complete import CompleteEvent
from producers.errors import BatchRefused, PublishFailed, Receipt

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Of events in one batch, its brackets and commas included: one must not hold up the others."""


class Transport(Protocol):
    """A way to the intake journal; used by several threads."""

    def send(self, events: Sequence[CompleteEvent], lane: Lane) -> list[Receipt]:
        """Hand in a batch of at most 500 events and `MAX_MESSAGE_BYTES`, each with its own key.

        Returns:
            A receipt for each, in order: what it says of an event is final.

        Raises:
            BatchRefused: some of them will never be taken; none was.
            PublishFailed: they may be sent again; those it has receipts of were taken.
        """

    def close(self) -> None:
        """Close its connections; sending again opens new ones."""


@dataclass(slots=True)
class Delivered:
    """What became of events.

    Attributes:
        receipts: by event key.
        refused: event key -> why it will never be taken.
        failure: why the others were not sent, or not answered.
    """

    receipts: dict[str, Receipt] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failure: PublishFailed | None = None


def deliver(transport: Transport, events: Iterable[CompleteEvent], lane: Lane) -> Delivered:
    """Send events in order, in batches; what is refused for ever holds up nothing else."""
    done = Delivered()
    for batch in batches(events):
        _send(transport, batch, lane, done)
    return done


def batches(events: Iterable[CompleteEvent]) -> Iterator[list[CompleteEvent]]:
    """Cut events into batches that a transport takes."""
    batch: list[CompleteEvent] = []
    size = 2
    for each in events:
        length = len(each.body.encode()) + 1
        if batch and (len(batch) == MAX_EVENTS_PER_MESSAGE or size + length > MAX_MESSAGE_BYTES):
            yield batch
            batch, size = [], 2
        batch.append(each)
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
        named = {i: message for i, message in refusal.problems.items() if 0 <= i < len(batch)}
        if not named and len(batch) == 1:
            named = {0: refusal.message}
        done.refused |= {batch[index].key: message for index, message in named.items()}
        rest = [each for index, each in enumerate(batch) if index not in named]
        # An answer that names nobody is narrowed down by halves.
        half = len(rest) if named else len(rest) // 2
        _send(transport, rest[:half], lane, done)
        _send(transport, rest[half:], lane, done)
    done.receipts |= {receipt.event_key: receipt for receipt in receipts}
