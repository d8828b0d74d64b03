"""The health of the installation as a document, for `leasewire status` and the console."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.health import assess
from worker.core.alerting.health_figures import HealthFigures
from worker.core.alerting.processes import HostSummary, hosts_of
from worker.store.health_figures import HealthReader
from worker.store.store import Store
from worker.store.watches import ActedTimes


def read_health(
    store: Store, routers: Iterable[str], waiting_alert_s: float, *, memory: bool = False
) -> dict[str, Any]:
    """Read the health of the installation.

    A service that waits for longer than `waiting_alert_s` is a warning. `memory`: also measure what
    uses the memory, by kind of key, which takes some seconds.
    """
    reader = HealthReader(store)
    figures = reader.read(routers, store.records.now_ms())
    kinds = reader.memory_by_kind() if memory else {}
    return health_document(store, figures, waiting_alert_s, kinds)


def health_document(
    store: Store,
    figures: HealthFigures,
    waiting_alert_s: float,
    kinds: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """The health, for programs; `level` is `ok`, `warning` or `critical`.

    A service that waits for longer than `waiting_alert_s` is a warning; `kinds` use the memory.
    """
    findings = assess(figures, waiting_alert_s)
    redis = figures.redis
    states = Counter(router.state for router in figures.routers)
    late = [router for router in figures.routers if router.oldest_ms]
    oldest = min(late, key=lambda router: router.oldest_ms, default=None)
    return {
        "level": findings[0].level if findings else "ok",
        "findings": [finding._asdict() for finding in findings],
        "redis": without_empty(
            {
                "server": redis.server,
                "appendonly": redis.appendonly,
                "used_bytes": redis.used,
                "maxmemory_bytes": redis.limit,
                "used_share": None if redis.share is None else round(redis.share, 3),
                "days_left": None if redis.days_left is None else round(redis.days_left, 1),
                "replicas": len(redis.replicas) or None,
                "replica_lag_s": max(redis.replicas, default=None),
            }
        ),
        "workers": figures.workers,
        "hosts": [_host(host, figures.now_ms) for host in hosts_of(figures.processes)],
        "queues": dict(figures.queues),
        "journal": {
            lane: without_empty({"depth": journal.depth, "oldest_due": utc_time(journal.oldest_ms)})
            for lane, journal in figures.journal.items()
        },
        "lost_events": without_empty(
            {"sent_again": figures.lost.number, "last": utc_time(figures.lost.last_ms)}
        ),
        "work_items": without_empty(
            {
                "services": sum(router.queued for router in figures.routers),
                "oldest_due": utc_time(oldest.oldest_ms) if oldest else None,
                "oldest_router": oldest.name if oldest else None,
            }
        ),
        "routers": dict(sorted(states.items())),
        "dead_letters": _reasons(figures.dead_letters),
        "waiting": _reasons(figures.waiting),
        "counters": dict(sorted(figures.counters.items())),
        "memory": {kind: dict(sizes) for kind, sizes in (kinds or {}).items()},
        "acting": _acting(store.watches.acted_lately(figures.now_ms)),
    }


def _host(host: HostSummary, now_ms: int) -> dict[str, Any]:
    return {
        "host": host.name,
        "running": dict(host.running),
        "silent_s": {kind: ago_ms // 1000 for kind, ago_ms in host.silent.items()},
        "versions": list(host.versions),
        "last_sign": utc_time(now_ms - host.ago_ms),
        "clock_ahead_s": round(host.clock_ms / 1000, 1),
        "redis_answer_ms": host.answer_ms,
    }


def host_row(host: Mapping[str, Any]) -> dict[str, str]:
    """A host of the health document as texts, for a table."""
    ahead_s = host["clock_ahead_s"]
    return {
        "host": host["host"],
        "version": ", ".join(host["versions"]),
        "running": ", ".join(f"{number} {kind}" for kind, number in host["running"].items()),
        "silent": ", ".join(f"{kind} for {ago_s} s" for kind, ago_s in host["silent_s"].items()),
        "last_sign": host["last_sign"],
        "clock": f"{abs(ahead_s)} s {'ahead' if ahead_s > 0 else 'behind'}" if ahead_s else "right",
        "answer": f"{host['redis_answer_ms']:g} ms",
    }


def _acting(acted: Mapping[tuple[str, str], ActedTimes]) -> list[dict[str, Any]]:
    """How fast changes of the last day acted, by kind and rung."""
    return [
        {
            "kind": kind,
            "rung": rung,
            "changes": times.number,
            "p50_s": round(times.quantile_s(0.5), 1),
            "p95_s": round(times.quantile_s(0.95), 1),
        }
        for (kind, rung), times in acted.items()
    ]


def _reasons(reasons: Mapping[str, Any]) -> dict[str, Any]:
    return {
        reason: without_empty({"count": group.number, "oldest": utc_time(group.oldest_ms)})
        for reason, group in sorted(reasons.items(), key=lambda item: -item[1].number)
    }
