"""Publishes events: checks and completes them, then sends them or puts them into the spool.

`publish` returning means that the events are safe: in the intake journal, or, while the gateway or
Redis is unavailable, in the spool on this host's disk.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Self

from pydantic_core import to_json as encode

from contracts.envelope import Attributes
from contracts.errors import ContractViolation, Problem
from contracts.events import Event
from contracts.identity import content_hash, deterministic_id, event_key
from contracts.names import QUEUE_EVENTS, Lane
from contracts.parse import (
    MAX_EVENT_BYTES,
    Document,
    logins_in,
    parse_document,
    read_document,
    to_json,
)
from contracts.sealing import Sealer, masked_event, sealed_event
from producers.drain import Drain
from producers.errors import BatchViolation, EventsRefused, KeyRefused, Receipt, SpoolFailed
from producers.spool import Spool
from producers.transport import Backoff, CompleteEvent, Delivered, Transport, deliver

GivenEvent = Mapping[str, object] | str | bytes | Event | Document
"""An event as a caller may give it: a mapping, JSON text, a model, or a document that was read."""

_ID_LATER: Final = "id-later"
"""Stands for the id while the event is checked; the id follows from the checked content."""


class Publisher:
    """Publishes events. Several threads may use one; make a new one after a fork.

    Args:
        transport: `HttpTransport`, or `JournalTransport` next to the workers' Redis.
        clock: returns the time, with a time zone.
        spool: keeps events while the transport fails, and sends them later, in order. It cannot
            help a process that dies between its commit and `publish`; an outbox can.
        backoff: waits between attempts to send what is in the spool.
        sealer: seals the passwords in events. Without one an event with a password goes to a
            gateway alone, which seals it, and not through a spool.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Callable[[], datetime],
        spool: Spool | None = None,
        backoff: Backoff | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        self._transport = transport
        self._sealer = sealer
        self._is_stored = spool is not None or getattr(transport, "stores", True)
        self._clock = clock
        self._spool = spool
        self._drain = Drain(spool, transport, backoff or Backoff()) if spool else None

    def close(self) -> None:
        """Close connections and spool; the next user of the spool file sends what is in it."""
        if self._drain is not None:
            self._drain.close()
        self._transport.close()
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, events: Iterable[GivenEvent], *, lane: Lane = QUEUE_EVENTS) -> list[Receipt]:
        """Publish events; `complete_event` says which of their attributes may be left out.

        Args:
            events: any number of mappings, JSON texts or models.
            lane: `bulk` for imports and resyncs, which wait for live events.

        Returns:
            A receipt for each event, in order.

        Raises:
            BatchViolation: with every problem of every event; nothing was published.
            EventsRefused: some events will never be taken; the others are safe.
            PublishFailed: events without a receipt are nowhere; publish the call again.
        """
        return self.write(self.check(events), lane=lane)

    def check(self, events: Iterable[GivenEvent]) -> list[CompleteEvent]:
        """Check and complete events as `publish` does, without publishing them.

        Raises:
            BatchViolation: with every problem of every event.
        """
        now = self._clock()
        complete: list[CompleteEvent] = []
        first_of_key: dict[str, CompleteEvent] = {}
        problems: list[tuple[int, Problem]] = []
        for index, given in enumerate(events):
            try:
                event = self.complete(given, now)
            except ContractViolation as violation:
                problems.extend((index, problem) for problem in violation.problems)
                continue
            first = first_of_key.setdefault(event.key, event)
            if first is not event and content_hash(first.event) != content_hash(event.event):
                message = "is the id of another event of this call; give each event its own"
                problems.append((index, Problem("/id", "event-id-reused", message)))
            complete.append(event)
        if problems:
            raise BatchViolation(problems)
        return complete

    def complete(self, given: GivenEvent, now: datetime) -> CompleteEvent:
        """Check and complete one event, with its passwords sealed.

        Raises:
            ContractViolation: with every problem.
        """
        return complete_event(given, now, sealer=self._sealer, is_stored=self._is_stored)

    def write(self, events: Sequence[CompleteEvent], *, lane: Lane = QUEUE_EVENTS) -> list[Receipt]:
        """Publish events that `check` returned; returns and raises as `publish` does."""
        unique = list({event.key: event for event in events}.values())
        done = Delivered()
        if self._drain is not None:
            self._drain.raise_if_refused()
        # Order: while the spool holds events, new events go into the spool behind them.
        if self._spool is None or not self._spool.depth():
            done = deliver(self._transport, unique, lane)
        if self._spool is not None and self._drain is not None:
            done = self._spool_rest(self._spool, self._drain, unique, lane, done)
        receipts = [done.receipts[event.key] for event in events if event.key in done.receipts]
        if done.failure is not None:
            done.failure.receipts = tuple(done.receipts.values())
            raise done.failure
        if done.refused:
            ids = {event.key: event.id for event in events}
            refused = {ids[key]: reason for key, reason in done.refused.items()}
            raise EventsRefused(refused, receipts)
        return receipts

    def flush(self, timeout_s: float) -> bool:
        """Wait until the spool is empty; False if it is not in time. True without a spool."""
        return self._drain is None or self._drain.wait_until_empty(timeout_s)

    def _spool_rest(
        self,
        spool: Spool,
        drain: Drain,
        events: Sequence[CompleteEvent],
        lane: Lane,
        done: Delivered,
    ) -> Delivered:
        """Spool what the transport did not take; keep what it refused as dead events."""
        if isinstance(done.failure, KeyRefused):
            return done  # a person must act, so the caller gets the error at once
        rest = [
            event
            for event in events
            if event.key not in done.receipts and event.key not in done.refused
        ]
        refused = [event for event in events if event.key in done.refused]
        reused: set[str] = set()
        try:
            if refused:
                spool.add_dead(refused, lane, done.refused)
            if rest:
                reused = {event.key for event in spool.add(rest, lane)}
        except SpoolFailed as error:
            cause = f"{done.failure.reason}; " if done.failure else ""
            return Delivered(done.receipts, done.refused, SpoolFailed(f"{cause}{error.reason}"))
        drain.wake()
        done.receipts |= {
            event.key: event.receipt(spooled=event.key not in reused, id_reused=event.key in reused)
            for event in rest
        }
        return Delivered(done.receipts, done.refused)


