"""Bounds of a pass, and how long services may wait."""

from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.policy.circuit import BackOff


class TimeLimits(NamedTuple):
    """How long things may wait.

    Attributes:
        recheck_ms: until a service is checked again that waits for a person to change a router.
        alert_ms: a service that has waited for so long is logged as an error, once.
    """

    recheck_ms: int = 60_000
    alert_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class PassLimits:
    """Bounds of a pass.

    Attributes:
        batch_services: services of one batch.
        time_box_s: a pass ends then, and notifies a worker if more is due.
        back_off: how long routers are left alone that fail or refuse.
        time_limits: how long services may wait.
        report_every_ms: between two reports of what was changed on a router by hand.
    """

    batch_services: int = 500
    time_box_s: float = 20.0
    back_off: BackOff = field(default_factory=BackOff)
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    report_every_ms: int = 3_600_000
