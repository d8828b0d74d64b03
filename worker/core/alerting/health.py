"""What of the numbers somebody must know: each finding with its threshold."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from contracts.names import INTAKE_ENDS
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health_figures import HealthFigures
from worker.core.entry.brake import HELD

Level = Literal["warning", "critical"]

MEMORY_WARNS: Final = 0.6
DAYS_WARN: Final = 7.0
DAYS_CRITICAL: Final = 1.0
DAYS_COUNT_FROM: Final = 0.3
"""Share of the limit under which days say nothing: a first import fills fast and then stops."""
CANARY_CRITICAL_S: Final = 60
JOURNAL_WARNS_S: Final = 60
JOURNAL_CRITICAL_S: Final = 600
WORK_WARNS_S: Final = 120
WORK_CRITICAL_S: Final = 900
MOST_ROUTERS: Final = 0.5

THRESHOLDS: Final = f"""\
Critical (exit 2):
  redis       out of reach; no append-only file, or it cannot be written; keys may be evicted
  memory      {INTAKE_ENDS:.0%} of maxmemory or more (intake is refused), or less than \
{DAYS_CRITICAL:g} day left until then
  workers     none that folds events, or none that writes to routers; nobody takes messages from
              a queue for more than {CANARY_CRITICAL_S} s
  journal     the oldest event is due for more than {JOURNAL_CRITICAL_S} s
  marks       a service of a router that is up is due for more than {WORK_CRITICAL_S} s
  routers     more than {MOST_ROUTERS:.0%} are not up
  brake       it holds services until a person decides
  alerts      a critical alert is open and not muted

Warning (exit 1):
  memory      {MEMORY_WARNS:.0%} of maxmemory or more, or less than {DAYS_WARN:g} days left \
(told from {DAYS_COUNT_FROM:.0%} on);
              no maxmemory is set: the host's memory counts instead
  journal     the oldest event is due for more than {JOURNAL_WARNS_S} s
  marks       a service of a router that is up is due for more than {WORK_WARNS_S} s
  routers     one is unreachable, or waits for a person
  dead        there are dead letters
  waiting     a service waits for more than LEASEWIRE_WAITING_ALERT_S (an hour unless set)
  addresses   services have addresses that no device can use
  alerts      another alert is open and not muted
