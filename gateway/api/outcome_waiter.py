"""Waits for final outcomes (`Prefer: wait`), with one read of the store for all callers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.api.responses import Document
from gateway.store_failures import STORE_FAILURES

CHECK_EVERY_S: Final = 0.05
"""A read costs Redis two commands; a router needs longer for one row."""
MOST_S: Final = 30.0
"""The longest wait: proxies give up after a minute."""


class OutcomeWaiter:
    """Waits for events; for one event loop.

    Args:
        read_final: reads those of the events whose outcome is final; blocks.
    """

    def __init__(self, read_final: Callable[[Sequence[str]], Mapping[str, Document]]) -> None:
        self._read_final = read_final
        self._waiting: dict[str, list[asyncio.Future[Document]]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def final(self, event_keys: Sequence[str], wait_s: float) -> Mapping[str, Document]:
        """The final outcomes of these events that come within this time."""
        loop = asyncio.get_running_loop()
        futures = {key: loop.create_future() for key in event_keys}
        for key, future in futures.items():
            self._waiting.setdefault(key, []).append(future)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait(futures.values(), timeout=min(wait_s, MOST_S))
        finally:
            for key, future in futures.items():
                self._forget(key, future)
        return {key: future.result() for key, future in futures.items() if future.done()}

    async def _read(self) -> None:
        while self._waiting:
            try:
                found = await asyncio.to_thread(self._read_final, list(self._waiting))
            except STORE_FAILURES:
                found = {}  # the events are in the journal: the caller is told so in time
            for key, outcome in found.items():
                for future in self._waiting.get(key, ()):
                    if not future.done():
                        future.set_result(outcome)
            await asyncio.sleep(CHECK_EVERY_S)

    def _forget(self, key: str, future: asyncio.Future[Document]) -> None:
        waiting = self._waiting[key]
        waiting.remove(future)
        if not waiting:
            del self._waiting[key]
