"""Alerts about backlogs and hosts: dead letters, long waits, a full intake, a silent host.

Each round opens and resolves them by what is there now, so no worker has to remember them.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.intake import REOPENS, is_closed
from contracts.names import INTAKE_DEPTH, INTAKE_ENDS, QUEUE_EVENTS
from worker.core.alerting.alerts import AlertKind
from worker.core.alerting.health_figures import HealthFigures
from worker.core.alerting.processes import HostSummary, hosts_of
from worker.core.entry.brake import HELD
from worker.core.service.conflicts import Conflict
from worker.store.health_figures import HealthReader
from worker.store.store import Store

SILENT_MS: Final = 60_000
"""A process that is silent for so long opens the alert of its host."""
_MOST_REASONS: Final = 5
_MOST_NAMED: Final = 3
_RESOLVED: Final[dict[AlertKind, str]] = {
    "dead-letters": "no dead letter is left",
    "waiting-too-long": "no service waits that long any more",
    "intake-full": "events are taken again",
    "time-in-future": "no event is ahead of the clock any more",
    "revision-conflict": "newer events replaced all of them",
    "router-name-reused": "the name belongs to one router only",
    "host-silent": "its processes give signs of life again, or are forgotten",
}


@dataclass(frozen=True, slots=True)
class Backlogs:
    """Opens and resolves alerts from the figures that `leasewire status` shows.

    A service that waits longer than `waiting_ms` opens an alert.
    """

    store: Store
    waiting_ms: int
    routers: Collection[str] = ()

    def check(self) -> None:
        """Do one round, unless another worker did one within the last minute."""
        if not self.store.alerts.may_check():
            return
        figures = HealthReader(self.store).read((), self.store.records.now_ms())
        conflicts = self.store.conflicts.open(figures.now_ms)
        found: dict[AlertKind, dict[str, str]] = {
            "dead-letters": _dead_letters(figures),
            "waiting-too-long": self._waiting(figures),
            "intake-full": self._full(figures),
            "time-in-future": self._future_events(figures.now_ms),
            "revision-conflict": {
                source: _conflict(count, first) for source, count, first in conflicts
            },
            "router-name-reused": self._reused_names(),
            "host-silent": self._silent_hosts(figures),
        }
        self.store.alerts.settle(
            {
                (kind, subject): message
                for kind, messages in found.items()
                for subject, message in messages.items()
            },
            _RESOLVED,
        )

    def _waiting(self, figures: HealthFigures) -> dict[str, str]:
        """By reason; services held by the brake have an alert of their own."""
        return {
            reason: f"{_many(wait.number, 'service waits', 'services wait')} ({reason}), the first "
            f"for {(figures.now_ms - wait.oldest_ms) // 60_000} min: see `leasewire services "
            "list`, and `leasewire why SERVICE` for one of them"
            for reason, wait in figures.waiting.items()
            if reason != HELD and figures.now_ms - wait.oldest_ms >= self.waiting_ms
        }

    def _reused_names(self) -> dict[str, str]:
        return {
            old: f"router {old} of the inventory has the former name of {new}: events that name it "
            f"are taken for {old}; see `leasewire routers rename --forget {old}`"
            for old, new in self.store.fleet.aliases().items()
            if old in self.routers
        }

    def _silent_hosts(self, figures: HealthFigures) -> dict[str, str]:
        """By host. While Redis is away all signs get old, so that time counts for none."""
        steady_ms = self.store.heartbeats.steady_ms()
        return {
            host.name: _silent(host)
            for host in hosts_of(figures.processes)
            if host.silent
            and (
                min(steady_ms, max(host.silent.values())) >= SILENT_MS
                or self.store.alerts.find("host-silent", host.name)
            )
        }

    def _future_events(self, now_ms: int) -> dict[str, str]:
        """By source; nobody here can know whose clock is wrong."""
        bodies = self.store.journal.events_postponed(now_ms)
        counts = Counter(str(json.loads(body)["source"]) for body in bodies)
        return {
            source: f"{_many(count, 'event waits', 'events wait')}, more than 5 minutes ahead of "
            "Redis's clock: correct the clock of Redis's host, or the clock or time zone of the BSS"
            for source, count in counts.items()
        }

    def _full(self, figures: HealthFigures) -> dict[str, str]:
        """By what is full; a gateway with another limit than the default may still take events."""
        found = {}
        share, depth = figures.redis.share, figures.journal[QUEUE_EVENTS].depth
        if share is not None and share >= INTAKE_ENDS:
            found["memory"] = (
                f"Redis uses {share:.0%} of {figures.redis.ceiling_text}: from {INTAKE_ENDS:.0%} "
                "on no events are taken; see `leasewire status --memory`"
            )
        is_open = self.store.alerts.find("intake-full", "journal") is not None
        if is_closed(depth, INTAKE_DEPTH, closed=is_open):
            found["journal"] = (
                f"{depth} events wait in the journal: from {INTAKE_DEPTH} on the gateway takes "
                f"none, until fewer than {INTAKE_DEPTH * REOPENS:.0f} wait; see `leasewire status`"
            )
        return found


def _dead_letters(figures: HealthFigures) -> dict[str, str]:
    if not figures.dead_letters:
        return {}
    causes = sorted(figures.dead_letters.items(), key=lambda cause: (-cause[1].number, cause[0]))
    message = ", ".join(f"{group.number} {reason}" for reason, group in causes[:_MOST_REASONS])
    if len(causes) > _MOST_REASONS:
        message += f" and {len(causes) - _MOST_REASONS} more causes"
    count = sum(group.number for group in figures.dead_letters.values())
    dead_letters = _many(count, "dead letter", "dead letters")
    sources = sorted(figures.dead_sources.items(), key=lambda entry: (-entry[1], entry[0]))
    named = ", ".join(f"{n} of {name or 'unknown sources'}" for name, n in sources[:_MOST_NAMED])
    named = f"; {named}" if named else ""
    return {"": f"{dead_letters} ({message}{named}): see `leasewire dead-letters list`"}


def _silent(host: HostSummary) -> str:
    kinds = " and ".join(host.silent)
    silent_min = max(host.silent.values()) // 60_000
    return (
        f"no sign of life of {kinds} on {host.name} for {silent_min} min, and nobody stopped them: "
        "start them again, or let the host be forgotten: `leasewire alerts dismiss host-silent "
        f"{host.name}`"
    )


def _conflict(count: int, first: Sequence[Conflict]) -> str:
    """Describe the conflicts of one source; `first` are some of them, sorted."""
    named = [
        f"{conflict.service_id} ({', '.join(conflict.registers)})"
        for conflict in first[:_MOST_NAMED]
    ]
    more = count - len(named)
    others = f" and {_many(more, 'other', 'others')}" if more else ""
    return (
        f"it sent different values under one revision of {', '.join(named)}{others}: see "
        f"`leasewire services events {first[0].service_id}`"
    )


def _many(count: int, singular: str, plural: str) -> str:
    return f"{count} {singular if count == 1 else plural}"
