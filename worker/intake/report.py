"""What one commit says of events: outcomes, dead letters, history, log. Filled by `folding`."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

import structlog

from contracts import names
from worker.core.service.history import line_to_json
from worker.core.service.outcome import FINAL, DeadLetter, Outcome, State
from worker.core.service.record import PendingEvent
from worker.core.service.schedule import Scheduled
from worker.store.records import EventCommit
from worker.store.sources import SourceCount

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)

_WARNINGS: Final = frozenset(
    {"event.rejected", "event.revision_conflict", "event.previous_differs"}
)
"""Somebody has to look at the source of these."""
_NO_WONDER: Final = frozenset({"withdrawn", "newer-than-file"})
"""Reasons for which an event is superseded though its source is well."""


class EventRef(NamedTuple):
    """The event that something is said of.

    Attributes:
        key: its name in the store (`contracts.event_key`).
        event_id: as its source named it.
        source: who sent it.
        type: its full type.
        lane: the journal lane that the commit clears; None: it is in none.
        accepted_at_ms: when it was folded or scheduled.
        effective_at_ms: when it takes effect; 0: at once.
        actor: the person in whose name an operator's event was sent; empty for others.
        bulk: it came in by the lane `bulk`.
    """

    key: str
    event_id: str
    source: str
    type: str
    lane: names.Lane | None = None
    accepted_at_ms: int = 0
    effective_at_ms: int = 0
    actor: str = ""
    bulk: bool = False

    @classmethod
    def of_scheduled(cls, each: Scheduled) -> Self:
        """An event that waited for its time."""
        return cls(
            each.key,
            each.event_id,
            each.source,
            each.type,
            accepted_at_ms=each.accepted_at_ms,
            effective_at_ms=each.at_ms,
        )

    @classmethod
    def of_pending(cls, each: PendingEvent) -> Self:
        """An event that waits for a router."""
        return cls(
            each.key,
            each.event_id,
            each.source,
            each.type,
            accepted_at_ms=each.accepted_at_ms,
            bulk=each.lane == names.QUEUE_BULK,
        )


@dataclass(slots=True)
class Report:
    """Of one service and one commit; what is said of one event twice is the later word.

    Attributes:
        service_id: the service.
        now_ms: Redis's time.
        counts: counters that go up beside those of the events.
        dead_letters: dead letters.
        lines: history, oldest first, as text.
        heard: how many events of each source were taken in.
    """

    service_id: str
    now_ms: int
    counts: dict[str, int] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    heard: dict[SourceCount, int] = field(default_factory=dict)
    _said: dict[str, EventCommit] = field(default_factory=dict)
    _again: list[EventCommit] = field(default_factory=list)
    _later: dict[str, Outcome] = field(default_factory=dict)
    _log: list[tuple[str, EventRef, dict[str, object]]] = field(default_factory=list)

    @property
    def events(self) -> list[EventCommit]:
        """What is said of the events that came."""
        return [*self._said.values(), *self._again]

    @property
    def outcomes(self) -> list[Outcome]:
        """What is said anew of events that came earlier."""
        return list(self._later.values())

    def set_outcome(  # noqa: PLR0913 - the parts of one sentence
        self,
        of: EventRef,
        count: str,
        state: State,
        *,
        reason: str = "",
        detail: str = "",
        router: str = "",
        content: str | None = None,
        brief: bool = False,
    ) -> None:
        """The word on an event that came.

        Args:
            of: the event.
            count: the counter that goes up.
            state: where it stands.
            reason: one word.
            detail: one sentence.
            router: that it concerns.
            content: hash of it, to be remembered; None: it may come again and is folded again.
            brief: it changed nothing: the word lives for an hour and stands in no list.
        """
        outcome = self._outcome(of, state, reason, detail, router)
        if count not in ("rejected", "released"):
            superseded = state == "superseded" and reason not in _NO_WONDER
            kind = SourceCount(of.source, superseded)
            self.heard[kind] = self.heard.get(kind, 0) + 1
        refused = of.source if state == "rejected" else None
        self._said[of.key] = EventCommit(
            *(of.key, of.lane, count, outcome, content), listed=not brief, refused=refused
        )
        self.add_log(f"event.{count}", of, reason=reason, detail=detail)

    def again(self, of: EventRef, count: str) -> None:
        """An event came of which the word that was said stands."""
        self._again.append(EventCommit(of.key, of.lane, count))
        self.add_log(f"event.{count}", of)

    def reject_beside(self, of: EventRef, reason: str, detail: str) -> None:
        """Another event of an id came: the word on the first stands, the source hears of it."""
        outcome = self._outcome(of, "rejected", reason, detail, "")
        self._again.append(EventCommit(of.key, of.lane, "rejected", outcome, beside=True))
        self.add_log("event.rejected", of, reason=reason, detail=detail)

    def correct(self, of: EventRef, state: State, reason: str = "", detail: str = "") -> None:
        """Say something further of an event, of this commit or of an earlier one."""
        outcome = self._outcome(of, state, reason, detail, "")
        said = self._said.get(of.key)
        if said is None:
            self._later[of.key] = outcome
        else:
            self._said[of.key] = replace(said, outcome=outcome)
        if state in FINAL:
            self.counts[state] = self.counts.get(state, 0) + 1

    def add_dead_letter(
        self, of: EventRef, dead_letter: str, reason: str, detail: str, raw: Mapping[str, object]
    ) -> None:
        """Keep an event that can go no further, as the dead letter of that id."""
        self.dead_letters.append(
            DeadLetter(
                id=dead_letter,
                kind="event",
                reason=reason,
                detail=detail,
                service_id=self.service_id,
                body=json.dumps(raw),
                event_keys=(of.key,),
                at_ms=self.now_ms,
                source=of.source,
            )
        )

    def line(self, of: EventRef, what: str, **more: object) -> None:
        """A line of the service's history."""
        line: dict[str, object] = {"event": of.event_id, "type": of.type}
        if of.actor:
            line["actor"] = of.actor
        self.lines.append(line_to_json(self.now_ms, what, line | more))

    def add_log(self, name: str, of: EventRef, **more: object) -> None:
        """A line of the log, once the commit is through."""
        self._log.append((name, of, more))

    def write_logs(self) -> None:
        """Log what was committed: only now is it true."""
        for name, of, more in self._log:
            level = logging.WARNING if name in _WARNINGS else logging.INFO
            if _levels.isEnabledFor(level):  # an installation may want warnings only
                fields = {"event_id": of.event_id, "event_type": of.type, "actor": of.actor} | more
                said = {name: value for name, value in fields.items() if value}
                log.log(level, name, service_id=self.service_id, **said)

    def _outcome(
        self, of: EventRef, state: State, reason: str, detail: str, router: str
    ) -> Outcome:
        return Outcome(
            key=of.key,
            event_id=of.event_id,
            source=of.source,
            type=of.type,
            service_id=self.service_id,
            state=state,
            reason=reason,
            detail=detail,
            accepted_at_ms=of.accepted_at_ms or self.now_ms,
            at_ms=self.now_ms,
            router=router,
            effective_at_ms=of.effective_at_ms if state == "scheduled" else 0,
            bulk=of.bulk or of.lane == names.QUEUE_BULK,
        )
