"""Collects what one commit says of events: outcomes, dead letters, history and log lines.

What it did beside its services is logged as well: the brake, and superseded events.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from contracts import names
from worker.core.entry.brake import HELD_MESSAGE
from worker.core.service.event_ref import EventRef
from worker.core.service.history import line_to_json
from worker.core.service.outcome import FINAL, DeadLetter, Outcome, State
from worker.core.service.record_parts import AssignedKind
from worker.store.commits import Committed, EventCommit
from worker.store.sources import SourceCount
from worker.store.store import Store

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)

_WARNINGS: Final = frozenset(
    {"event.rejected", "event.revision_conflict", "event.previous_differs"}
)
"""Log events that ask a person to look at the source."""
_EXPECTED: Final = frozenset({"withdrawn", "newer-than-file"})
"""Reasons for which events are superseded though their source orders them well."""

_NAMING: Final = frozenset({"accepted", "waiting", "applied"})
"""States whose outcomes name what pools of ours gave the service."""


@dataclass(slots=True)
class CommitReport:
    """Of one service and one commit. Of two outcomes of one event the later one counts.

    Attributes:
        lane: the lane by which the events came; None: they were scheduled.
        by: event key -> `actor` and `note` of an operator's event.
        counts: counters to raise, besides those of the events.
        lines: history, oldest first, as text.
        source_counts: source -> what came of its events.
    """

    service_id: str
    now_ms: int
    lane: names.Lane | None = None
    by: dict[str, Mapping[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    source_counts: dict[str, SourceCount] = field(default_factory=dict)
    _first: dict[str, EventCommit] = field(default_factory=dict)
    _again: list[EventCommit] = field(default_factory=list)
    _later: dict[str, Outcome] = field(default_factory=dict)
    _log: list[tuple[str, EventRef, dict[str, object]]] = field(default_factory=list)

    @property
    def events(self) -> list[EventCommit]:
        """The events that came."""
        return [*self._first.values(), *self._again]

    @property
    def outcomes(self) -> list[Outcome]:
        """New outcomes of events that came earlier."""
        return list(self._later.values())

    def set_outcome(  # noqa: PLR0913 - the parts of one outcome
        self,
        event: EventRef,
        state: State,
        *,
        count: str = "",
        reason: str = "",
        detail: str = "",
        router: str = "",
        effective_at_ms: int = 0,
        content: str | None = None,
        brief: bool = False,
    ) -> None:
        """Set the outcome of an event that came.

        `count`: the counter to raise; empty: that of the state; `effective_at_ms`: when a scheduled
        event takes effect; `content`: hash of its content, to be remembered; None: if the event
        comes again, it is folded again; `brief`: it changed nothing: its outcome is kept for an
        hour, in no list.
        """
        count = count or state
        if count not in ("rejected", "released"):
            superseded = state == "superseded" and reason not in _EXPECTED
            counted = self.source_counts.get(event.source, SourceCount(0, 0))
            self.source_counts[event.source] = SourceCount(
                counted.events + 1, counted.superseded + superseded
            )
        outcome = Outcome(
            *(event, self.service_id, state, self.now_ms, reason, detail, router, effective_at_ms)
        )
        self._first[event.key] = EventCommit(
            *(event.key, self.lane, count, outcome, content),
            listed=not brief,
            refused=event.source if state == "rejected" else None,
        )
        self.add_log(f"event.{count}", event, reason=reason, detail=detail)

    def name_assigned(self, assigned: Mapping[AssignedKind, str]) -> None:
        """Let the outcomes of events that count name what pools of ours gave the service."""
        for key, first in self._first.items():
            if first.outcome is not None and first.outcome.state in _NAMING:
                self._first[key] = first._replace(outcome=first.outcome._replace(assigned=assigned))
        for key, outcome in self._later.items():
            if outcome.state in _NAMING:
                self._later[key] = outcome._replace(assigned=assigned)

    def came_again(self, event: EventRef, count: str) -> None:
        """An event came again: its outcome stands."""
        self._again.append(EventCommit(event.key, self.lane, count))
        self.add_log(f"event.{count}", event)

    def reject_reused(self, event: EventRef, reason: str, detail: str) -> None:
        """Another event with a used id came: the outcome of the first one stands.

        The rejection appears in the feed of the source alone.
        """
        outcome = Outcome(event, self.service_id, "rejected", self.now_ms, reason, detail)
        again = EventCommit(event.key, self.lane, "rejected", outcome, in_feed_only=True)
        self._again.append(again)
        self.add_log("event.rejected", event, reason=reason, detail=detail)

    def change_outcome(
        self, event: EventRef, state: State, reason: str = "", detail: str = ""
    ) -> None:
        """Change the outcome of an event of this commit or of an earlier one."""
        outcome = Outcome(event, self.service_id, state, self.now_ms, reason, detail)
        first = self._first.get(event.key)
        if first is None:
            self._later[event.key] = outcome
        else:
            self._first[event.key] = first._replace(outcome=outcome)
        if state in FINAL:
            self.counts[state] = self.counts.get(state, 0) + 1

    def add_dead_letter(
        self, event: EventRef, id_: str, reason: str, detail: str, raw: Mapping[str, object]
    ) -> None:
        """Keep an event that failed permanently as the dead letter `id_`."""
        self.dead_letters.append(
            DeadLetter(
                id=id_,
                kind="event",
                reason=reason,
                detail=detail,
                service_id=self.service_id,
                body=json.dumps(raw),
                event_keys=(event.key,),
                at_ms=self.now_ms,
                source=event.source,
            )
        )

    def add_line(self, event: EventRef, what: str, **more: object) -> None:
        """Add a line to the service's history."""
        line: dict[str, object] = {"event": event.id, "type": event.type}
        line |= self.by.get(event.key, {})
        self.lines.append(line_to_json(self.now_ms, what, line | more))

    def add_log(self, name: str, event: EventRef, **more: object) -> None:
        """Add a line to the log, to be written after the commit."""
        self._log.append((name, event, more))

    def write_logs(self) -> None:
        """Write the log lines: they are true once the commit succeeded."""
        for name, event, more in self._log:
            level = logging.WARNING if name in _WARNINGS else logging.INFO
            if _levels.isEnabledFor(level):  # an installation may want warnings only
                actor = self.by.get(event.key, {}).get("actor")
                fields = {"event_id": event.id, "event_type": event.type, "actor": actor} | more
                present = {key: value for key, value in fields.items() if value}
                log.log(level, name, service_id=self.service_id, **present)


def log_committed(store: Store, result: Committed) -> None:
    """Log which sources send mostly superseded events, and what the brake holds."""
    for alarm in result.alarms:
        if alarm.up:
            log.error(
                "source.mostly_superseded",
                **alarm.fields(),
                advice="if the source counts from lower revisions, as after a restore, run "
                "`leasewire sources rebase`; else its queue delivers in the wrong order",
            )
        else:
            log.info("source.recovered", **alarm.fields())
    for scope, services in result.braked.items():
        advice = "see `leasewire brake list`"
        log.error("brake.held", scope=scope, services=services, advice=advice)
        store.alerts.open("brake", scope, HELD_MESSAGE)
    if result.approved:
        left = store.brake.approvals()
        for alert in store.alerts.all_open():
            if alert.kind == "brake" and alert.subject not in left:
                store.alerts.resolve("brake", alert.subject, "nothing is held any more")
