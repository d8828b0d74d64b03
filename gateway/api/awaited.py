"""Waits for what becomes of events, for all callers that asked to (`Prefer: wait`) at once.

One look at the store serves all who wait.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.api.ports import Document, ReadFailed

CHECK_EVERY_S: Final = 0.05
"""A look costs Redis two commands; a router needs longer for a row."""
MOST_S: Final = 30.0
"""As long a caller may wait; proxies give up after a minute."""


class Awaited:
    """Waits for events; for one event loop.

    Args:
        look: gives the outcomes of those events of which nothing more is to come; blocks.
    """

    def __init__(self, look: Callable[[Sequence[str]], Mapping[str, Document]]) -> None:
        self._look = look
        self._wanted: dict[str, list[asyncio.Future[Document]]] = {}
        self._looker: asyncio.Task[None] | None = None

    async def final(self, event_keys: Sequence[str], wait_s: float) -> Mapping[str, Document]:
        """The outcomes of those events of which nothing more is to come, within this time."""
        loop = asyncio.get_running_loop()
        futures = {key: loop.create_future() for key in event_keys}
        for key, future in futures.items():
            self._wanted.setdefault(key, []).append(future)
        if self._looker is None or self._looker.done():
            self._looker = asyncio.create_task(self._look_on())
        try:
            await asyncio.wait(futures.values(), timeout=min(wait_s, MOST_S))
        finally:
            for key, future in futures.items():
                self._forget(key, future)
        return {key: future.result() for key, future in futures.items() if future.done()}

    async def _look_on(self) -> None:
        while self._wanted:
            try:
                found = await asyncio.to_thread(self._look, list(self._wanted))
            except ReadFailed:
                found = {}  # the events are safe: whoever waits is told so in time
            for key, outcome in found.items():
                for future in self._wanted.get(key, ()):
                    if not future.done():
                        future.set_result(outcome)
            await asyncio.sleep(CHECK_EVERY_S)

    def _forget(self, key: str, future: asyncio.Future[Document]) -> None:
        waiting = self._wanted[key]
        waiting.remove(future)
        if not waiting:
            del self._wanted[key]
