"""The values of metrics, by their labels: figures -> {label values: value}. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import product
from typing import Final

from leasewire.monitor.figures import Figures
from worker.core.alerting.alerts import KINDS
from worker.core.alerting.health_figures import ReasonCount
from worker.core.entry.brake import HELD
from worker.store.router_figures import RouterFigures

MOST_WORDS: Final = 40
"""Values of a label that Redis provides: rarer ones count as `other`."""
MOST_HOSTS: Final = 50
ROUTER_STATES: Final = (
    *("up", "draining", "new", "unknown", "unreachable", "blocked", "policy-changed", "paused"),
)
_WORKERS: Final = ("events", "routers")
_FINDINGS: Final = (
    *("redis", "memory", "workers", "journal", "work_items"),
    *("routers", "brake", "dead", "waiting"),
)
"""What `leasewire status` may find wrong, in `worker/core/alerting/health.py`."""

Values = Mapping[tuple[str, ...], float]


def age(figures: Figures, at_ms: int) -> float:
    """Seconds since a moment by Redis's clock; 0: never, or in the future."""
    return max(0, figures.health_figures.now_ms - at_ms) / 1000 if at_ms else 0.0


def shown_state(router: RouterFigures) -> str:
    """The state of a router, with `draining` for one that was away."""
    state = router.state
    return "draining" if state.state == "up" and state.away_since_ms else state.state


def routers_by_state(figures: Figures) -> Values:
    """Number of routers in each state."""
    states = Counter(map(shown_state, figures.routers))
    return {(state,): states[state] for state in ROUTER_STATES}


def per_router(value: Callable[[RouterFigures], float | None]) -> Callable[[Figures], Values]:
    """A value for each router; None: absent."""
    return lambda figures: {
        (router.name,): found for router in figures.routers if (found := value(router)) is not None
    }


def pools(figures: Figures) -> Values:
    """Values of each pool of ours by state."""
    return {
        (name, state): getattr(use, state)
        for name, use in figures.pools.items()
        for state in ("given", "quarantine", "free")
    }


def services(figures: Figures) -> Values:
    """Services of each router by state."""
    found: dict[tuple[str, ...], float] = {}
    for router in figures.routers:
        held = sum(group.reason == HELD for group in router.waiting)
        in_sync = router.services - router.queued - router.failed
        states = {
            "observed" if router.name in figures.observed else "applied": max(0, in_sync),
            "pending": max(0, router.queued - len(router.waiting)),
            "waiting": len(router.waiting) - held,
            "held": held,
            "dead": router.failed,
        }
        found |= {(router.name, state): number for state, number in states.items()}
    return found


def waiting(figures: Figures) -> Values:
    """Waiting services of each router by reason."""
    return {
        (router.name, reason): number
        for router in figures.routers
        for (reason,), number in most(
            Counter(group.reason for group in router.waiting if group.reason != HELD)
        ).items()
    }


def due(value: Callable[[Figures, RouterFigures, str], float]) -> Callable[[Figures], Values]:
    """A value for each router and lane."""
    return lambda figures: {
        (router.name, lane): value(figures, router, lane)
        for router in figures.routers
        for lane in ("live", "bulk")
    }


def workers(figures: Figures) -> Values:
    """Living workers of each kind."""
    alive = Counter(name.partition("@")[0] for name in figures.health_figures.workers)
    return {(kind,): alive[kind] for kind in _WORKERS}


def heartbeats(figures: Figures) -> Values:
    """Seconds since the last heartbeat, by kind and host."""
    ages: dict[tuple[str, ...], float] = {}
    for sign in sorted(figures.health_figures.processes, key=lambda sign: sign.ago_ms):
        ages.setdefault((sign.process.kind, sign.process.host), sign.ago_ms / 1000)
    return {labels: ages[labels] for labels in list(ages)[:MOST_HOSTS]}


def findings(figures: Figures) -> Values:
    """Findings by level and subject."""
    found = Counter[tuple[str, str]]((finding.level, finding.what) for finding in figures.findings)
    all_known = product(("warning", "critical"), _FINDINGS)
    return {labels: found[labels] for labels in [*all_known, *found]}


def alerts(figures: Figures) -> Values:
    """Open alerts by kind."""
    found = Counter((alert.kind, "yes" if alert.notified else "no") for alert in figures.alerts)
    return {
        (kind, KINDS[kind].severity, notified): found[kind, notified]
        for kind, notified in product(KINDS, ("yes", "no"))
    }


def most(
    numbers: Mapping[str, float], together: Callable[[list[float]], float] = sum
) -> dict[tuple[str, ...], float]:
    """The largest values, and the others as one: Redis cannot create series without end."""
    largest = sorted(numbers, key=lambda word: -numbers[word])
    found: dict[tuple[str, ...], float] = {(word,): numbers[word] for word in largest[:MOST_WORDS]}
    if rest := [numbers[word] for word in largest[MOST_WORDS:]]:
        found["other",] = together(rest)
    return found


def oldest(figures: Figures, groups: Mapping[str, ReasonCount]) -> dict[tuple[str, ...], float]:
    """Seconds since the oldest of each reason."""
    return most({why: age(figures, group.oldest_ms) for why, group in groups.items()}, max)
