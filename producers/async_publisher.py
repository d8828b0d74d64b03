"""The publisher for programs on an event loop.

Its calls run one after the other in a thread of their own: what makes an event safe ends on a disk
or in Redis, and those block. For more than some hundred events a second publish several at once.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

from contracts.names import QUEUE_EVENTS, Lane
from producers.complete import GivenEvent
from producers.errors import Receipt
from producers.publisher import Publisher

T = TypeVar("T")


class AsyncPublisher:
    """Does what a `Publisher` does, without holding up the event loop.

    A call that is cancelled may still publish its events; to publish them again does no harm.

    Args:
        publisher: does the work; closed with this.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._thread = ThreadPoolExecutor(1, "publisher")

    async def publish(
        self,
        events: Iterable[GivenEvent],
        *,
        lane: Lane = QUEUE_EVENTS,
    ) -> list[Receipt]:
        """See `Publisher.publish`."""
        return await self._run(partial(self._publisher.publish, list(events), lane=lane))

    async def flush(self, timeout_s: float) -> bool:
        """See `Publisher.flush`; publishing waits meanwhile."""
        return await self._run(partial(self._publisher.flush, timeout_s))

    async def close(self) -> None:
        """Close the publisher when what was asked of it is done."""
        await self._run(self._publisher.close)
        self._thread.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
