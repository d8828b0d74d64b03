"""Gathers the events of some milliseconds into one write to the journal.

One thread writes, so that a slow Redis delays the intake and nothing else. The number of events
that wait for it is bounded.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from redis.exceptions import RedisError

from contracts.identity import content_hash
from contracts.names import MAX_EVENTS_PER_MESSAGE, QUEUE_EVENTS, Lane
from gateway.api.limits import Depth
from gateway.api.problems import overloaded
from gateway.store_failures import STORE_FAILURES, log_store_failure
from producers.errors import KeyRefused, PublishFailed, Receipt
from producers.publisher import Publisher
from producers.transport import CompleteEvent

GATHER_S: Final = 0.005
"""How long an event waits for others: nothing against the time until it is on a router."""
MOST_WAITING: Final = 5_000
"""Events that may wait for the writing thread: about what it writes in a second."""
TIME_LIMIT_S: Final = 15.0
"""How long a caller waits. Events written after that were not promised, and may be sent again."""


class Accepted(NamedTuple):
    """An event in the journal.

    Attributes:
        receipt: of the publisher.
        duplicate: an event with this source and id came before.
    """

    receipt: Receipt
    duplicate: bool


class _Written(NamedTuple):
    """The result of one write.

    Attributes:
        receipts: by event key.
        known: keys of events that were folded before.
        failure: why the other events have no receipt.
    """

    receipts: Mapping[str, Receipt]
    known: Collection[str] = ()
    failure: str = ""


@dataclass(slots=True, eq=False)
class _Submission:
    """The events of one request, and the future that its caller waits for."""

    events: Sequence[CompleteEvent]
    written: asyncio.Future[_Written]


@dataclass(slots=True, eq=False)
class Intake:
    """Writes the events of many requests to the journal of a lane; for one event loop.

    Attributes:
        publisher: writes them.
        depth: whether the journal has room.
        seen: gives those of the events that were folded before, each with the beginning of its
            `content_hash`.
        gather_s: how long an event may wait for others.
        lane: each lane has its own intake, so that none waits for the other.
    """

    publisher: Publisher
    depth: Depth
    seen: Callable[[list[str]], Mapping[str, str]]
    gather_s: float = GATHER_S
    lane: Lane = QUEUE_EVENTS
    _waiting: list[_Submission] = field(default_factory=list)
    _events_waiting: int = 0
    _writer: asyncio.Task[None] | None = None
    _thread: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, f"intake-{self.lane}")

    async def accept(self, events: Sequence[CompleteEvent]) -> list[Accepted]:
        """Write events to the journal, together with those of other requests.

        Raises:
            Refused: `overloaded`. Some of them may be in the journal; none was promised.
        """
        if self._events_waiting >= MOST_WAITING:
            raise overloaded("more events arrive than Redis can take")
        future: asyncio.Future[_Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(events, future))
        self._events_waiting += len(events)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        try:
            written = await asyncio.wait_for(asyncio.shield(future), TIME_LIMIT_S)
        except TimeoutError:
            raise overloaded("Redis takes too long") from None
        receipts = [written.receipts.get(event.key) for event in events]
        if not all(receipts):
            raise overloaded(written.failure)
        return [
            Accepted(receipt, receipt.journaled_before or receipt.event_key in written.known)
            for receipt in receipts
            if receipt
        ]

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self.gather_s)
            together = self._next()
            events = [event for submission in together for event in submission.events]
            written = _Written({}, failure="internal error: see the gateway's log")
            try:
                written = await loop.run_in_executor(self._thread, self._write, events)
            finally:
                self._events_waiting -= len(events)
                for submission in together:
                    submission.written.set_result(written)

    def _next(self) -> list[_Submission]:
        """Take as many submissions as fit into one message.

        An event with the id of another event of this write waits for the next write, which detects
        it.
        """
        together: list[_Submission] = []
        bodies: dict[str, str] = {}
        later: list[_Submission] = []
        for submission in self._waiting:
            events = submission.events
            full = together and len(bodies) + len(events) > MAX_EVENTS_PER_MESSAGE
            if full or any(bodies.get(event.key, event.body) != event.body for event in events):
                later.append(submission)
            else:
                together.append(submission)
                bodies |= {event.key: event.body for event in events}
        self._waiting = later
        return together

    def _write(self, events: Sequence[CompleteEvent]) -> _Written:
        try:
            if not self.depth.has_room():
                return _Written({}, failure=self.depth.full_message)
            crowding = self.depth.crowding_sources()
            events = [event for event in events if event.source not in crowding]
            seen = self.seen([event.key for event in events])
            reused = {event.key for event in events if _is_another(event, seen)}
            fresh = [event for event in events if event.key not in reused]
            receipts = self.publisher.write(fresh, lane=self.lane) if fresh else []
            receipts += [
                Receipt(event.id, event.source, event.key, id_reused=True)
                for event in events
                if event.key in reused
            ]
        except KeyRefused as error:
            cause = error.__cause__ if isinstance(error.__cause__, RedisError) else error
            return _Written(_by_key(error.receipts), failure=log_store_failure(cause))
        except PublishFailed as error:
            # The reason without the address of our Redis, which is no business of the caller.
            message = error.reason.partition(" (")[0]
            # What was written before the failure is safe, and is reported as accepted.
            return _Written(_by_key(error.receipts), failure=message)
        except STORE_FAILURES as error:
            return _Written({}, failure=log_store_failure(error))
        return _Written(_by_key(receipts), seen, self.depth.crowding_message)


def _by_key(receipts: Sequence[Receipt]) -> dict[str, Receipt]:
    return {receipt.event_key: receipt for receipt in receipts}


def _is_another(event: CompleteEvent, seen: Mapping[str, str]) -> bool:
    """Whether its id is that of a folded event with other content."""
    digest = seen.get(event.key, "")
    return bool(digest) and not content_hash(event.event).startswith(digest)
