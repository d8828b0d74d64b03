"""Ends a worker that fell silent, so that its supervisor starts another.

After some restarts of Redis a Celery worker lives on without ever asking for a message again. The
rule: something is in its queues, it has a free slot, and for eight seconds it began no task. A
busy worker has no free slot; an idle one has empty queues, but for the canary that is put into each
now and then. One that was stopped for a while, or starved, gets the whole time anew.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from celery import signals

from worker.errors import StoreUnavailable
from worker.store.connection import StoreClient

log = structlog.get_logger()

EXIT_SILENT: Final = 70
"""Exit status of a worker that ended itself: an internal error, by the custom of sysexits."""
EVERY_S: Final = 1.0
_PAUSED_S: Final = 3.0
"""Looks that are further apart than this say that the whole process stood still."""


class Watchdog:
    """Watches the process that it lives in.

    Args:
        client: of the Redis that holds the queues.
        queues: keys of the lists that this worker takes messages from.
        slots: tasks that it may run at once.
        silent_s: without a task for so long, the worker is silent.
        clock: monotonic seconds.
        end: ends the process at once; what it had is found by the sweep.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        client: StoreClient,
        queues: Sequence[str],
        slots: int,
        silent_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        end: Callable[[], None] = lambda: os._exit(EXIT_SILENT),
    ) -> None:
        self._client = client
        self._queues = queues
        self._limiter = slots
        self._silent_s = silent_s
        self._clock = clock
        self._end = end
        self._lock = threading.Lock()
        self._running = 0
        self._last_sign: float | None = None
        self._last_check = clock()

    def start(self) -> None:
        """Watch from the moment when the worker says that it is ready until it is told to end."""
        signals.worker_ready.connect(self._on_ready, weak=False)
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)
        signals.task_prerun.connect(self._on_begin, weak=False)
        signals.task_postrun.connect(self._on_end, weak=False)
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def look(self) -> None:
        """End the process if it fell silent."""
        now = self._clock()
        paused, self._last_check = now - self._last_check > _PAUSED_S, now
        with self._lock:
            if self._last_sign is None:
                return
            silent_s, free = now - self._last_sign, self._limiter - self._running
        try:
            waiting = sum(int(self._client.llen(queue)) for queue in self._queues)
        except StoreUnavailable:
            # Not this worker's fault: it gets the whole time anew once Redis answers.
            self._sign(now)
            return
        if paused or not waiting or free <= 0:
            self._sign(now)
        elif silent_s > self._silent_s:
            log.critical(
                "worker.silent", waiting=waiting, free_permits=free, silent_s=round(silent_s, 1)
            )
            self._end()

    def _sign(self, now: float) -> None:
        with self._lock:
            if self._last_sign is not None:
                self._last_sign = now

    def _run(self) -> None:
        while True:
            time.sleep(EVERY_S)  # the pace of looking
            self.look()

    def _on_ready(self, **_: object) -> None:
        with self._lock:
            self._last_sign = self._clock()

    def _on_shutdown(self, **_: object) -> None:
        """It takes no more messages, and finishes what it has: its supervisor bounds that."""
        with self._lock:
            self._last_sign = None

    def _on_begin(self, **_: object) -> None:
        with self._lock:
            self._running += 1
            if self._last_sign is not None:
                self._last_sign = self._clock()

    def _on_end(self, **_: object) -> None:
        with self._lock:
            self._running -= 1
