"""Judges the health figures: each finding with its threshold."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from contracts.names import INTAKE_ENDS
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health_figures import HealthFigures
from worker.core.alerting.processes import WORKER_KINDS, hosts_of
from worker.core.entry.brake import HELD
from worker.core.texts import counted, first_of

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
CLOCK_WARNS_S: Final = 5

THRESHOLDS: Final = f"""\
Critical (exit 2):
  redis       unreachable; no append-only file, or it cannot be written; keys may be evicted
  memory      {INTAKE_ENDS:.0%} of maxmemory or more (intake is refused), or less than \
{DAYS_CRITICAL:g} day left until then
  workers     none for events, or none for routers; messages in a queue are not taken for more
              than {CANARY_CRITICAL_S} s
  journal     the oldest event is due for more than {JOURNAL_CRITICAL_S} s
  work_items  a service of a router that is up is due for more than {WORK_CRITICAL_S} s
  routers     more than {MOST_ROUTERS:.0%} are not up
  brake       services are held for approval
  alerts      a critical alert is open and not muted

Warning (exit 1):
  memory      {MEMORY_WARNS:.0%} of maxmemory or more, or less than {DAYS_WARN:g} days left \
(counted from {DAYS_COUNT_FROM:.0%} on);
              no maxmemory is set: the host's memory counts instead
  journal     the oldest event is due for more than {JOURNAL_WARNS_S} s
  work_items  a service of a router that is up is due for more than {WORK_WARNS_S} s
  routers     one is unreachable, blocked, paused or has another policy
  dead        there are dead letters
  waiting     a service waits for more than LEASEWIRE_WAITING_ALERT_S (an hour unless set)
  addresses   services have addresses that no device can use
  alerts      another alert is open and not muted
  hosts       a process fell silent that nobody stopped; the clock of a host differs from Redis's by
              more than {CLOCK_WARNS_S} s; two hosts have one name
