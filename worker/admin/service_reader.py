"""Reads in the background what routers have of single services: few at a time, for all viewers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog

from worker.admin.diagnosis import DiagnosisResult
from worker.background_thread import BackgroundThread
from worker.errors import LeasewireError

log = structlog.get_logger("console")

AT_ONCE: Final = 4
MOST_ASKED: Final = 40
"""Services that may wait for their turn."""
KEPT_S: Final = 15.0
"""A page that is opened again within so many seconds shows the same read."""
MOST_KEPT: Final = 200
_STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """What is known of a service from its routers.

    Attributes:
        result: of the last read; None: there was none, or it failed.
        running: it is being read, or waits for its turn.
        error: why it cannot be read now.
    """

    result: DiagnosisResult | None = None
    running: bool = False
    error: str = ""


@dataclass(slots=True)
class _Kept:
    reading: ServiceReading
    ends_s: float = 0.0


class ServiceReader(BackgroundThread):
    """Reads inside `with`; safe for many threads.

    Args:
        read: reads the routers of a service; a router that is down takes its time limit.
    """

    def __init__(self, read: Callable[[str], DiagnosisResult]) -> None:
        super().__init__("service-reader", _STOP_S)
        self._read = read
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="service-reader")
        self._stopping = threading.Event()

    def work(self) -> None:
        """Wait for the end: the pool has threads of its own."""
        self._stopping.wait()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Begin no further read."""
        self._stopping.set()

    def known(self, service_id: str) -> ServiceReading:
        """What was read lately; begins nothing."""
        with self._lock:
            kept = self._kept.get(service_id)
            return kept.reading if kept and self._is_fresh(kept) else ServiceReading()

    def look(self, service_id: str, *, again: bool = False) -> ServiceReading:
        """What was read lately, else begin to read.

        Args:
            service_id: of the service.
            again: read once more, unless a read runs.
        """
        with self._lock:
            kept = self._kept.get(service_id)
            if kept and (kept.reading.running or (self._is_fresh(kept) and not again)):
                return kept.reading
            if sum(other.reading.running for other in self._kept.values()) >= MOST_ASKED:
                message = f"{MOST_ASKED} services wait to be read: try again in a moment"
                return ServiceReading(error=message)
            if self._stopping.is_set():
                return ServiceReading(error="the gateway stops")
            reading = ServiceReading(running=True)
            self._kept[service_id] = _Kept(reading)
            self._pool.submit(self._do, service_id)
            return reading

    def _do(self, service_id: str) -> None:
        try:
            reading = ServiceReading(self._read(service_id))
        except LeasewireError as error:
            reading = ServiceReading(error=str(error))
        except Exception:
            log.exception("service.read_failed", service_id=service_id)
            reading = ServiceReading(error="a bug of Leasewire: see the log of the gateway")
        with self._lock:
            self._kept.pop(service_id, None)  # the newest is the last one
            self._kept[service_id] = _Kept(reading, monotonic() + KEPT_S)
            done = [name for name, kept in self._kept.items() if not kept.reading.running]
            for name in done[: max(0, len(done) - MOST_KEPT)]:
                del self._kept[name]

    @staticmethod
    def _is_fresh(kept: _Kept) -> bool:
        return kept.reading.running or monotonic() < kept.ends_s
