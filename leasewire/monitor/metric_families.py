"""What `leasewire metrics` gives: figures -> families of samples, each with what it means.

Pure. Names follow Prometheus: base units, `_total` for what only grows, times of day as
`_timestamp_seconds`. How old something waiting is is told as `_seconds` by Redis's clock, since
that alone has set the times. No label has a service's id: labels are names of the inventory, words
of this program, and hosts.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from leasewire.monitor.figures import Figures
from worker.core.alerting.alerts import KINDS
from worker.core.entry.brake import HELD
from worker.core.service.outcome import FINAL
from worker.store.canaries import QUEUES
from worker.store.router_figures import RouterFigures

MOST_WORDS: Final = 40
"""Different words of a kind that Redis tells us: what is rarer counts as `other`."""
MOST_HOSTS: Final = 50
ROUTER_STATES: Final = (
    *("up", "draining", "new", "unknown", "unreachable", "blocked", "policy-changed", "paused"),
)
_WORKERS: Final = ("events", "routers")
_WHATS: Final = (
    *("redis", "memory", "workers", "journal", "work_items"),
    *("routers", "brake", "dead", "waiting"),
)
"""What `leasewire status` may find something wrong with, `worker/core/alerting/health.py`."""


def families(figures: Figures | None) -> Iterator[Metric]:
    """Every family.

    Args:
        figures: None: Redis did not answer; nothing but that is told then.
    """
    yield _gauge(
        "leasewire_redis_up",
        "1: Redis answered this scrape. 0: it did not, or refuses us; then no other figure is "
        "given, as none would be of now. The exporter's log has Redis's words.",
        figures is not None,
    )
    if figures is None:
        return
    yield _gauge(
        "leasewire_metrics_read_seconds",
        "What this scrape took to read Redis. It grows with routers, with services that wait and "
        "with dead letters, hardly with services that are well.",
        figures.read_s,
    )
    yield from _redis(figures)
    yield from _intake(figures)
    yield from _workers(figures)
    yield from _all_routers(figures)
    yield from _each_router(figures)
    yield from _stuck(figures)
    yield from _deliveries(figures)


def _redis(figures: Figures) -> Iterator[Metric]:
    redis = figures.health_figures.redis
    yield _gauge(
        "leasewire_redis_memory_used_bytes",
        "Memory that Redis uses. From 80 % of the limit on no events are taken in.",
        redis.used,
    )
    yield _gauge(
        "leasewire_redis_memory_limit_bytes",
        "maxmemory of Redis; 0: none is set, and intake ends at 80 % of the host's memory.",
        redis.limit,
    )
    yield _gauges(
        "leasewire_redis_intake_left_seconds",
        "Until the memory is so full that no events are taken in, at the rate of the last "
        "hours. Absent: nothing grows, or it is measured for too short.",
        (),
        {} if redis.days_left is None else {(): redis.days_left * 86_400},
    )
    yield _gauge(
        "leasewire_redis_aof_enabled",
        "1: Redis keeps an append-only file. 0: a restart loses everything.",
        redis.appendonly,
    )
    yield _gauge(
        "leasewire_redis_aof_ok",
        "1: the last write and the last rewrite of the append-only file went well. 0: make room "
        "on Redis's disk.",
        redis.written,
    )


def _intake(figures: Figures) -> Iterator[Metric]:
    health_figures, ages = figures.health_figures, _Ages(figures)
    yield _gauges(
        "leasewire_journal_events",
        "Events in the journal: published, and not yet part of the record. lane=bulk are imports "
        "and resyncs, served while `events` is empty. The gateway refuses from 50,000 of `events`.",
        ("lane",),
        {(lane,): each.depth for lane, each in health_figures.journal.items()},
    )
    yield _gauges(
        "leasewire_journal_oldest_seconds",
        "For how long the oldest event of a lane has waited to be worked on; 0: none waits. "
        "`leasewire status` warns from 60 s on, and is critical from 600 s on.",
        ("lane",),
        {(lane,): ages.of(each.oldest_ms) for lane, each in health_figures.journal.items()},
    )
    yield _gauges(
        "leasewire_queue_messages",
        "Celery's messages that no worker has taken. They only ring: the work is in the journal "
        "and in the marks. unacked: taken, and not ended.",
        ("queue",),
        {(queue,): length for queue, length in health_figures.queues.items()},
    )
    yield _gauges(
        "leasewire_queue_silent_seconds",
        "For how long nobody took the test message in a queue; one is put into each every 10 s. "
        "Over 60: workers are missing, or hang.",
        ("queue",),
        {(queue,): health_figures.canaries.get(queue, 0) / 1000 for queue in QUEUES},
    )
    yield _counters(
        "leasewire_outcomes",
        "What was said of events, by word: `accepted` when an event has become part of the record, "
        "later how it ended, such as `applied` (written to the router and read back). Counted in "
        "Redis: goes on over restarts, and falls only with a Redis that lost its data.",
        ("outcome",),
        _few({"accepted": 0, **dict.fromkeys(sorted(FINAL), 0), **health_figures.counters}),
    )
    yield _counters(
        "leasewire_source_events",
        "Events of a source of the inventory that became part of the record, or wait for their "
        "time; duplicates are not counted again.",
        ("source",),
        {(name,): each.events for name, each in figures.sources.items()},
    )
    yield _counters(
        "leasewire_source_superseded_events",
        "Those of a source that came when newer ones had said all of it: many of them mean that "
        "it counts from lower revisions, as after a restore (`leasewire sources rebase`).",
        ("source",),
        {(name,): each.superseded for name, each in figures.sources.items()},
    )
    yield _gauges(
        "leasewire_source_last_event_timestamp_seconds",
        "When the last event of a source came. Absent: none ever did.",
        ("source",),
        {(name,): each.last_ms / 1000 for name, each in figures.sources.items() if each.last_ms},
    )


def _workers(figures: Figures) -> Iterator[Metric]:
    alive = Counter(name.partition("@")[0] for name in figures.health_figures.workers)
    yield _gauges(
        "leasewire_workers",
        "Worker processes that gave a sign of life in the last 15 s. kind=events folds events into "
        "the record, kind=routers writes to routers: with none of a kind that work stands still.",
        ("kind",),
        {(kind,): alive[kind] for kind in _WORKERS},
    )
    ages: dict[tuple[str, str], int] = {}
    for name, ago_ms in sorted(figures.workers_seen.items(), key=lambda each: each[1]):
        kind, _, where = name.partition("@")
        ages.setdefault((kind, where.rpartition(":")[0]), ago_ms)
    yield _gauges(
        "leasewire_worker_last_sign_seconds",
        "How long ago a worker of this kind gave a sign of life on a host; each does so every "
        "second. A host without one for a day is forgotten.",
        ("kind", "host"),
        {each: ages[each] / 1000 for each in list(ages)[:MOST_HOSTS]},
    )


def _all_routers(figures: Figures) -> Iterator[Metric]:
    states = Counter(map(_state_of, figures.routers))
    yield _gauges(
        "leasewire_routers",
        "Routers by state. up; draining: back, and what waited is being written; unreachable: its "
        "circuit is open, it is tried again by itself; blocked: it refuses us or may be another "
        "router, a person must act (`leasewire routers check`); policy-changed: `leasewire routers "
        "apply`; paused: by a person; new: nobody reached it yet; unknown: events name it, and the "
        "inventory does not. Work for all but the first three is parked, and is not lost.",
        ("state",),
        {(state,): states[state] for state in ROUTER_STATES},
    )


def _each_router(figures: Figures) -> Iterator[Metric]:
    ages, routers = _Ages(figures), figures.routers
    yield _gauges(
        "leasewire_router_up",
        "1: the router is worked with; 0: its work is parked, leasewire_router_state says why.",
        ("router",),
        {(each.name,): each.state.state == "up" for each in routers},
    )
    yield _gauges(
        "leasewire_router_state",
        "1 at the state that a router is in, as in leasewire_routers; no other is given.",
        ("router", "state"),
        {(each.name, _state_of(each)): 1 for each in routers},
    )
    yield _gauges(
        "leasewire_router_away_since_timestamp_seconds",
        "Since when a router is not up. Absent: it is.",
        ("router",),
        {
            (each.name,): each.state.since_ms / 1000
            for each in routers
            if each.state.state != "up" and each.state.since_ms
        },
    )
    yield _gauges(
        "leasewire_router_services",
        "Services of a router by where they stand. applied: as wanted when last looked at; "
        "observed: the same, where policy says that nothing is written; pending: to be looked at; "
        "waiting: cannot go on, and does so by itself when what it waits for is there; held: by "
        "the brake, until a person decides; dead: given up, see `leasewire dead-letters`. A "
        "service that moves counts at both routers until its old row is gone.",
        ("router", "state"),
        {
            (each.name, state): number
            for each in routers
            for state, number in _standing(each, figures.observed).items()
        },
    )
    waits: dict[tuple[str, ...], float] = {
        (each.name, reason): number
        for each in routers
        for (reason,), number in _few(_waiting(each)).items()
    }
    yield _gauges(
        "leasewire_router_waiting_services",
        "Services that wait, by why; `leasewire why SERVICE` tells it of one. Only reasons that "
        "there are.",
        ("router", "reason"),
        waits,
    )
    lanes = [(each, lane, getattr(each, lane)) for each in routers for lane in ("live", "bulk")]
    yield _gauges(
        "leasewire_router_due_services",
        "Services of a router that are due to be looked at now. lane=live: somebody waits for "
        "them; bulk: imports, resyncs, and what was said of the whole router.",
        ("router", "lane"),
        {(each.name, lane): due.number for each, lane, due in lanes},
    )
    yield _gauges(
        "leasewire_router_due_oldest_seconds",
        "For how long the one that is due for longest has been so; 0: none is. `leasewire status` "
        "warns from 120 s on where the router is up, and is critical from 900 s on.",
        ("router", "lane"),
        {(each.name, lane): ages.of(due.oldest_ms) for each, lane, due in lanes},
    )
    yield _gauges(
        "leasewire_router_last_full_read_timestamp_seconds",
        "When a router's tables were last read as a whole, for drift and rows that are gone: "
        "usually within LEASEWIRE_REPORT_EVERY_S (an hour) where it is up. Absent: not yet.",
        ("router",),
        {(each.name,): each.read_ms / 1000 for each in routers if each.read_ms},
    )
    pools = [(each.name, pool) for each in routers for pool in each.pools]
    yield _gauges(
        "leasewire_router_pool_used_addresses",
        "Addresses in use of a pool that a DHCP server gives from, when the router was last read "
        "as a whole. From nine tenths of them on somebody is alerted.",
        ("router", "pool"),
        {(router, pool.name): pool.used for router, pool in pools},
    )
    yield _gauges(
        "leasewire_router_pool_addresses",
        "All addresses of such a pool, with those of the pools from which it goes on.",
        ("router", "pool"),
        {(router, pool.name): pool.size for router, pool in pools},
    )


def _stuck(figures: Figures) -> Iterator[Metric]:
    health_figures, ages = figures.health_figures, _Ages(figures)
    found = Counter[tuple[str, str]]((each.level, each.what) for each in figures.findings)
    yield _gauges(
        "leasewire_findings",
        "What `leasewire status` finds wrong now, which tells the thresholds, the figures and what "
        "to do; 0: nothing of this.",
        ("level", "what"),
        {each: found[each] for each in [*product(("warning", "critical"), _WHATS), *found]},
    )
    yield _gauges(
        "leasewire_waiting_oldest_seconds",
        "For how long the first of the services has waited that wait for this reason.",
        ("reason",),
        _few({why: ages.of(each.oldest_ms) for why, each in health_figures.waiting.items()}, max),
    )
    yield _gauges(
        "leasewire_dead_letters",
        "Events, webhooks and services that cannot go on until a person deals with them, by cause: "
        "`leasewire dead-letters list`. Of more than 10,000 the newest are counted.",
        ("reason",),
        _few({why: each.number for why, each in health_figures.dead_letters.items()}),
    )
    yield _gauges(
        "leasewire_dead_letters_oldest_seconds",
        "How old the oldest of them is.",
        ("reason",),
        _few(
            {why: ages.of(each.oldest_ms) for why, each in health_figures.dead_letters.items()}, max
        ),
    )
    yield _gauge(
        "leasewire_brake_holds",
        "Limits of the brake that were passed and wait for a person: `leasewire brake list`.",
        len(figures.holds),
    )
    yield _gauges(
        "leasewire_brake_held_services",
        "Services that would lose their entries and are held, by the limit (`router:NAME` or "
        "`source:URI`).",
        ("hold",),
        {(hold,): number for hold, number in figures.holds.items()},
    )
    counted = Counter((each.kind, _yes(each.notified)) for each in figures.alerts)
    yield _gauges(
        "leasewire_alerts",
        "Open alerts by kind; `leasewire runbook` has a page for each, `leasewire alerts list` the "
        "words. told=no: it has not lasted long enough to be told to anybody, and may end so. "
        "pool-nearly-full is of DHCP pools, certificate-expiring of routers' certificates.",
        ("kind", "severity", "notified"),
        {
            (kind, KINDS[kind].severity, notified): counted[kind, notified]
            for kind, notified in product(KINDS, ("yes", "no"))
        },
    )


def _deliveries(figures: Figures) -> Iterator[Metric]:
    ages, each_of = _Ages(figures), figures.deliveries
    yield _counters(
        "leasewire_outcome_deliveries",
        "Outcomes that a target of outcomes.toml took.",
        ("target",),
        {(each.target,): each.delivered for each in each_of},
    )
    yield _gauges(
        "leasewire_outcome_delivery_lag_seconds",
        "How old the first outcome is that was not offered to the target yet; 0: none waits. "
        "Absent: no process delivers to it since it is there (`leasewire outcomes deliver`).",
        ("target",),
        {(each.target,): ages.of(each.oldest_ms) for each in each_of if each.oldest_ms is not None},
    )
    yield _gauges(
        "leasewire_outcome_delivery_failing",
        "1: the target does not take what it is sent; tried again for three days.",
        ("target",),
        {(each.target,): each.failing for each in each_of},
    )
    yield _gauges(
        "leasewire_outcome_delivery_retried",
        "Outcomes that the target refused and that are tried again beside the others.",
        ("target",),
        {(each.target,): each.retried for each in each_of},
    )
    yield _gauges(
        "leasewire_outcome_delivery_undelivered",
        "Outcomes that were given up: `leasewire outcomes failed TARGET`, and `retry`.",
        ("target",),
        {(each.target,): each.undelivered for each in each_of},
    )


class _Ages:
    """How long ago moments were, in seconds by Redis's clock."""

    def __init__(self, figures: Figures) -> None:
        self._now_ms = figures.health_figures.now_ms

    def of(self, at_ms: int) -> float:
        """0: it was never, or is to come."""
        return max(0, self._now_ms - at_ms) / 1000 if at_ms else 0.0


