"""`leasewire status`: the health of the installation, and an exit code for monitoring."""

from collections import Counter
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, Fields, Health, Line, Part, cell, clean
from leasewire.context import Context, InventoryOption, refusal
from leasewire.tables import TextTable
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.health import THRESHOLDS, Finding, assess
from worker.core.alerting.health_figures import HealthFigures
from worker.errors import StoreRefused, StoreUnavailable
from worker.store.health_figures import HealthReader
from worker.store.watches import ActedTimes

_CODES: Final = {"ok": Health.OK, "warning": Health.WARNING, "critical": Health.CRITICAL}
_COLOURS: Final = {"warning": "yellow", "critical": "red"}


def status_command(
    *,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also show what uses the memory; takes some seconds.")
    ] = False,
    inventory: InventoryOption = None,
) -> Answer:
    """Show the health of Redis, workers, queues, journal, routers, waiting services, dead letters.

    Example: leasewire status --json
    """
    context = Context(inventory)
    try:
        store = context.store
        reader = HealthReader(store)
        health_figures = reader.read(context.inventory.routers, store.records.now_ms())
        kinds = reader.memory_by_kind() if memory else {}
        acted = store.watches.acted_lately(health_figures.now_ms)
    except StoreUnavailable as error:
        finding = _unavailable(error)._asdict()
        unavailable = {"level": "critical", "findings": [finding]}
        return Answer(unavailable, _finding_text(finding), Health.CRITICAL)
    findings = assess(health_figures, context.settings.waiting_alert_s)
    document = status_document(health_figures, findings, kinds) | {"acting": _acting(acted)}
    return Answer(document, _text(document), _CODES[document["level"]])


# The help ends with the present thresholds; Click keeps the lines of a paragraph behind `\b`.
status_command.__doc__ = f"{cleandoc(status_command.__doc__ or '')}\n\n" + "\n\n".join(
    f"\b\n{part}" for part in THRESHOLDS.strip().split("\n\n")
)


def status_document(
    health_figures: HealthFigures, findings: list[Finding], kinds: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """The health, for programs; `level` is `ok`, `warning` or `critical`."""
    redis = health_figures.redis
    states = Counter(router.state for router in health_figures.routers)
    late = [router for router in health_figures.routers if router.oldest_ms]
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
            }
        ),
        "workers": list(health_figures.workers),
        "queues": dict(health_figures.queues),
        "journal": {
            lane: without_empty({"depth": journal.depth, "oldest_due": utc_time(journal.oldest_ms)})
            for lane, journal in health_figures.journal.items()
        },
        "work_items": without_empty(
            {
                "services": sum(router.queued for router in health_figures.routers),
                "oldest_due": utc_time(oldest.oldest_ms) if oldest else None,
                "oldest_router": oldest.name if oldest else None,
            }
        ),
        "routers": dict(sorted(states.items())),
        "dead_letters": _reasons(health_figures.dead_letters),
        "waiting": _reasons(health_figures.waiting),
        "counters": dict(sorted(health_figures.counters.items())),
        "memory": {kind: dict(sizes) for kind, sizes in kinds.items()},
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


def _unavailable(error: StoreUnavailable) -> Finding:
    detail = f"Redis is not available: {error}"
    if isinstance(error, StoreRefused):
        url, login, _ = refusal(error.message, error.advice)
        detail = f"{url}. {login.removesuffix('.')}"
    return Finding("critical", "redis", detail, error.advice)


def _finding_text(finding: Mapping[str, str]) -> list[Part]:
    message = f"{finding['level']}: {finding['what']}: {finding['detail']}"
    return [
        Line(clean(message), _COLOURS[finding["level"]], bold=True),
        f"  {clean(finding['advice'])}.",
    ]


def _text(document: dict[str, Any]) -> Iterator[Part]:
    for finding in document["findings"]:
        yield from _finding_text(finding)
    if not document["findings"]:
        yield Line("All is well.", "green", bold=True)
    yield ""
    work_items = document["work_items"]
    journal = {
        f"journal {lane}": _oldest(entry["depth"], entry.get("oldest_due"))
        for lane, entry in document["journal"].items()
    }
    yield Fields(
        {
            "Redis": _redis_message(document["redis"]),
            "workers": ", ".join(document["workers"]) or "none",
            "queues": _pairs(document["queues"]),
            **journal,
            "work items": _oldest(work_items["services"], work_items.get("oldest_due")),
            "routers": _pairs(document["routers"]) or "none",
            "dead letters": _counts(document["dead_letters"]),
            "waiting": _counts(document["waiting"]),
            "counters": _pairs(document["counters"]),
        }
    )
    if document["acting"]:
        yield ""
        columns = "kind of change=kind, rung, changes, p50=p50_s, p95=p95_s"
        title = "Seconds from applied to acting, last day:"
        yield TextTable(document["acting"], columns, title=title)
    memory = [{"kind": kind} | sizes for kind, sizes in document["memory"].items()]
    yield TextTable(memory, "kind of key=kind, keys, bytes", title="")


def _redis_message(redis: Mapping[str, Any]) -> str:
    used = f"{redis['used_bytes'] / 1_000_000:.1f} MB"
    limit = redis.get("maxmemory_bytes")
    share = f"of {limit / 1_000_000:.1f} MB ({redis['used_share']:.0%})" if limit else "of no limit"
    days = f", {redis['days_left']} days left" if "days_left" in redis else ""
    kept = "append-only file" if redis["appendonly"] else "no append-only file"
    return f"{redis['server']}, {kept}, {used} {share}{days}"


def _oldest(number: int, due: str | None) -> str:
    return f"{number}, the oldest due since {cell(due)}" if due else str(number)


def _counts(reasons: Mapping[str, Any]) -> str:
    return ", ".join(f"{group['count']} {reason}" for reason, group in reasons.items()) or "none"


def _pairs(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
