"""Runs the couriers of all targets concurrently in one thread."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import structlog

from gateway.outcomes.delivery import Courier

log = structlog.get_logger()

STOP_S: Final = 20.0
"""How long running attempts may take at a stop."""


class Delivering:
    """Delivers inside `with`.

    Args:
        couriers: makes the couriers; its argument is the event that stops them.
    """

    def __init__(self, couriers: Callable[[asyncio.Event], Sequence[Courier]]) -> None:
        self._couriers = couriers
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    @property
    def running(self) -> bool:
        """Whether it still delivers."""
        return not self._ended.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stopping is not None and self.running:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._deliver())
        except Exception:
            log.exception("outcomes.failed")
        finally:
            self._ended.set()
            self._ready.set()

    async def _deliver(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        # A courier that ends by a bug ends all: the process sees it, and starts them again.
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers(self._stopping):
                group.create_task(courier.run())