"""


class Finding(NamedTuple):
    """One problem.

    Attributes:
        what: was measured, as `THRESHOLDS` names it.
        detail: what was found, and the threshold.
        advice: what to do.
    """

    level: Level
    what: str
    detail: str
    advice: str


def assess(figures: HealthFigures, waiting_warns_s: float) -> list[Finding]:
    """Return all findings, the critical ones first.

    A service that waits for longer than `waiting_warns_s` is a warning.
    """
    found = [finding for judge in _JUDGES for finding in judge(figures)]
    found += _waiting(figures, waiting_warns_s)
    return sorted(found, key=lambda finding: finding.level)  # `critical` before `warning`


def _redis(figures: HealthFigures) -> Iterator[Finding]:
    redis = figures.redis
    if not redis.appendonly:
        message = "Redis keeps no append-only file, so a restart loses everything"
        yield Finding("critical", "redis", message, "set appendonly yes")
    elif not redis.written:
        message = "Redis cannot write its append-only file"
        yield Finding("critical", "redis", message, "make room on its disk; see its log")
    if redis.policy not in ("noeviction", ""):
        message = f"Redis may evict keys (maxmemory-policy {redis.policy})"
        yield Finding("critical", "redis", message, "set maxmemory-policy noeviction")


def _memory(figures: HealthFigures) -> Iterator[Finding]:
    share, days = figures.redis.share, figures.redis.days_left
    of = figures.redis.ceiling_text
    if not figures.redis.limit:
        message = f"Redis has no maxmemory: intake ends at {INTAKE_ENDS:.0%} of the host's memory"
        yield Finding(
            *("warning", "memory", f"{message}, and the system may kill Redis before"),
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


def _workers(figures: HealthFigures) -> Iterator[Finding]:
    kinds = {name.partition("@")[0] for name in figures.workers}
    for kind in WORKER_KINDS:
        if kind not in kinds:
            message = f"no worker for {kind} was seen in the last 15 s"
            yield Finding("critical", "workers", message, "start `leasewire worker`; see its log")
    late = {q: ms // 1000 for q, ms in figures.canaries.items() if ms > CANARY_CRITICAL_S * 1000}
    if late and kinds.issuperset(WORKER_KINDS):
        queue, late_s = max(late.items(), key=lambda late: late[1])
        message = f"nothing is taken from queue {queue} for {late_s} s (over {CANARY_CRITICAL_S} s)"
        yield Finding("critical", "workers", message, "see the workers' log; restart them")


def _hosts(figures: HealthFigures) -> Iterator[Finding]:
    for host in hosts_of(figures.processes):
        for kind, ago_ms in host.silent.items():
            message = f"{kind} on {host.name} has given no sign of life for {ago_ms // 1000} s"
            forget = f"leasewire alerts dismiss host-silent {host.name}"
            advice = f"see its log, and start it again; if it is gone for good: `{forget}`"
            yield Finding("warning", "hosts", message, advice)
        if abs(host.clock_ms) > CLOCK_WARNS_S * 1000:
            side = "ahead of" if host.clock_ms > 0 else "behind"
            by = f"{abs(host.clock_ms) / 1000:.0f} s {side} Redis's (over {CLOCK_WARNS_S} s)"
            advice = "run NTP on both hosts: its log has wrong times, it may refuse certificates"
            yield Finding("warning", "hosts", f"the clock of {host.name} is {by}", advice)
        if host.boots > 1:
            message = f"{host.boots} hosts are named {host.name}"
            yield Finding("warning", "hosts", message, "give each host a name of its own")


def _journal(figures: HealthFigures) -> Iterator[Finding]:
    for lane, journal in figures.journal.items():
        late_s = _age_s(figures, journal.oldest_ms)
        if late_s > JOURNAL_WARNS_S:
            level: Level = "critical" if late_s > JOURNAL_CRITICAL_S else "warning"
            depth = counted(journal.depth, "event")
            message = f"{depth} in journal {lane}, the oldest due for {late_s} s"
            limit = f"(over {JOURNAL_CRITICAL_S if level == 'critical' else JOURNAL_WARNS_S} s)"
            yield Finding(
                level, "journal", f"{message} {limit}", "see the log of the events workers"
            )


def _work_items(figures: HealthFigures) -> Iterator[Finding]:
    late = [
        (_age_s(figures, router.oldest_ms), router.name)
        for router in figures.routers
        if router.state in ("up", "new")
    ]
    late_s, name = max(late, default=(0, ""))
    if late_s > WORK_WARNS_S:
        level: Level = "critical" if late_s > WORK_CRITICAL_S else "warning"
        count = sum(age_s > WORK_WARNS_S for age_s, _ in late)
        limit = WORK_CRITICAL_S if level == "critical" else WORK_WARNS_S
        message = f"{name}: a service is due for {late_s} s (over {limit} s)"
        message += f"; {counted(count, 'router')} late"
        yield Finding(
            level, "work_items", message, "see the log of the routers workers; start more"
        )


def _routers(figures: HealthFigures) -> Iterator[Finding]:
    down = [router for router in figures.routers if router.state not in ("up", "new", "unknown")]
    advice = "see `leasewire routers list`, `leasewire routers check NAME`"
    if len(down) > 1 and len(down) > MOST_ROUTERS * len(figures.routers):
        message = f"{len(down)} of {len(figures.routers)} routers are not up"
        yield Finding("critical", "routers", f"{message} (over {MOST_ROUTERS:.0%})", advice)
    unreachable = [
        f"{router.name} for {_age_s(figures, router.since_ms)} s"
        for router in sorted(down, key=lambda router: router.since_ms)
        if router.state == "unreachable"
    ]
    if unreachable:
        count = counted(len(unreachable), "router")
        message = f"{count} {'is' if len(unreachable) == 1 else 'are'} unreachable: "
        message += first_of(unreachable)
        yield Finding("warning", "routers", message, advice)
    stuck = [f"{router.name} ({router.state})" for router in down if router.state != "unreachable"]
    if stuck:
        count = counted(len(stuck), "router")
        message = f"{count} {'needs' if len(stuck) == 1 else 'need'} a person: {first_of(stuck)}"
        yield Finding("warning", "routers", message, advice)


def _dead(figures: HealthFigures) -> Iterator[Finding]:
    count = sum(reason.number for reason in figures.dead_letters.values())
    if count:
        message = f"{counted(count, 'dead letter')}: {first_of(sorted(figures.dead_letters))}"
        yield Finding("warning", "dead", message, "see `leasewire dead-letters list`")


def _brake(figures: HealthFigures) -> Iterator[Finding]:
    held = figures.waiting.get(HELD)
    if held is not None:
        message = f"the brake holds {counted(held.number, 'service')} for approval"
        yield Finding("critical", "brake", message, "see `leasewire brake list`")


def _alerts(figures: HealthFigures) -> Iterator[Finding]:
    """One finding per kind of alert, so that the level is never below that of an open alert."""
    by_kind = defaultdict[str, list[Alert]](list)
    for alert in figures.alerts:
        by_kind[alert.kind].append(alert)
    for kind, alerts in by_kind.items():
        first, more = alerts[0], len(alerts) - 1
        message = f"{kind} {first.subject}".strip() + f": {first.text}"
        message += f" (and {more} more of this kind)" if more else ""
        advice = f"see `leasewire alerts list` and `leasewire runbook {first.runbook}`"
        yield Finding(first.severity, "alerts", message, advice)


def _addresses(figures: HealthFigures) -> Iterator[Finding]:
    found = [
        f"{service} on {router.name}" for router in figures.routers for service in router.misfits
    ]
    if found:
        has = "has an address" if len(found) == 1 else "have addresses"
        message = f"{counted(len(found), 'service')} {has}"
        advice = "see `leasewire why SERVICE`, `leasewire services list`"
        yield Finding(
            "warning", "addresses", f"{message} that no device can use: {first_of(found)}", advice
        )


def _waiting(figures: HealthFigures, warns_s: float) -> Iterator[Finding]:
    late = {
        reason: waiting
        for reason, waiting in figures.waiting.items()
        if reason != HELD and _age_s(figures, waiting.oldest_ms) > warns_s
    }
    if late:
        count = sum(waiting.number for waiting in late.values())
        message = f"{counted(count, 'service')} waiting, the oldest for more than {warns_s:g} s: "
        message += first_of(sorted(late))
        yield Finding(
            "warning", "waiting", message, "see `leasewire services list`, `leasewire why`"
        )


def _age_s(figures: HealthFigures, since_ms: int) -> int:
    return max(0, figures.now_ms - since_ms) // 1000 if since_ms else 0


_JUDGES: Final[tuple[Callable[[HealthFigures], Iterator[Finding]], ...]] = (
    *(_redis, _memory, _workers, _hosts, _journal),
    *(_work_items, _routers, _brake, _dead, _addresses, _alerts),
)
