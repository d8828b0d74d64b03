"""Documents of one router: what the store knows of it, and what a read of it showed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from worker.admin.background_reads import Found
from worker.admin.json_fields import clean, utc_time, without_empty
from worker.admin.lease_documents import WHOSE
from worker.admin.plan_documents import PlanLine
from worker.admin.router_documents import router_documents, shown_state
from worker.admin.router_reader import Checked, Result
from worker.admin.router_reading import RouterReading
from worker.core.effect.findings import findings
from worker.inventory import RouterConfig
from worker.store.router_figures import RouterFigures
from worker.store.store import Store

FIRST: Final = 15
"""Lines of the plan, and of drift, that the page of a router shows."""
PAGE: Final = 25
_LATENCIES: Final = 144


def details_document(store: Store, config: RouterConfig) -> dict[str, Any]:
    """What the store knows of a router: state, backlog, findings, pools, alerts, latency."""
    name = config.name
    (document,) = router_documents(store, [config])
    figures = store.views.router(name)
    facts, report = store.memory.effect(name), store.full_reads.last(name)
    effect = findings(facts, config.policy)
    known = {finding.kind for finding in effect}
    alerts = [
        alert
        for alert in store.alerts.all_open()
        if alert.router == name and alert.kind not in known
    ]
    found: dict[str, Any] = {
        "shown": shown_state(document),
        "work": _work(figures),
        "alerts": [
            {
                "kind": alert.kind,
                "severity": alert.severity,
                "since": utc_time(alert.since_ms),
                "text": clean(alert.text),
                "runbook": alert.runbook,
            }
            for alert in alerts
        ],
        "findings": [{"kind": finding.kind, "detail": clean(finding.detail)} for finding in effect],
        "findings_read_at": utc_time(facts.read_at_ms),
        "misfits": [clean(service) for service in figures.misfits[:PAGE]],
        "pools": pool_documents(figures.pools),
        "pools_read_at": utc_time(figures.read_ms) if figures.pools else None,
        "latency": [
            {
                "at_ms": sample.at_ms,
                "answers": sample.number,
                "mean_ms": round(sample.mean_ms, 1),
                "most_ms": sample.most_ms,
            }
            for sample in store.samples.latency(name)[-_LATENCIES:]
        ],
    }
    if report is not None:
        counts = {key: report.document.get(key) for key in ("services", "rows", "pending")}
        counts["differences"] = report.document.get("differences")
        found["report"] = {"at": utc_time(report.at_ms)} | counts
    return document | without_empty(found)


def _work(figures: RouterFigures) -> dict[str, Any]:
    reasons = Counter(waits.reason for waits in figures.waiting)
    return without_empty(
        {
            "live_due": figures.live.number,
            "live_oldest": utc_time(figures.live.oldest_ms),
            "bulk_due": figures.bulk.number,
            "bulk_oldest": utc_time(figures.bulk.oldest_ms),
            "held": figures.queued - figures.backlog,
            "reasons": dict(reasons.most_common()),
            "failed": figures.failed,
        }
    )


def pool_documents(pools: Sequence[Any]) -> list[dict[str, Any]]:
    """How much of each pool is used."""
    return [{"pool": clean(pool.name), "used": pool.used, "size": pool.size} for pool in pools]


def reading_document(router: str, found: Found[Result]) -> dict[str, Any]:
    """What a read of a router showed, in short."""
    reading = found.result
    document: dict[str, Any] = {"router": router, "running": found.running}
    if not isinstance(reading, RouterReading):
        return document
    owners = Counter(str(lease["whose"]) for lease in reading.leases)
    document |= {
        "read_at": utc_time(reading.at_ms),
        "error": dict(reading.error),
        "identity": dict(reading.identity),
        "summary": reading.summary,
        "signs": dict(Counter(line.sign for line in reading.lines)),
        "lines": line_documents(reading.lines[:FIRST]),
        "lines_in_all": len(reading.lines),
        "drift": list(reading.drift[:FIRST]),
        "drift_in_all": len(reading.drift),
        "reconcile": len(reading.to_reconcile),
        "rebuild": len(reading.to_rebuild),
        "missing": reading.missing,
        "expected": reading.expected,
        "leases": {whose: number for whose in WHOSE if (number := owners[whose])},
        "pools": None if reading.pools is None else pool_documents(reading.pools),
    }
    return document


def line_documents(lines: Sequence[PlanLine]) -> list[dict[str, str]]:
    """Lines of a plan."""
    return [line._asdict() for line in lines]


def part_document(
    router: str, found: Found[Result], part: str, rows: Sequence[Mapping[str, Any]], page: int
) -> dict[str, Any]:
    """One page of a part of a reading: lines of the plan, drift or leases."""
    short = reading_document(router, found)
    kept = ("router", "running", "read_at", "error", "summary", "leases", "signs")
    start = (page - 1) * PAGE
    return {name: short[name] for name in kept if name in short} | {
        part: rows[start : start + PAGE],
        "page": page,
        "more": len(rows) > start + PAGE,
        "found": len(rows),
    }


def check_document(router: str, found: Found[Result]) -> dict[str, Any]:
    """The result of a check, as of `leasewire routers check`."""
    document: dict[str, Any] = {"router": router, "running": found.running, "checks": []}
    if isinstance(found.result, Checked):
        document["read_at"] = utc_time(found.result.at_ms)
        document["error"] = found.result.error
        document["checks"] = [
            without_empty({name: clean(text) for name, text in line._asdict().items()})
            for line in found.result.lines
        ]
    return document
