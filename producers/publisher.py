"""The one way out: check events, complete them, and hand them to a transport or the spool.

`publish` returning means that the events are safe: in the intake journal, or, with a spool and
while the way in is down, on this host's disk.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Self

from contracts import ContractViolation, Problem, content_hash
from contracts.names import QUEUE_EVENTS, Lane
from producers.backoff import Backoff
from producers.complete import CompleteEvent, GivenEvent, complete_event
from producers.drain import Drain
from producers.errors import BatchViolation, EventsRefused, KeyRefused, Receipt, SpoolFailed
from producers.spool import Spool
from producers.transport import Delivered, Transport, deliver


class Publisher:
    """Publishes events; may be used by several threads, not across a fork.

    Args:
        transport: the way in: `HttpTransport`, or `JournalTransport` beside the workers' Redis.
        clock: gives the time, aware.
        spool: keeps events while the way in is down, and hands them in afterwards, in order. It
            cannot help a process that dies between its commit and `publish`: an outbox can.
        backoff: waits of the spool.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Callable[[], datetime],
        spool: Spool | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._spool = spool
        self._drain = Drain(spool, transport, backoff or Backoff()) if spool else None

    def close(self) -> None:
        """Close the connections and the spool; what is in it is handed in by its next user."""
        if self._drain is not None:
            self._drain.close()
        if self._spool is not None:
            self._spool.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(
        self,
        events: Iterable[GivenEvent],
        *,
        lane: Lane = QUEUE_EVENTS,
    ) -> list[Receipt]:
        """Make events safe; see `complete_event` for what may be left out of them.

        Args:
            events: one or any number; JSON text, mappings or models.
            lane: `bulk` for imports and resyncs, which wait for live events.

        Returns:
            A receipt for each event, in order.

        Raises:
            BatchViolation: with every problem of every event; nothing was published.
            EventsRefused: the other side will never take some of them; the others are safe.
            PublishFailed: nobody holds those it has no receipts of; publish the call again.
        """
        return self.write(self.check(events), lane=lane)

    def write(self, events: Sequence[CompleteEvent], *, lane: Lane = QUEUE_EVENTS) -> list[Receipt]:
        """Make safe what `check` gave; see `publish`."""
        unique = list({each.key: each for each in events}.values())
        done = Delivered()
        if self._drain is not None:
            self._drain.refuse_where_refused()
        # Whatever came before goes in before: behind a spooled event everything is spooled.
        if self._spool is None or not self._spool.depth():
            done = deliver(self._transport, unique, lane)
        if self._spool is not None and self._drain is not None:
            done = self._spooled(self._spool, self._drain, unique, lane, done)
        receipts = [done.receipts[each.key] for each in events if each.key in done.receipts]
        if done.failure is not None:
            done.failure.receipts = tuple(done.receipts.values())
            raise done.failure
        if done.refused:
            ids = {each.key: each.id for each in events}
            refused = {ids[key]: message for key, message in done.refused.items()}
            raise EventsRefused(refused, receipts)
        return receipts

    def check(self, events: Iterable[GivenEvent]) -> list[CompleteEvent]:
        """Validate and complete events as `publish` does, and write nothing.

        Raises:
            BatchViolation: with every problem of every event.
        """
        now = self._clock()
        completed: list[CompleteEvent] = []
        named: dict[str, CompleteEvent] = {}
        problems: list[tuple[int, Problem]] = []
        for index, given in enumerate(events):
            try:
                each = complete_event(given, now)
            except ContractViolation as violation:
                problems.extend((index, problem) for problem in violation.problems)
                continue
            first = named.setdefault(each.key, each)
            if first is not each and content_hash(first.event) != content_hash(each.event):
                message = "is the id of another event of this call; give each event its own"
                problems.append((index, Problem("/id", "event-id-reused", message)))
            completed.append(each)
        if problems:
            raise BatchViolation(problems)
        return completed

    def flush(self, timeout_s: float) -> bool:
        """Wait until the spool is empty; False when it is not in time. True without a spool."""
        return self._drain is None or self._drain.wait_until_empty(timeout_s)

    def _spooled(
        self,
        spool: Spool,
        drain: Drain,
        events: Sequence[CompleteEvent],
        lane: Lane,
        done: Delivered,
    ) -> Delivered:
        """Spool what the transport did not take, and keep what it will never take."""
        rest = [e for e in events if e.key not in done.receipts and e.key not in done.refused]
        if isinstance(done.failure, KeyRefused):
            return done  # nobody need wait for it: the caller hears of it
        failure = None
        reused: set[str] = set()
        try:
            dead_lettered = [each for each in events if each.key in done.refused]
            if dead_lettered:
                spool.add_dead_letter(dead_lettered, lane, done.refused)
            if rest:
                reused = {each.key for each in spool.add(rest, lane)}
        except SpoolFailed as error:
            way_in = f"{done.failure.reason}; " if done.failure else ""
            failure = SpoolFailed(f"{way_in}{error.reason}")
        else:
            drain.wake()
            done.receipts |= {
                each.key: Receipt(
                    event_id=each.id,
                    source=each.source,
                    event_key=each.key,
                    spooled=each.key not in reused,
                    id_reused=each.key in reused,
                )
                for each in rest
            }
        return Delivered(done.receipts, done.refused, failure)
