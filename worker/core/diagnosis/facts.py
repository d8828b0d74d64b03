"""The facts from which `why` and `verify` judge one service, and the form of an explanation.

Times are milliseconds since 1970, by Redis's clock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.core.effect.findings import EffectFinding
from worker.core.entry.short_lease import shortened
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.observed import Observation
from worker.core.rows.operations import Note
from worker.core.service.outcome import DeadLetter, EffectReport
from worker.core.service.record import ServiceRecord

When = Callable[[int], str]
"""Writes a moment (ms since 1970) for a person."""


class Explanation(NamedTuple):
    """An answer.

    Attributes:
        code: one word for programs, such as `router-unreachable`; `all-well` when nothing is wrong.
        advice: what somebody should do; empty when it continues by itself.
    """

    code: str
    sentence: str
    advice: str = ""


class Journaled(NamedTuple):
    """An event in the journal, not folded yet; `since_ms` is when it was due."""

    event_id: str
    type: str
    since_ms: int


class ScheduledEvent(NamedTuple):
    """An event that takes effect later; `lease` says how the lease is shortened ahead of it."""

    event_id: str
    type: str
    at_ms: int
    lease: str = ""


class Holder(NamedTuple):
    """The service that has the claim for which another one waits.

    Attributes:
        claim: `mac:…`, `address:…` or `prefix:…`.
        sync: `in_sync`, `pending`, `waiting`, `circuit_open` or `failed`.
        why: what it waits for itself; empty when it waits for nothing.
    """

    claim: str
    service_id: str
    status: str
    sync: str
    why: str = ""


class Why(NamedTuple):
    """Why the last check of a service did not end in sync."""

    reason: str
    detail: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRouter:
    """The service on one router.

    Attributes:
        state: `up`, or why nothing is written to it, such as `paused`.
        observed: it is in observe mode: nothing is ever written to it.
        is_right: the last pass found there what is wanted.
        next_at_ms: when it is tried again; 0: not by itself.
        message: of the router, or of the person who caused its state.
        wants: the row that the service should have there; None: none.
        written: the row that was last written and read back; None: none.
        written_at_ms: when that was; 0: not known.
        written_bindings: those that were last written and read back.
        queued: a pass will check it.
        why: the reason for which it waits or failed.
        seen: the rows that were read just now; None: the router was not asked or did not answer.
        misfit: why no device can use its address there; None: one can, or that is not known.
        shadow: the queue of others that takes the packets of its own queue; empty: none.
    """

    name: str
    known: bool = True
    state: str = "up"
    observed: bool = False
    is_right: bool = True
    since_ms: int = 0
    next_at_ms: int = 0
    cause: str = ""
    message: str = ""
    wants: Mapping[str, str] | None = None
    written: Mapping[str, str] | None = None
    written_at_ms: int = 0
    bindings: Sequence[OwnBinding] = ()
    written_bindings: Sequence[OwnBinding] = ()
    queued: bool = False
    why: Why | None = None
    holders: Sequence[Holder] = ()
    seen: Observation | None = None
    misfit: Note | None = None
    shadow: str = ""
    silence: str = ""
    findings: Sequence[EffectFinding] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one service when somebody asks.

    Attributes:
        installation: ours, for the tags of rows.
        record: of the service; of a further device it has the id that its tag says, as `SVC-1/2`.
        at: its router, and those on which a row of it may still be.
        dead_letters: its dead letters, the newest first.
        workers: kinds of worker that gave a sign of life: `events`, `routers`.
        effect: whether its newest change acts, as it was read last; None: it was not read.
        inventories: when those workers read their inventories (ms), the oldest first.
    """

    now_ms: int
    installation: str
    record: ServiceRecord
    at: Sequence[AtRouter] = ()
    journaled: Sequence[Journaled] = ()
    scheduled: Sequence[ScheduledEvent] = ()
    dead_letters: Sequence[DeadLetter] = ()
    workers: frozenset[str] = frozenset()
    effect: EffectReport | None = None
    inventories: Sequence[int] = ()

    @property
    def home(self) -> AtRouter | None:
        """The router that should hold its row."""
        return next((at for at in self.at if at.name == self.record.row_router), None)

    @property
    def to_clean(self) -> list[str]:
        """Routers on which a row may be that is no longer wanted."""
        wanted = self.record.wanted_router
        return [name for name in self.record.placements if name != wanted]


def scheduled_events(record: ServiceRecord) -> list[ScheduledEvent]:
    """Return what takes effect later for a service, or for a further device of it."""
    lease = shortened(record)
    pending = record.schedule.pending
    return [ScheduledEvent(due.event.id, due.event.type, due.at_ms, lease) for due in pending]
