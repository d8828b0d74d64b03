"""Runs the couriers of all targets concurrently in one thread."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Final

from gateway.outcomes.delivery import Courier
from worker.background_thread import BackgroundThread

STOP_S: Final = 20.0
"""How long running attempts may take at a stop."""


class Delivering(BackgroundThread):
    """Delivers inside `with`.

    Args:
        couriers: makes the couriers; its argument is the event that stops them.
    """

    def __init__(self, couriers: Callable[[asyncio.Event], Sequence[Courier]]) -> None:
        super().__init__("outcomes", STOP_S)
        self._couriers = couriers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._couriers_stop: asyncio.Event | None = None
        self._ready = threading.Event()

    def work(self) -> None:
        """Deliver."""
        try:
            asyncio.run(self._deliver())
        finally:
            self._ready.set()

    def stop(self) -> None:
        """Let running attempts end."""
        self._ready.wait()
        if self._loop is not None and self._couriers_stop is not None and self.running:
            self._loop.call_soon_threadsafe(self._couriers_stop.set)

    async def _deliver(self) -> None:
        self._loop, self._couriers_stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        # A courier that ends by a bug ends all: the process sees it, and starts them again.
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers(self._couriers_stop):
                group.create_task(courier.run())
