"""Alerts of what piles up: dead letters, long waits, a full intake, events ahead, disagreements.

They are begun and ended by what is there now, so whoever began one may die.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from contracts.intake import REOPENS, is_closed
from contracts.names import INTAKE_DEPTH, INTAKE_ENDS, QUEUE_EVENTS
from worker.core.alerting.alerts import AlertKind
from worker.core.alerting.health_figures import HealthFigures
from worker.core.entry.brake import HELD
from worker.core.service.conflicts import Conflict
from worker.store.health_figures import HealthReader
from worker.store.store import Store

_MOST_REASONS: Final = 5
_MOST_NAMED: Final = 3
_ENDS: Final[dict[AlertKind, str]] = {
    "dead-letters": "no dead letter is left",
    "waiting-too-long": "no service waits so long any more",
    "intake-full": "events are taken in again",
    "time-in-future": "no event is ahead any more",
    "revision-conflict": "something newer was said of all of it",
    "router-name-reused": "it is one router's name alone",
}


class Backlogs:
    """Measures as `leasewire status` does.

    Args:
        store: the store.
        waiting_ms: a service that waits for longer (milliseconds) is told of.
        routers: of the inventory.
    """

    def __init__(self, store: Store, waiting_ms: int, routers: Collection[str] = ()) -> None:
        self._store = store
        self._routers = routers
        self._waiting_ms = waiting_ms
        self._health_figures = HealthReader(store)

    def look(self) -> None:
        """One round; nothing, when another worker had one within the minute."""
        if not self._store.alerts.may_check():
            return
        health_figures = self._health_figures.read((), self._store.records.now_ms())
        conflicts = self._store.conflicts.open(health_figures.now_ms)
        found: dict[AlertKind, dict[str, str]] = {
            "dead-letters": _dead(health_figures),
            "waiting-too-long": self._late(health_figures),
            "intake-full": self._full(health_figures),
            "time-in-future": self._ahead(health_figures.now_ms),
            "revision-conflict": {s: _disagreeing(count, some) for s, count, some in conflicts},
            "router-name-reused": self._reused(),
        }
        self._store.alerts.settle(
            {
                (kind, subject): message
                for kind, of in found.items()
                for subject, message in of.items()
            },
            _ENDS,
        )

    def _late(self, health_figures: HealthFigures) -> dict[str, str]:
        """By reason; what the brake holds has an alert of its own."""
        return {
            reason: f"{_many(each.number, 'service waits', 'services wait')} ({reason}), the first "
            f"for {(health_figures.now_ms - each.oldest_ms) // 60_000} min: "
            "see `leasewire services list`, "
            "and `leasewire why SERVICE` of one"
            for reason, each in health_figures.waiting.items()
            if reason != HELD and health_figures.now_ms - each.oldest_ms >= self._waiting_ms
        }

    def _reused(self) -> dict[str, str]:
        return {
            old: f"router {old} of the inventory has a name that {new} had before: events that "
            f"say it are taken for {old}; see `leasewire routers rename --forget {old}`"
            for old, new in self._store.fleet.aliases().items()
            if old in self._routers
        }

    def _ahead(self, now_ms: int) -> dict[str, str]:
        """By source; whose clock is wrong nobody here can know."""
        found = self._store.journal.events_postponed(now_ms)
        counts = Counter(str(json.loads(body)["source"]) for body in found)
        return {
            source: f"{_many(count, 'event waits', 'events wait')}, more than 5 minutes ahead of "
            "Redis's clock: set the clock of Redis's host, or that or the time zone of the BSS"
            for source, count in counts.items()
        }

    def _full(self, health_figures: HealthFigures) -> dict[str, str]:
        """What is full; a gateway that was told another depth than usual may still take some."""
        found = {}
        share, depth = health_figures.redis.share, health_figures.journal[QUEUE_EVENTS].depth
        if share is not None and share >= INTAKE_ENDS:
            found["memory"] = (
                f"{share:.0%} of {health_figures.redis.ceiling_text} is used by Redis: from "
                f"{INTAKE_ENDS:.0%} on no events are taken in; see `leasewire status --memory`"
            )
        notified = self._store.alerts.find("intake-full", "journal") is not None
        if is_closed(depth, INTAKE_DEPTH, closed=notified):
            found["journal"] = (
                f"{depth} events wait in the journal: from {INTAKE_DEPTH} on the gateway takes "
                f"none in, until they are fewer than {INTAKE_DEPTH * REOPENS:.0f}; see "
                "`leasewire status`"
            )
        return found


def _dead(health_figures: HealthFigures) -> dict[str, str]:
    if not health_figures.dead_letters:
        return {}
    by_count = sorted(
        health_figures.dead_letters.items(), key=lambda each: (-each[1].number, each[0])
    )
    message = ", ".join(f"{each.number} {reason}" for reason, each in by_count[:_MOST_REASONS])
    if len(by_count) > _MOST_REASONS:
        message += f" and {len(by_count) - _MOST_REASONS} causes more"
    count = sum(each.number for each in health_figures.dead_letters.values())
    dead_letters = _many(count, "dead letter", "dead letters")
    of = sorted(health_figures.dead_sources.items(), key=lambda each: (-each[1], each[0]))
    named = ", ".join(f"{n} of {s or 'unknown sources'}" for s, n in of[:_MOST_NAMED])
    named = f"; {named}" if named else ""
    return {"": f"{dead_letters} ({message}{named}): see `leasewire dead-letters list`"}


def _disagreeing(count: int, first: Sequence[Conflict]) -> str:
    """Of one source; `first` are some of them, sorted."""
    named = [f"{each.service_id} ({', '.join(each.registers)})" for each in first[:_MOST_NAMED]]
    more = count - len(named)
    others = f" and {_many(more, 'other', 'others')}" if more else ""
    return (
        f"it said different things under one revision of {', '.join(named)}{others}: see "
        f"`leasewire services events {first[0].service_id}`"
    )


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