def _state_of(router: RouterFigures) -> str:
    state = router.state
    return "draining" if state.state == "up" and state.away_since_ms else state.state


def _standing(router: RouterFigures, observed: frozenset[str]) -> dict[str, int]:
    held = sum(each.reason == HELD for each in router.waiting)
    well = router.services - router.queued - router.failed
    return {
        "observed" if router.name in observed else "applied": max(0, well),
        "pending": max(0, router.queued - len(router.waiting)),
        "waiting": len(router.waiting) - held,
        "held": held,
        "dead": router.failed,
    }


def _waiting(router: RouterFigures) -> Counter[str]:
    return Counter(each.reason for each in router.waiting if each.reason != HELD)


def _few(
    numbers: Mapping[str, float], together: Callable[[list[float]], float] = sum
) -> dict[tuple[str, ...], float]:
    """The largest, and the others as one: so that no text of Redis makes series without end."""
    largest = sorted(numbers, key=lambda word: -numbers[word])
    found: dict[tuple[str, ...], float] = {(each,): numbers[each] for each in largest[:MOST_WORDS]}
    if rest := [numbers[word] for word in largest[MOST_WORDS:]]:
        found[("other",)] = together(rest)
    return found


def _yes(value: bool) -> str:  # noqa: FBT001 - turns one into a word
    return "yes" if value else "no"


def _gauge(name: str, message: str, value: float) -> Metric:
    return GaugeMetricFamily(name, message, value=float(value))


def _gauges(
    name: str, message: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]
) -> Metric:
    return _filled(GaugeMetricFamily(name, message, labels=tuple(labels)), values)


def _counters(
    name: str, message: str, labels: Iterable[str], values: Mapping[tuple[str, ...], float]
) -> Metric:
    return _filled(CounterMetricFamily(name, message, labels=tuple(labels)), values)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[tuple[str, ...], float]
) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family
