"""When something is full, at the rate of the last hours."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_ENOUGH: Final = 12
"""Fewer samples say nothing about days."""


class Sample(NamedTuple):
    """How much is used at a moment (milliseconds since 1970)."""

    at_ms: int
    used: int


def days_left(samples: Sequence[Sample], used: int, most: float) -> float | None:
    """Return the days until `most` is used; None: not known, or never.

    A straight line is laid through the samples.
    """
    if len(samples) < _ENOUGH:
        return None
    days = [(sample.at_ms - samples[0].at_ms) / 86_400_000 for sample in samples]
    mean_day = sum(days) / len(days)
    mean_used = sum(sample.used for sample in samples) / len(days)
    spread = sum((day - mean_day) ** 2 for day in days)
    together = sum(
        (day - mean_day) * (sample.used - mean_used)
        for day, sample in zip(days, samples, strict=True)
    )
    if not spread or together <= 0:
        return None
    return max(0.0, (most - used) * spread / together)
