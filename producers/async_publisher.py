"""The publisher for programs on an event loop.

All calls run in one thread, one after the other, because writing to the disk and to Redis blocks.
To publish more than a few hundred events a second, pass several in one call.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

from contracts.names import QUEUE_EVENTS, Lane
from producers.errors import Receipt
from producers.publisher import GivenEvent, Publisher

T = TypeVar("T")


class AsyncPublisher:
    """Does what a `Publisher` does, without blocking the event loop.

    A cancelled call may still publish its events; publishing them again does no harm.

    Args:
        publisher: does the work; closed together with this.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._thread = ThreadPoolExecutor(1, "publisher")

    async def publish(
        self, events: Iterable[GivenEvent], *, lane: Lane = QUEUE_EVENTS
    ) -> list[Receipt]:
        """Publish events as `Publisher.publish` does."""
        return await self._run(partial(self._publisher.publish, list(events), lane=lane))

    async def flush(self, timeout_s: float) -> bool:
        """Wait until the spool is empty, as `Publisher.flush` does; publishing waits meanwhile."""
        return await self._run(partial(self._publisher.flush, timeout_s))

    async def close(self) -> None:
        """Close the publisher after the calls that were made before."""
        await self._run(self._publisher.close)
        self._thread.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