"""


class Finding(NamedTuple):
    """Something that somebody must know.

    Attributes:
        level: how bad.
        what: `redis`, `memory`, `workers`, `journal`, `work_items`, `routers`, `brake`, `dead`,
            `addresses`, `alerts` or `waiting`.
        detail: what was seen, beside which threshold.
        advice: what to do.
    """

    level: Level
    what: str
    detail: str
    advice: str


def assess(health_figures: HealthFigures, waiting_warns_s: float) -> list[Finding]:
    """All findings, the critical ones first.

    Args:
        health_figures: what was measured.
        waiting_warns_s: a service that waits for longer is warned of.
    """
    found = [finding for judge in _JUDGES for finding in judge(health_figures)]
    found += _waiting(health_figures, waiting_warns_s)
    return sorted(found, key=lambda each: each.level)  # `critical` before `warning`


def _redis(health_figures: HealthFigures) -> Iterator[Finding]:
    redis = health_figures.redis
    if not redis.appendonly:
        message = "Redis keeps no append-only file: a restart loses everything"
        yield Finding("critical", "redis", message, "set appendonly yes")
    elif not redis.written:
        message = "Redis cannot write its append-only file"
        yield Finding("critical", "redis", message, "make room on its disk; see its log")
    if redis.policy not in ("noeviction", ""):
        message = f"Redis may evict keys (maxmemory-policy {redis.policy})"
        yield Finding("critical", "redis", message, "set maxmemory-policy noeviction")


def _memory(health_figures: HealthFigures) -> Iterator[Finding]:
    share, days = health_figures.redis.share, health_figures.redis.days_left
    of = health_figures.redis.ceiling_text
    if not health_figures.redis.limit:
        message = f"Redis has no maxmemory: only {INTAKE_ENDS:.0%} of its host's memory ends intake"
        yield Finding(
            *("warning", "memory", f"{message}, and the system may end Redis before"),
            "set maxmemory to about half of the memory that Redis may use",
        )
    if share is None:
        return
    advice = "raise maxmemory; `leasewire status --memory` shows what takes it"
    if share >= INTAKE_ENDS:
        message = f"{share:.0%} of {of} is used: from {INTAKE_ENDS:.0%} on intake is refused"
        yield Finding("critical", "memory", message, advice)
    elif days is not None and days < DAYS_WARN and share >= DAYS_COUNT_FROM:
        level: Level = "critical" if days < DAYS_CRITICAL else "warning"
        message = f"{days:.1f} days until intake is refused, at the rate of the last hours"
        yield Finding(level, "memory", f"{message} (under {DAYS_WARN:g})", advice)
    elif share >= MEMORY_WARNS:
        message = f"{share:.0%} of {of} is used ({MEMORY_WARNS:.0%} or more)"
        yield Finding("warning", "memory", message, advice)


def _workers(health_figures: HealthFigures) -> Iterator[Finding]:
    kinds = {name.partition("@")[0] for name in health_figures.workers}
    for kind, does in (("events", "folds events"), ("routers", "writes to routers")):
        if kind not in kinds:
            message = f"no worker that {does} gave a sign of life in 15 s"
            yield Finding("critical", "workers", message, "start `leasewire worker`; see its log")
    late = {
        q: ms // 1000 for q, ms in health_figures.canaries.items() if ms > CANARY_CRITICAL_S * 1000
    }
    if late and kinds >= {"events", "routers"}:
        queue, late_s = max(late.items(), key=lambda each: each[1])
        message = f"nobody takes messages from {queue} for {late_s} s (over {CANARY_CRITICAL_S} s)"
        yield Finding("critical", "workers", message, "see the workers' log; restart them")


def _journal(health_figures: HealthFigures) -> Iterator[Finding]:
    for lane, journal in health_figures.journal.items():
        late_s = _age_s(health_figures, journal.oldest_ms)
        if late_s > JOURNAL_WARNS_S:
            level: Level = "critical" if late_s > JOURNAL_CRITICAL_S else "warning"
            message = f"{journal.depth} in the journal of {lane}, the oldest due for {late_s} s"
            limit = f"(over {JOURNAL_CRITICAL_S if level == 'critical' else JOURNAL_WARNS_S} s)"
            yield Finding(
                level, "journal", f"{message} {limit}", "see the log of the events workers"
            )


def _work_items(health_figures: HealthFigures) -> Iterator[Finding]:
    late = [
        (_age_s(health_figures, router.oldest_ms), router.name)
        for router in health_figures.routers
        if router.state in ("up", "new")
    ]
    late_s, name = max(late, default=(0, ""))
    if late_s > WORK_WARNS_S:
        level: Level = "critical" if late_s > WORK_CRITICAL_S else "warning"
        count = sum(each > WORK_WARNS_S for each, _ in late)
        limit = WORK_CRITICAL_S if level == "critical" else WORK_WARNS_S
        message = f"{name} has a service due for {late_s} s (over {limit} s), {count} routers so"
        yield Finding(
            level, "work_items", message, "see the log of the routers workers; start more"
        )


def _routers(health_figures: HealthFigures) -> Iterator[Finding]:
    down = [each for each in health_figures.routers if each.state not in ("up", "new", "unknown")]
    advice = "see `leasewire routers list`, `leasewire routers check NAME`"
    if len(down) > 1 and len(down) > MOST_ROUTERS * len(health_figures.routers):
        message = f"{len(down)} of {len(health_figures.routers)} routers are not up"
        yield Finding("critical", "routers", f"{message} (over {MOST_ROUTERS:.0%})", advice)
    unreachable = [
        f"{router.name} for {_age_s(health_figures, router.since_ms)} s"
        for router in sorted(down, key=lambda router: router.since_ms)
        if router.state == "unreachable"
    ]
    if unreachable:
        count = "1 router is" if len(unreachable) == 1 else f"{len(unreachable)} routers are"
        message = f"{count} unreachable: {_some(unreachable)}"
        yield Finding("warning", "routers", message, advice)
    stuck = [f"{each.name} ({each.state})" for each in down if each.state != "unreachable"]
    if stuck:
        message = f"{len(stuck)} wait for a person: {_some(stuck)}"
        yield Finding("warning", "routers", message, advice)


def _dead(health_figures: HealthFigures) -> Iterator[Finding]:
    count = sum(each.number for each in health_figures.dead_letters.values())
    if count:
        message = f"{count} dead letters: {_some(sorted(health_figures.dead_letters))}"
        yield Finding("warning", "dead", message, "see `leasewire dead-letters list`")


def _brake(health_figures: HealthFigures) -> Iterator[Finding]:
    held = health_figures.waiting.get(HELD)
    if held is not None:
        message = f"{held.number} services would lose their entries, more than usual: they are held"
        yield Finding("critical", "brake", message, "see `leasewire brake list`")


def _alerts(health_figures: HealthFigures) -> Iterator[Finding]:
    """One finding a kind of alert, so that the level is never below that of an open alert."""
    by_kind = defaultdict[str, list[Alert]](list)
    for alert in health_figures.alerts:
        by_kind[alert.kind].append(alert)
    for kind, alerts in by_kind.items():
        first, more = alerts[0], len(alerts) - 1
        message = f"{kind} {first.subject}".strip() + f": {first.text}"
        message += f" (and {more} more of this kind)" if more else ""
        advice = f"see `leasewire alerts list` and `leasewire runbook {first.runbook}`"
        yield Finding(first.severity, "alerts", message, advice)


def _addresses(health_figures: HealthFigures) -> Iterator[Finding]:
    found = [
        f"{service} on {each.name}" for each in health_figures.routers for service in each.misfits
    ]
    if found:
        message = (
            "1 service has an address"
            if len(found) == 1
            else f"{len(found)} services have addresses"
        )
        advice = "see `leasewire why SERVICE`, `leasewire services list`"
        yield Finding(
            "warning", "addresses", f"{message} that no device can use: {_some(found)}", advice
        )


def _waiting(health_figures: HealthFigures, warns_s: float) -> Iterator[Finding]:
    late = {
        reason: each
        for reason, each in health_figures.waiting.items()
        if reason != HELD and _age_s(health_figures, each.oldest_ms) > warns_s
    }
    if late:
        count = sum(each.number for each in late.values())
        message = f"{count} services wait, some for more than {warns_s:g} s: {_some(sorted(late))}"
        yield Finding(
            "warning", "waiting", message, "see `leasewire services list`, `leasewire why`"
        )


def _age_s(health_figures: HealthFigures, since_ms: int) -> int:
    return max(0, health_figures.now_ms - since_ms) // 1000 if since_ms else 0


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


_JUDGES: Final[tuple[Callable[[HealthFigures], Iterator[Finding]], ...]] = (
    *(_redis, _memory, _workers, _journal),
    *(_work_items, _routers, _brake, _dead, _addresses, _alerts),
)