def complete_event(
    given: GivenEvent, now: datetime, *, sealer: Sealer | None = None, is_stored: bool = False
) -> CompleteEvent:
    """Fill in what is missing, check the event strictly and write it in normal form.

    `specversion` and `datacontenttype` have one possible value, `subject` follows from the service,
    `time` is now, and `id` follows from the content (`deterministic_id`). To be able to
    publish again after a failure, give an id, a revision or the time.

    Args:
        given: the event.
        now: the time.
        sealer: seals its passwords.
        is_stored: it is stored as it is now, so its passwords must be sealed.

    Raises:
        ContractViolation: with every problem.
    """
    raw = to_json(given) if isinstance(given, Attributes) else given
    document, problems = read_document(raw)
    document.setdefault("specversion", "1.0")
    document.setdefault("datacontenttype", "application/json")
    if "time" not in document:
        document["time"] = now.isoformat()
    data = document.get("data")
    if "subject" not in document and isinstance(data, dict) and "service_id" in data:
        document["subject"] = f"service/{data['service_id']}"
    elif "subject" not in document and isinstance(data, dict) and "manifest_id" in data:
        document["subject"] = f"inventory/{data['manifest_id']}"
    has_id = "id" in document
    document.setdefault("id", _ID_LATER)
    event = to_json(parse_document(document, problems, now=now))
    has_login = next(logins_in(event), None) is not None
    if not has_id:  # an id tells nothing of a password
        event["id"] = deterministic_id(masked_event(event) if has_login else event)
    if has_login and (sealer is not None or is_stored):
        event, problems = sealed_event(event, sealer)
        if problems:
            raise ContractViolation(problems)
    body = encode(event)
    if len(body) > MAX_EVENT_BYTES:
        message = f"is larger than {MAX_EVENT_BYTES} bytes when complete; send less in one event"
        raise ContractViolation([Problem("", "too-large", message)])
    return CompleteEvent(event_key(str(event["source"]), str(event["id"])), event, body.decode())
