"""A conflict: two events of one source and one rank with different values for a service."""

import json
from typing import NamedTuple, Self

from worker.core.service.record import ServiceRecord


class Conflict(NamedTuple):
    """A conflict that was found when an event was folded.

    Attributes:
        registers: with different values, sorted.
        rank: of both events: their version without its digest.
    """

    service_id: str
    registers: tuple[str, ...]
    rank: tuple[int, int, int]

    def is_settled(self, record: ServiceRecord) -> bool:
        """Return whether newer events set all its registers, or cancelled the service."""
        if record.status == "cancelled" and self._is_newer(record, "lifecycle"):
            return True
        return all(self._is_newer(record, name) for name in self.registers)

    def _is_newer(self, record: ServiceRecord, name: str) -> bool:
        register = record.registers.get(name)
        return register is not None and register.version[:-1] > self.rank

    def to_json(self) -> str:
        """Return the stored text; equal conflicts have equal texts."""
        return json.dumps(self, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read `to_json`."""
        service_id, registers, (epoch, revision, local) = json.loads(text)[:3]
        return cls(service_id, tuple(registers), (epoch, revision, local))
