"""Reads in the background what routers have of single services, for people at a console."""

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from worker.admin.background_reads import BackgroundReads
from worker.admin.diagnosis import DiagnosisResult
from worker.errors import LeasewireError

log = structlog.get_logger("console")

KEPT_S: Final = 15.0
"""A page that is opened again within so many seconds shows the same read."""
_MOST_KEPT: Final = 200


class ServiceReading(NamedTuple):
    """What its routers had of a service, or why they could not be read."""

    result: DiagnosisResult | None = None
    error: str = ""
    size: int = 1


class ServiceReader(BackgroundReads[str, ServiceReading]):
    """Reads services by id for all viewers."""

    def __init__(self, read: Callable[[str], DiagnosisResult]) -> None:
        super().__init__("service", most=_MOST_KEPT, kept_s=KEPT_S, failure_kept_s=KEPT_S)
        self._read = read

    def read(self, key: str, *, again: bool) -> ServiceReading:
        """Read the routers of one service."""
        del again
        try:
            return ServiceReading(self._read(key))
        except LeasewireError as error:
            return ServiceReading(error=str(error))
        except Exception:
            log.exception("service.read_failed", service_id=key)
            return ServiceReading(error="a bug of Leasewire: see the log of the gateway")
