"""What is known when somebody asks why a customer has no address: gathered there, judged here.

Times are milliseconds since 1970, by Redis's clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.core.entry.entry import wanted_router
from worker.core.rows.observed import Observation
from worker.core.rows.operations import Note
from worker.core.service.outcome import DeadLetter
from worker.core.service.record import ServiceRecord


class Journaled(NamedTuple):
    """An event that is safe and not folded yet; `since_ms` is when somebody was to look at it."""

    event_id: str
    type: str
    since_ms: int


class Scheduled(NamedTuple):
    """An event that is to take effect later."""

    event_id: str
    type: str
    at_ms: int


class Holder(NamedTuple):
    """Who has what a service waits for.

    Attributes:
        claim: `mac:…` or `address:…`.
        service_id: the holder.
        status: its own.
        sync: `in_sync`, `pending`, `waiting`, `circuit_open` or `failed`.
        why: what it waits for itself, in words; empty when it waits for nothing.
    """

    claim: str
    service_id: str
    status: str
    sync: str
    why: str = ""


class Why(NamedTuple):
    """Why the last look at a service did not end in sync."""

    reason: str
    detail: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRouter:
    """One router and the service.

    Attributes:
        name: the router's.
        known: whether the inventory names it.
        state: `up`, or why nothing is written to it; `held` by a person.
        observed: its policy has nothing written to it, ever.
        is_right: a pass last found there what is wanted.
        since_ms: when that began.
        next_at_ms: when it is tried again; 0: not by itself.
        cause: a word for it.
        message: the router's, or those of who put it so.
        wants: the row that is to stand there; None: none.
        written: the row that was last written and read back; None: none.
        written_at_ms: when that was; 0: not known.
        queued: a pass is to look at it.
        why: of its last look.
        holders: who has what it asks for.
        seen: what the router showed just now; None: it was not asked, or `silence` says why not.
        misfit: why no device can use its address there; None: one can, or that is not known.
        silence: why it could not be asked; empty when it was not.
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
    queued: bool = False
    why: Why | None = None
    holders: Sequence[Holder] = ()
    seen: Observation | None = None
    misfit: Note | None = None
    silence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the answer about one service is made of.

    Attributes:
        now_ms: when it was asked.
        installation: ours, for the tags of rows.
        record: of the service.
        at: the router that is to serve it, and those on which a row may still stand.
        journaled: events of it that are not folded yet.
        scheduled: events of it that take effect later.
        dead_letters: its dead letters, the newest first.
        workers: kinds of worker that gave a sign of life: `events`, `routers`.
        inventories: when those read the inventories that they have (ms), the oldest first.
    """

    now_ms: int
    installation: str
    record: ServiceRecord
    at: Sequence[AtRouter] = ()
    journaled: Sequence[Journaled] = ()
    scheduled: Sequence[Scheduled] = ()
    dead_letters: Sequence[DeadLetter] = ()
    workers: frozenset[str] = frozenset()
    inventories: Sequence[int] = ()

    @property
    def home(self) -> AtRouter | None:
        """The router that is to serve it."""
        return next((each for each in self.at if each.name == self.record.router), None)

    @property
    def to_clean(self) -> list[str]:
        """Routers on which a row may stand that is no longer wanted."""
        wanted = wanted_router(self.record)
        return [name for name in self.record.placements if name != wanted]
