"""`leasewire status`: how the installation is doing, and an exit code for monitoring."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from leasewire.context import Context, InventoryOption, refusal
from leasewire.printing import JsonOption, clean, local_time, print_fields, print_json, print_table
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.health import THRESHOLDS, Finding, assess
from worker.core.alerting.health_figures import HealthFigures
from worker.errors import StoreRefused, StoreUnavailable
from worker.store.health_figures import HealthReader

WARNING: Final = 1
CRITICAL: Final = 2
_COLOURS: Final = {"warning": "yellow", "critical": "red"}


def status_command(
    *,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also show what takes the memory: some seconds.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show how all is doing: Redis, workers, queues, journal, routers, what waits and is dead.

    Example: leasewire status --json
    """
    context = Context(inventory)
    try:
        store = context.store
        reader = HealthReader(store)
        health_figures = reader.read(context.inventory.routers, store.records.now_ms())
        kinds = reader.memory_by_kind() if memory else {}
    except StoreUnavailable as error:
        _log_unavailable(error, as_json=as_json)
        raise typer.Exit(CRITICAL) from error
    findings = assess(health_figures, context.settings.waiting_alert_s)
    document = document_of(health_figures, findings, kinds)
    if as_json:
        print_json(document)
    else:
        _print(document)
    raise typer.Exit({"ok": 0, "warning": WARNING, "critical": CRITICAL}[document["level"]])


# The help ends with the thresholds as they are; Click keeps the lines of a paragraph behind `\b`.
status_command.__doc__ = f"{status_command.__doc__}\n\n" + "\n\n".join(
    f"\b\n{part}" for part in THRESHOLDS.strip().split("\n\n")
)


def document_of(
    health_figures: HealthFigures, findings: list[Finding], kinds: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """All of it for programs; `level` is `ok`, `warning` or `critical`."""
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
            lane: without_empty({"depth": each.depth, "oldest_due": utc_time(each.oldest_ms)})
            for lane, each in health_figures.journal.items()
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
        "memory": {kind: dict(each) for kind, each in kinds.items()},
    }


def _reasons(reasons: Mapping[str, Any]) -> dict[str, Any]:
    return {
        reason: without_empty({"count": each.number, "oldest": utc_time(each.oldest_ms)})
        for reason, each in sorted(reasons.items(), key=lambda item: -item[1].number)
    }


def _log_unavailable(error: StoreUnavailable, *, as_json: bool) -> None:
    advice = error.advice
    detail = f"Redis does not serve us: {error}"
    if isinstance(error, StoreRefused):
        url, login, _ = refusal(error.message, error.advice)
        detail, advice = f"{url}. {login.removesuffix('.')}", error.advice
    finding = Finding("critical", "redis", detail, advice)
    if as_json:
        print_json({"level": "critical", "findings": [finding._asdict()]})
    else:
        _print_finding(finding._asdict())


def _print_finding(finding: Mapping[str, str]) -> None:
    message = f"{finding['level']}: {finding['what']}: {finding['detail']}"
    typer.secho(clean(message), fg=_COLOURS[finding["level"]], bold=True)
    typer.echo(f"  {clean(finding['advice'])}.")


def _print(document: dict[str, Any]) -> None:
    for finding in document["findings"]:
        _print_finding(finding)
    if not document["findings"]:
        typer.secho("All is well.", fg="green", bold=True)
    typer.echo()
    work_items = document["work_items"]
    print_fields(
        [
            ("Redis", _redis_message(document["redis"])),
            ("workers", ", ".join(document["workers"]) or "none"),
            ("queues", _pairs(document["queues"])),
            *(
                (f"journal {lane}", _oldest(each["depth"], each.get("oldest_due")))
                for lane, each in document["journal"].items()
            ),
            ("work_items", _oldest(work_items["services"], work_items.get("oldest_due"))),
            ("routers", _pairs(document["routers"]) or "none"),
            ("dead letters", _counts(document["dead_letters"])),
            ("waiting", _counts(document["waiting"])),
            ("counters", _pairs(document["counters"])),
        ]
    )
    if document["memory"]:
        typer.echo()
        print_table(
            ("kind of key", "keys", "bytes"),
            ([kind, each["keys"], each["bytes"]] for kind, each in document["memory"].items()),
            "",
        )


def _redis_message(redis: Mapping[str, Any]) -> str:
    used = f"{redis['used_bytes'] / 1_000_000:.1f} MB"
    limit = redis.get("maxmemory_bytes")
    share = f"of {limit / 1_000_000:.1f} MB ({redis['used_share']:.0%})" if limit else "of no limit"
    days = f", {redis['days_left']} days left" if "days_left" in redis else ""
    kept = "append-only file" if redis["appendonly"] else "no append-only file"
    return f"{redis['server']}, {kept}, {used} {share}{days}"


def _oldest(number: int, due: str | None) -> str:
    return f"{number}, the oldest due since {local_time(due)}" if due else str(number)


def _counts(reasons: Mapping[str, Any]) -> str:
    return ", ".join(f"{each['count']} {reason}" for reason, each in reasons.items()) or "none"


def _pairs(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
