"""The health of an installation as numbers: read by the store, judged by `health.py`.

Times are milliseconds since 1970 by Redis's clock, memory is bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import linear_regression
from typing import Final, NamedTuple

from contracts.names import INTAKE_ENDS
from worker.core.alerting.alerts import Alert
from worker.core.alerting.processes import WORKER_KINDS, ProcessSign

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
    days = [(sample.at_ms - samples[0].at_ms) / 86_400_000 for sample in samples]
    if len(samples) < _ENOUGH or len({*days}) == 1:
        return None
    used_a_day = linear_regression(days, [sample.used for sample in samples]).slope
    return max(0.0, (most - used) / used_a_day) if used_a_day > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFigures:
    """The Redis server.

    Attributes:
        server: its name and version.
        limit: maxmemory; 0: none is set.
        host: memory of its host; 0: it does not say.
        policy: maxmemory-policy; empty where we may not ask.
        appendonly: it keeps an append-only file.
        written: the last write and the last rewrite of that file succeeded.
        samples: memory used in the last hours, the newest first.
        replicas: for each replica, how long ago (s) it last said that it follows.
    """

    server: str
    used: int
    limit: int
    policy: str
    appendonly: bool
    written: bool
    host: int = 0
    samples: Sequence[Sample] = ()
    replicas: Sequence[int] = ()

    @property
    def ceiling(self) -> int:
        """The most memory that it may use: maxmemory, else the host's memory; 0: not known."""
        return self.limit or self.host

    @property
    def ceiling_text(self) -> str:
        """Name of the limit that `ceiling` is."""
        return "maxmemory" if self.limit else "the host's memory"

    @property
    def share(self) -> float | None:
        """Used memory as a share of the ceiling; None: not known."""
        return self.used / self.ceiling if self.ceiling else None

    @property
    def days_left(self) -> float | None:
        """Days until intake ends, at the rate of the last hours; None: not known, or never."""
        if not self.ceiling:
            return None
        return days_left(self.samples, self.used, self.ceiling * INTAKE_ENDS)


class JournalFigures(NamedTuple):
    """The journal of a lane: how many events, and since when the oldest is due (0: none)."""

    depth: int
    oldest_ms: int


class LostEvents(NamedTuple):
    """Accepted events that Redis lost and their publishers sent again: how many, when the last."""

    number: int = 0
    last_ms: int = 0


class RouterSummary(NamedTuple):
    """One router.

    Attributes:
        state: as of `RouterState`.
        busy: a worker has its lock.
        oldest_ms: since when the oldest work item is due; 0: none is.
        misfits: services whose address no device can use.
    """

    name: str
    state: str
    since_ms: int
    busy: bool
    queued: int
    oldest_ms: int
    misfits: Sequence[str] = ()


class ReasonCount(NamedTuple):
    """How many wait, or failed, for one reason, and since when the oldest."""

    number: int
    oldest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFigures:
    """All figures of an installation.

    Attributes:
        processes: those of the last day that were not stopped in order.
        queues: length of each Celery queue, and `unacked`.
        journal: by lane.
        dead_letters: by reason.
        waiting: by reason.
        canaries: queue -> for how long (ms) its test message was not taken.
        alerts: open ones that are not muted, the oldest first.
        lost: at failovers and when Redis lost its last writes.
        dead_sources: source -> how many events of it are dead letters; empty: of unknown ones.
    """

    now_ms: int
    redis: RedisFigures
    processes: Sequence[ProcessSign]
    queues: Mapping[str, int]
    journal: Mapping[str, JournalFigures]
    routers: Sequence[RouterSummary]
    dead_letters: Mapping[str, ReasonCount]
    waiting: Mapping[str, ReasonCount]
    counters: Mapping[str, int]
    canaries: Mapping[str, int] = field(default_factory=dict)
    alerts: Sequence[Alert] = ()
    dead_sources: Mapping[str, int] = field(default_factory=dict)
    lost: LostEvents = field(default_factory=LostEvents)

    @property
    def workers(self) -> list[str]:
        """Names of the workers that gave a sign of life in the last 15 s."""
        return [
            sign.process.name
            for sign in self.processes
            if sign.alive and sign.process.kind in WORKER_KINDS
        ]
