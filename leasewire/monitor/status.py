"""`leasewire status`: the health of the installation, and an exit code for monitoring."""

from collections.abc import Iterator, Mapping
from inspect import cleandoc
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, Fields, Health, Line, Part, TextTable, cell, clean
from leasewire.context import Context, refusal
from worker.admin.health import host_row, read_health
from worker.core.alerting.health import THRESHOLDS, Finding
from worker.core.texts import counted
from worker.errors import StoreRefused, StoreUnavailable

_CODES: Final = {"ok": Health.OK, "warning": Health.WARNING, "critical": Health.CRITICAL}
_COLOURS: Final = {"warning": "yellow", "critical": "red"}


def status_command(
    context: Context,
    *,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also show what uses the memory; takes some seconds.")
    ] = False,
) -> Answer:
    """Show the health of Redis, workers, queues, journal, routers, waiting services, dead letters.

    Example: leasewire status --json
    """
    try:
        document = read_health(
            context.store,
            context.inventory.routers,
            context.settings.waiting_alert_s,
            memory=memory,
        )
    except StoreUnavailable as error:
        finding = _unavailable(error, context.settings.redis_url)._asdict()
        unavailable = {"level": "critical", "findings": [finding]}
        return Answer(unavailable, _finding_text(finding), Health.CRITICAL)
    return Answer(document, _text(document), _CODES[document["level"]])


# The help ends with the present thresholds; Click keeps the lines of a paragraph behind `\b`.
status_command.__doc__ = f"{cleandoc(status_command.__doc__ or '')}\n\n" + "\n\n".join(
    f"\b\n{part}" for part in THRESHOLDS.strip().split("\n\n")
)


def _unavailable(error: StoreUnavailable, url: str) -> Finding:
    detail = f"Redis at {url} is not available: {error}"
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
            "lost events": _lost(document["lost_events"]),
            "work items": _oldest(work_items["services"], work_items.get("oldest_due")),
            "routers": _pairs(document["routers"]) or "none",
            "dead letters": _counts(document["dead_letters"]),
            "waiting": _counts(document["waiting"]),
            "counters": _pairs(document["counters"]),
        }
    )
    if document["hosts"]:
        yield ""
        columns = "host, version, running, silent, last sign=last_sign, clock, Redis answers=answer"
        yield TextTable(map(host_row, document["hosts"]), columns, title="")
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
    replicas = ""
    if "replicas" in redis:
        behind = f"the last one {redis['replica_lag_s']} s behind"
        replicas = f", {counted(redis['replicas'], 'replica')}, {behind}"
    return f"{redis['server']}, {kept}, {used} {share}{days}{replicas}"


def _oldest(number: int, due: str | None) -> str:
    return f"{number}, the oldest due since {cell(due)}" if due else str(number)


def _lost(lost: Mapping[str, Any]) -> str:
    if not lost["sent_again"]:
        return "none"
    return f"{lost['sent_again']}, sent again by their publishers, last at {cell(lost['last'])}"


def _counts(reasons: Mapping[str, Any]) -> str:
    return ", ".join(f"{group['count']} {reason}" for reason, group in reasons.items()) or "none"


def _pairs(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
