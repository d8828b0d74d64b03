"""The metrics of `leasewire metrics`: a table of families, each with its help and its values.

Pure. Names follow Prometheus: base units, `_total` for counters, times of day as
`_timestamp_seconds`. Ages are `_seconds` by Redis's clock, which alone sets the times. No label has
a service's id: labels are names of the inventory, words of this program, and hosts.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from leasewire.monitor import metric_values as values
from leasewire.monitor.figures import Figures
from leasewire.monitor.metric_kinds import Family, Histogram
from worker.core.service.outcome import FINAL
from worker.store.canaries import QUEUES


def families(figures: Figures | None) -> Iterator[Metric]:
    """Every metric.

    Args:
        figures: None: Redis did not answer, so there is only the metric that says so.
    """
    yield GaugeMetricFamily(
        "leasewire_redis_up",
        "1: Redis answered this scrape. 0: it did not, or refuses us; then there are no other "
        "metrics. The log of the exporter has the message of Redis.",
        value=float(figures is not None),
    )
    if figures is not None:
        yield from (family.metric(figures) for family in FAMILIES)


FAMILIES: Final[tuple[Family | Histogram, ...]] = (
    Family(
        "metrics_read_seconds",
        "Time that this scrape took to read Redis. It grows with routers, waiting services and "
        "dead letters, hardly with services that are in sync.",
        lambda f: f.read_s,
    ),
    Family(
        "redis_memory_used_bytes",
        "Memory that Redis uses. Intake closes at 80 % of the limit.",
        lambda f: f.health_figures.redis.used,
    ),
    Family(
        "redis_memory_limit_bytes",
        "maxmemory of Redis; 0: not set, and intake closes at 80 % of the host's memory.",
        lambda f: f.health_figures.redis.limit,
    ),
    Family(
        "redis_intake_left_seconds",
        "Time until intake closes for lack of memory, at the rate of the last hours. Absent: no "
        "growth, or not measured for long enough.",
        lambda f: {} if (days := f.health_figures.redis.days_left) is None else {(): days * 86_400},
    ),
    Family(
        "redis_aof_enabled",
        "1: Redis keeps an append-only file. 0: a restart loses everything.",
        lambda f: f.health_figures.redis.appendonly,
    ),
    Family(
        "redis_aof_ok",
        "1: the last write and the last rewrite of the append-only file succeeded. 0: free space "
        "on the disk of Redis.",
        lambda f: f.health_figures.redis.written,
    ),
    Family(
        "journal_events{lane}",
        "Events in the journal: accepted and not folded yet. lane=bulk are imports and resyncs, "
        "served while `events` is empty. The gateway refuses events from 50,000 in `events` on.",
        lambda f: {(lane,): entry.depth for lane, entry in f.health_figures.journal.items()},
    ),
    Family(
        "journal_oldest_seconds{lane}",
        "How long the oldest event of a lane is due to be folded; 0: none waits. `leasewire "
        "status` warns from 60 s on, and is critical from 600 s on.",
        lambda f: {
            (lane,): values.age(f, entry.oldest_ms)
            for lane, entry in f.health_figures.journal.items()
        },
    ),
    Family(
        "lost_events_total",
        "Accepted events that Redis lost, at a failover or with its last writes, and that their "
        "publishers sent again by themselves. With LEASEWIRE_REDIS_MIN_REPLICAS=1 it stays.",
        lambda f: f.health_figures.lost.number,
    ),
    Family(
        "queue_messages{queue}",
        "Celery messages that no worker has taken. They only wake workers: the work is in the "
        "journal and in the work items. unacked: taken, and not finished.",
        lambda f: {(queue,): length for queue, length in f.health_figures.queues.items()},
    ),
    Family(
        "queue_silent_seconds{queue}",
        "How long no worker took the test message of a queue; each gets one every 10 s. Over 60: "
        "workers are missing, or hang.",
        lambda f: {(queue,): f.health_figures.canaries.get(queue, 0) / 1000 for queue in QUEUES},
    ),
    Family(
        "outcomes_total{outcome}",
        "Outcomes of events by state: `accepted` when an event was folded, later how it ended, "
        "such as `applied` (written to the router and read back). Counted in Redis: continues over "
        "restarts, and falls only if Redis loses its data.",
        lambda f: values.most(
            {"accepted": 0, **dict.fromkeys(sorted(FINAL), 0), **f.health_figures.counters}
        ),
    ),
    Family(
        "source_events_total{source}",
        "Events of a source that were folded or scheduled; duplicates are not counted.",
        lambda f: {(name,): source.events for name, source in f.sources.items()},
    ),
    Family(
        "source_superseded_events_total{source}",
        "Events of a source that were superseded when they came: many of them mean that it counts "
        "from lower revisions, as after a restore (`leasewire sources rebase`).",
        lambda f: {(name,): source.superseded for name, source in f.sources.items()},
    ),
    Family(
        "source_last_event_timestamp_seconds{source}",
        "When the last event of a source came. Absent: none ever did.",
        lambda f: {
            (name,): source.last_ms / 1000 for name, source in f.sources.items() if source.last_ms
        },
    ),
    Family(
        "workers{kind}",
        "Worker processes with a heartbeat in the last 15 s. kind=events folds events, "
        "kind=routers writes to routers: without one of a kind that work stops.",
        values.workers,
    ),
    Family(
        "worker_last_sign_seconds{kind,host}",
        "Time since the last heartbeat of a process of this kind on a host: events and routers "
        "are workers, others are gateway, outcomes and alerts. Workers send one every second. "
        "What was stopped in order is forgotten at once, else after a day.",
        values.heartbeats,
    ),
    Family(
        "routers{state}",
        "Routers by state. up; draining: up again, its backlog is being written; unreachable: its "
        "circuit is open, retried automatically; blocked: it refuses us or may be another router, "
        "a person must act (`leasewire routers check`); policy-changed: `leasewire routers apply`; "
        "paused: by a person; new: not reached yet; unknown: events name it, but not the "
        "inventory. Work for all but the first three waits, and is not lost.",
        values.routers_by_state,
    ),
    Family(
        "router_up{router}",
        "1: workers can write to the router; 0: its work waits, leasewire_router_state says why.",
        values.per_router(lambda router: router.state.state == "up"),
    ),
    Family(
        "router_state{router,state}",
        "1 for the state of a router, as in leasewire_routers; other states are absent.",
        lambda f: {(router.name, values.shown_state(router)): 1 for router in f.routers},
    ),
    Family(
        "router_away_since_timestamp_seconds{router}",
        "Since when a router is not up. Absent: it is up.",
        values.per_router(
            lambda router: (
                router.state.since_ms / 1000
                if router.state.state != "up" and router.state.since_ms
                else None
            )
        ),
    ),
    Family(
        "router_services{router,state}",
        "Services of a router by state. applied: as wanted at the last check; observed: the same, "
        "on a router that is only observed; pending: to be checked; waiting: cannot proceed now, "
        "rechecked automatically; held: for approval by the brake; dead: failed, see `leasewire "
        "dead-letters`. A service that moves counts at both routers until its old row is removed.",
        values.services,
    ),
    Family(
        "router_waiting_services{router,reason}",
        "Waiting services by reason; `leasewire why SERVICE` explains one. Only present reasons.",
        values.waiting,
    ),
    Family(
        "router_due_services{router,lane}",
        "Services of a router that are due to be checked now. lane=live: events that somebody "
        "waits for; bulk: imports, resyncs, and changes of the whole router.",
        values.due(lambda _, router, lane: getattr(router, lane).number),
    ),
    Family(
        "router_due_oldest_seconds{router,lane}",
        "How long the oldest of them is due; 0: none is. `leasewire status` warns from 120 s on if "
        "the router is up, and is critical from 900 s on.",
        values.due(lambda f, router, lane: values.age(f, getattr(router, lane).oldest_ms)),
    ),
    Family(
        "router_last_full_read_timestamp_seconds{router}",
        "When a router was last read in full, for drift and missing rows: usually within "
        "LEASEWIRE_REPORT_EVERY_S (an hour) if it is up. Absent: not yet.",
        values.per_router(lambda router: router.read_ms / 1000 if router.read_ms else None),
    ),
    Family(
        "router_pool_used_addresses{router,pool}",
        "Used addresses of a pool of a DHCP server, at the last full read of the router. An alert "
        "opens at nine tenths.",
        lambda f: {(r.name, pool.name): pool.used for r in f.routers for pool in r.pools},
    ),
    Family(
        "router_pool_addresses{router,pool}",
        "All addresses of such a pool, with those of its next pools.",
        lambda f: {(r.name, pool.name): pool.size for r in f.routers for pool in r.pools},
    ),
    Family(
        "assigned_pool_values{pool,state}",
        "Addresses or prefixes of a pool of the inventory: given to services, in quarantine (given "
        "back lately, or on a row that is not ours), or free. An alert opens at 90 %.",
        values.pools,
    ),
    Family(
        "assigned_pool_waiting_services{pool}",
        "Services that wait for an address or a prefix of the pool.",
        lambda f: {(name,): use.waiting for name, use in f.pools.items()},
    ),
    Family(
        "findings{level,what}",
        "Findings of `leasewire status`, which shows thresholds, figures and advice; 0: none.",
        values.findings,
    ),
    Family(
        "waiting_oldest_seconds{reason}",
        "How long the first of the services waits that wait for this reason.",
        lambda f: values.oldest(f, f.health_figures.waiting),
    ),
    Family(
        "dead_letters{reason}",
        "Events, webhooks and services that failed permanently and wait for a person, by reason: "
        "`leasewire dead-letters list`. If there are more than 10,000, the newest are counted.",
        lambda f: values.most(
            {why: group.number for why, group in f.health_figures.dead_letters.items()}
        ),
    ),
    Family(
        "dead_letters_oldest_seconds{reason}",
        "Age of the oldest of them.",
        lambda f: values.oldest(f, f.health_figures.dead_letters),
    ),
    Family(
        "brake_holds",
        "Exceeded limits of the brake that wait for approval: `leasewire brake list`.",
        lambda f: len(f.held),
    ),
    Family(
        "brake_held_services{hold}",
        "Services whose loss is held for approval, by limit (`router:NAME` or `source:URI`).",
        lambda f: {(limit,): number for limit, number in f.held.items()},
    ),
    Family(
        "alerts{kind,severity,notified}",
        "Open alerts by kind; `leasewire runbook` has a page for each, `leasewire alerts list` the "
        "messages. notified=no: not open for long enough to be sent. pool-nearly-full is about "
        "DHCP pools, certificate-expiring about certificates of routers.",
        values.alerts,
    ),
    Histogram(
        "change_acting_seconds",
        ("kind", "rung"),
        "Time from `applied` until a change was read as acting on its router, by kind and by rung, "
        "the means by which it acts. The first read comes about a second after `applied`.",
        lambda f: f.acted,
    ),
    Family(
        "changes_awaited",
        "Applied changes that were not read as acting yet, such as activations whose device is "
        "offline; for a week at most.",
        lambda f: f.awaited,
    ),
    Family(
        "outcome_deliveries_total{target}",
        "Outcomes that a target of outcomes.toml accepted.",
        lambda f: {(delivery.target,): delivery.delivered for delivery in f.deliveries},
    ),
    Family(
        "outcome_delivery_lag_seconds{target}",
        "Age of the first outcome that was not offered to the target yet; 0: none waits. Absent: "
        "nothing delivers to it yet (`leasewire outcomes deliver`).",
        lambda f: {
            (delivery.target,): values.age(f, delivery.oldest_ms)
            for delivery in f.deliveries
            if delivery.oldest_ms is not None
        },
    ),
    Family(
        "outcome_delivery_failing{target}",
        "1: the target does not accept outcomes; retried for three days.",
        lambda f: {(delivery.target,): delivery.failing for delivery in f.deliveries},
    ),
    Family(
        "outcome_delivery_retried{target}",
        "Outcomes that the target refused and that are being retried.",
        lambda f: {(delivery.target,): delivery.retried for delivery in f.deliveries},
    ),
    Family(
        "outcome_delivery_undelivered{target}",
        "Outcomes that were given up: `leasewire outcomes failed TARGET`, and `retry`.",
        lambda f: {(delivery.target,): delivery.undelivered for delivery in f.deliveries},
    ),
)
"""All metrics but `leasewire_redis_up`, in the order of the answer."""
