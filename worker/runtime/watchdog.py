"""Ends a worker that fell silent, so that its supervisor starts a new one.

After some restarts of Redis a Celery worker stays alive but never fetches a message again. The
rule: there are messages in its queues, it has a free slot, and it started no task for eight
seconds. A busy worker has no free slot; an idle one has empty queues, except for a canary from time
to time. After a pause of the whole process (stopped or without CPU time) the eight seconds start
again.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from celery import signals

from worker.errors import StoreUnavailable
from worker.store.connection import StoreClient
from worker.watching.periodic_thread import PeriodicThread

log = structlog.get_logger()

EXIT_SILENT: Final = 70
"""Exit status of a worker that ended itself: EX_SOFTWARE of sysexits."""
EVERY_S: Final = 1.0
_PAUSED_S: Final = 3.0
"""A longer time between two checks means that the whole process was paused."""


@dataclass(slots=True)
class Watchdog:
    """Watches its own process.

    Attributes:
        client: of the Redis that holds the queues.
        queues: keys of the lists from which this worker takes messages.
        slots: number of tasks that may run at once.
        silent_s: the worker is silent after this time without a new task.
        clock: monotonic seconds.
        end: ends the process at once; the sweep finds its unfinished work.
    """

    client: StoreClient
    queues: Sequence[str]
    slots: int
    silent_s: float
    clock: Callable[[], float] = time.monotonic
    end: Callable[[], None] = lambda: os._exit(EXIT_SILENT)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: int = 0
    _last_sign: float | None = None
    _last_check: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to measure."""
        self._last_check = self.clock()

    def start(self) -> None:
        """Start the thread. It watches from the worker's ready signal until its shutdown signal."""
        signals.worker_ready.connect(self._on_ready, weak=False)
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)
        signals.task_prerun.connect(self._on_begin, weak=False)
        signals.task_postrun.connect(self._on_end, weak=False)
        PeriodicThread("watchdog", self.check, EVERY_S).start()

    def check(self) -> None:
        """End the process if it fell silent."""
        now = self.clock()
        paused, self._last_check = now - self._last_check > _PAUSED_S, now
        with self._lock:
            if self._last_sign is None:
                return
            silent_s, free = now - self._last_sign, self.slots - self._running
        try:
            waiting = sum(int(self.client.llen(queue)) for queue in self.queues)
        except StoreUnavailable:
            # Not this worker's fault: the time starts again once Redis answers.
            self._sign(now)
            return
        if paused or not waiting or free <= 0:
            self._sign(now)
        elif silent_s > self.silent_s:
            log.critical(
                "worker.silent", waiting=waiting, free_slots=free, silent_s=round(silent_s, 1)
            )
            self.end()

    def _sign(self, now: float) -> None:
        with self._lock:
            if self._last_sign is not None:
                self._last_sign = now

    def _on_ready(self, **_: object) -> None:
        with self._lock:
            self._last_sign = self.clock()

    def _on_shutdown(self, **_: object) -> None:
        """Stop watching: the supervisor limits how long the last tasks take."""
        with self._lock:
            self._last_sign = None

    def _on_begin(self, **_: object) -> None:
        with self._lock:
            self._running += 1
            if self._last_sign is not None:
                self._last_sign = self.clock()

    def _on_end(self, **_: object) -> None:
        with self._lock:
            self._running -= 1
