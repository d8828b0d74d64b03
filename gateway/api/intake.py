"""Gathers what arrives within some milliseconds into one write to the journal.

One thread writes, so that a slow Redis holds up the intake and nothing else; what waits for it is
bounded.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

from redis.exceptions import RedisError

from contracts import content_hash
from contracts.names import MAX_EVENTS_PER_MESSAGE, QUEUE_EVENTS, Lane
from gateway.api.limits import Depth
from gateway.api.ports import ReadFailed
from gateway.api.problems import overloaded
from gateway.api.redis_failure import notified
from producers.complete import CompleteEvent
from producers.errors import KeyRefused, PublishFailed, Receipt
from producers.publisher import Publisher

GATHER_S: Final = 0.005
"""As long an event waits for company: nothing beside the time until a router has it."""
MOST_WAITING: Final = 5_000
"""Events that wait for the writing thread: about what it writes in a second."""
TIME_LIMIT_S: Final = 15.0
"""As long a caller waits. What is written later was not promised, and may be sent again."""


class Taken(NamedTuple):
    """An event in the journal.

    Attributes:
        receipt: of the publisher.
        duplicate: an event of its source and id came before.
    """

    receipt: Receipt
    duplicate: bool


class _Written(NamedTuple):
    """What one write did: the receipts by event key, who came before, and why others have none."""

    receipts: Mapping[str, Receipt]
    known: Collection[str] = ()
    failure: str = ""


@dataclass(slots=True, eq=False)
class _Submission:
    """The events of one request, and who waits for them."""

    events: Sequence[CompleteEvent]
    written: asyncio.Future[_Written]


class Intake:
    """Takes events of many requests; for one event loop.

    Args:
        publisher: writes them.
        depth: says whether there is room.
        known: says which events came before, and with what content (`Records.known`).
        gather_s: how long an event may wait for others.
        lane: where it writes them: each lane has an intake, so that none waits for the other.
    """

    def __init__(
        self,
        publisher: Publisher,
        depth: Depth,
        known: Callable[[Sequence[str]], Mapping[str, str]],
        *,
        gather_s: float = GATHER_S,
        lane: Lane = QUEUE_EVENTS,
    ) -> None:
        self._publisher = publisher
        self._depth = depth
        self._known = known
        self._gather_s = gather_s
        self._lane = lane
        self._waiting: list[_Submission] = []
        self._events_waiting = 0
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, f"intake-{lane}")

    async def take(self, events: Sequence[CompleteEvent]) -> list[Taken]:
        """Write events to the journal, together with those of other requests.

        Raises:
            Refused: `overloaded`. Some of them may be in the journal; none was promised.
        """
        if self._events_waiting >= MOST_WAITING:
            raise overloaded("more arrives than Redis takes")
        future: asyncio.Future[_Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(events, future))
        self._events_waiting += len(events)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        try:
            written = await asyncio.wait_for(asyncio.shield(future), TIME_LIMIT_S)
        except TimeoutError:
            raise overloaded("Redis takes too long") from None
        receipts = [written.receipts.get(each.key) for each in events]
        if not all(receipts):
            raise overloaded(written.failure)
        return [
            Taken(each, each.journaled_before or each.event_key in written.known)
            for each in receipts
            if each
        ]

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self._gather_s)
            together = self._next()
            events = [event for each in together for event in each.events]
            written = _Written({}, failure="the gateway has a bug; its log says more")
            try:
                written = await loop.run_in_executor(self._thread, self._write, events)
            finally:
                self._events_waiting -= len(events)
                for each in together:
                    each.written.set_result(written)

    def _next(self) -> list[_Submission]:
        """Take as many as fit into one message.

        Another event under an id that is there already waits for the next write, which tells.
        """
        together: list[_Submission] = []
        bodies: dict[str, str] = {}
        later: list[_Submission] = []
        for each in self._waiting:
            full = together and len(bodies) + len(each.events) > MAX_EVENTS_PER_MESSAGE
            if full or any(bodies.get(e.key, e.body) != e.body for e in each.events):
                later.append(each)
            else:
                together.append(each)
                bodies |= {event.key: event.body for event in each.events}
        self._waiting = later
        return together

    def _write(self, events: Sequence[CompleteEvent]) -> _Written:
        try:
            if not self._depth.room():
                return _Written({}, failure=self._depth.message)
            crowding = self._depth.crowding()
            events = [each for each in events if each.source not in crowding]
            known = self._known([each.key for each in events])
            reused = {e.key for e in events if _is_another(e, known)}
            fresh = [each for each in events if each.key not in reused]
            receipts = self._publisher.write(fresh, lane=self._lane) if fresh else []
            receipts += [
                Receipt(each.id, each.source, each.key, id_reused=True)
                for each in events
                if each.key in reused
            ]
        except KeyRefused as error:
            cause = error.__cause__ if isinstance(error.__cause__, RedisError) else error
            done = {receipt.event_key: receipt for receipt in error.receipts}
            return _Written(done, failure=notified(cause))
        except PublishFailed as error:
            # What was written before it failed is safe, and is said to be.
            done = {receipt.event_key: receipt for receipt in error.receipts}
            return _Written(done, failure=_message(error))
        except (RedisError, ReadFailed) as error:
            return _Written({}, failure=notified(error))
        done = {receipt.event_key: receipt for receipt in receipts}
        return _Written(done, known, self._depth.message_for_sources)


def _is_another(event: CompleteEvent, known: Mapping[str, str]) -> bool:
    """Whether its id is that of an event with other content, which was folded."""
    digest = known.get(event.key, "")
    return bool(digest) and not content_hash(event.event).startswith(digest)


def _message(error: PublishFailed) -> str:
    """What went wrong, without the address of our Redis, which is not the caller's affair."""
    return error.reason.partition(" (")[0]
