"""Works out what to notify a target of: alerts that opened and alerts that were resolved."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.core.alerting.alerts import Alert
from worker.core.rows.normal import duration
from worker.core.texts import counted, first_of

QUIET_MS: Final = 3_600_000
"""An alert is notified at most once in this time, however often it opens."""
SETTLE_MS: Final = 60_000
"""An alert must be closed for so long before it is notified as resolved."""
ANY: Final = "any"
"""A mute of this kind mutes every kind."""
GRACE_MS: Final = 600_000
"""A consequence may outlast its root by so long before it is notified by itself.

A router is tried again within five minutes, and its alert is resolved when its backlog is written.
It waits no longer either for a root that opens and closes too fast to be notified.
"""
_NAMED: Final = 10
_NAMED_BEHIND: Final = 5
_THROUGH: Final = "through|"


class Mute(NamedTuple):
    """Alerts that are not notified for a while.

    Attributes:
        kind: of the alerts, or `ANY`.
        subject: of the alerts; empty: every one.
        until_ms: when the mute ends by itself.
    """

    kind: str
    subject: str
    until_ms: int
    by: str
    reason: str

    def covers(self, alert: Alert, now_ms: int) -> bool:
        """Return whether the alert is muted now."""
        return (
            now_ms < self.until_ms
            and self.kind in (ANY, alert.kind)
            and self.subject in ("", alert.subject)
        )


class Notice(NamedTuple):
    """What a target was notified of about one alert.

    Attributes:
        at_ms: when it was notified.
        gone_ms: when it was first found closed; 0: it is open.
        resolved: it was notified as resolved, or need not be.
    """

    at_ms: int
    text: str
    gone_ms: int = 0
    resolved: bool = False
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Notices:
    """One notification to a target, and what it will have been notified of then.

    Attributes:
        opened: alerts that are new to the target.
        resolved: (name, notice) of those that are resolved.
        notified: the target's notices by name, once this is sent.
        behind: name of one of these -> the subjects of its consequences, which are not notified by
            themselves: of an opened alert, what follows from it; of a resolved one, what is still
            open.
    """

    opened: Sequence[Alert]
    resolved: Sequence[tuple[str, Notice]]
    notified: Mapping[str, Notice]
    behind: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to notify."""
        return not self.opened and not self.resolved


def notices_of(
    alerts: Sequence[Alert], notified: Mapping[str, Notice], mutes: Iterable[Mute], now_ms: int
) -> Notices:
    """Compare the open alerts with what a target was notified of.

    Alerts that have not lasted long enough are not notified yet.
    """
    mutes = list(mutes)
    muted = {alert.name for alert in alerts if any(mute.covers(alert, now_ms) for mute in mutes)}
    opened, after = _opened(alerts, notified, muted, now_ms)
    resolved, settling = _resolved(notified, {alert.name for alert in alerts}, now_ms)
    after |= settling
    named = {alert.name for alert in opened} | {name for name, _ in resolved}
    behind = defaultdict(list)
    for alert in alerts:
        through = after.get(_THROUGH + alert.name)
        if through is not None and through.text in named and alert.name not in muted:
            behind[through.text].append(alert.subject)
    return Notices(opened, resolved, after, behind)


def _opened(
    alerts: Sequence[Alert], notified: Mapping[str, Notice], muted: AbstractSet[str], now_ms: int
) -> tuple[list[Alert], dict[str, Notice]]:
    """The alerts to notify now, and the notices then of all that are open."""
    before = {alert.name: notified[alert.name] for alert in alerts if alert.name in notified}
    known = set(muted)
    known |= {
        name for name, notice in before.items() if not notice.resolved or _quiet(notice, now_ms)
    }
    after: dict[str, Notice] = {}
    opened = []
    for alert in sorted(alerts, key=lambda alert: bool(alert.root)):  # roots first
        was = before.get(alert.name)
        if was is not None and not was.resolved:
            after[alert.name] = was._replace(gone_ms=0)
            continue
        through = _through(alert, notified.get(_THROUGH + alert.name), known, now_ms)
        if through is not None:
            after[_THROUGH + alert.name] = through
        if was is not None and _quiet(was, now_ms):
            after[alert.name] = was
        elif alert.notified and through is None and alert.name not in muted:
            after[alert.name] = Notice(now_ms, alert.text, since_ms=alert.since_ms)
            opened.append(alert)
            known.add(alert.name)
    return opened, after


def _resolved(
    notified: Mapping[str, Notice], names: AbstractSet[str], now_ms: int
) -> tuple[list[tuple[str, Notice]], dict[str, Notice]]:
    """The resolved alerts to notify now, and the notices then of all that are not open."""
    resolved = []
    after: dict[str, Notice] = {}
    for name in notified.keys() - names:
        before = notified[name]
        if name.startswith(_THROUGH):
            continue
        if before.resolved:
            if _quiet(before, now_ms):
                after[name] = before
            continue
        gone_ms = before.gone_ms or now_ms
        is_settled = now_ms - gone_ms >= SETTLE_MS
        after[name] = before._replace(gone_ms=gone_ms, resolved=is_settled)
        if is_settled:
            resolved.append((name, after[name]))
    return sorted(resolved), after


def _quiet(before: Notice, now_ms: int) -> bool:
    return now_ms - before.at_ms < QUIET_MS


def _through(
    alert: Alert, before: Notice | None, known: Container[str], now_ms: int
) -> Notice | None:
    """How an alert is notified through its root; None: it is notified by itself.

    The answer is a `Notice` under a name of its own, resolved from the start: `at_ms` since when,
    `text` the root's name, `gone_ms` since when no open root covers it.

    `before` is the answer of the last round; `known` names the open alerts that were notified or
    are muted.
    """
    if before is None:
        if not alert.root:
            return None
        before = Notice(now_ms, alert.root, resolved=True)
    # The root that was notified goes before one on the way to it that is found down later.
    for root in (before.text, alert.root) if alert.root else ():
        if root in known:
            return before._replace(text=root, gone_ms=0)
    gone_ms = before.gone_ms or now_ms
    return before._replace(gone_ms=gone_ms) if now_ms - gone_ms < GRACE_MS else None


def was_notified(alert: Alert, notified: Mapping[str, Notice]) -> bool:
    """Return whether a target was notified of an open alert, by itself or through its root."""
    own, through = notified.get(alert.name), notified.get(_THROUGH + alert.name)
    if through is not None:
        root = notified.get(through.text)
        return root is not None and not root.resolved
    return own is not None and not own.resolved


def title_of(notices: Notices, installation: str) -> str:
    """Return the title of a notification."""
    if len(notices.opened) == 1 and not notices.resolved:
        alert = notices.opened[0]
        return f"Leasewire {installation}: {alert.severity}: {alert.kind} {alert.subject}".strip()
    if len(notices.resolved) == 1 and not notices.opened:
        kind, _, subject = notices.resolved[0][0].partition("|")
        return f"Leasewire {installation}: resolved: {kind} {subject}".strip()
    critical = sum(alert.severity == "critical" for alert in notices.opened)
    named = f" ({critical} critical)" if critical else ""
    parts = [
        *([f"{counted(len(notices.opened), 'alert')}{named}"] if notices.opened else []),
        *([f"{len(notices.resolved)} resolved"] if notices.resolved else []),
    ]
    return f"Leasewire {installation}: {', '.join(parts)}"


def body_of(notices: Notices) -> str:
    """Return the text of a notification: critical kinds first, the first ten of each kind."""
    lines: list[str] = []
    for _, kind in sorted({(alert.severity, alert.kind) for alert in notices.opened}):
        alerts = [alert for alert in notices.opened if alert.kind == kind]
        lines += _of_kind(alerts, notices.behind)
    for name, notified in notices.resolved[:_NAMED]:
        lasted = max(0, notified.gone_ms - notified.since_ms) // 1000 if notified.since_ms else 0
        after = f" after {duration(str(lasted))}" if lasted else ""
        lines.append(f"resolved{after}: {name.replace('|', ' ').strip()} (it was: {notified.text})")
        if name in notices.behind:
            lines += [
                f"  still unreachable behind it: {_routers(notices.behind[name])}",
                f"  what is unreachable in {GRACE_MS // 60_000} minutes is notified by itself",
            ]
    if len(notices.resolved) > _NAMED:
        lines.append(f"and {len(notices.resolved) - _NAMED} more resolved")
    return "\n".join(lines)


def _routers(names: Sequence[str]) -> str:
    """As `7 routers: R1, R2, R3, R4, R5 and 2 more`."""
    return f"{counted(len(names), 'router')}: {first_of(names, _NAMED_BEHIND)}"


def _of_kind(alerts: Sequence[Alert], behind: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for alert in alerts[:_NAMED]:
        subject = f" {alert.subject}" if alert.subject else ""
        yield f"{alert.severity}: {alert.kind}{subject}: {alert.text}"
        if alert.name in behind:
            yield f"  unreachable behind it: {_routers(behind[alert.name])}"
    if len(alerts) > _NAMED:
        yield f"and {len(alerts) - _NAMED} more of {alerts[0].kind}: `leasewire alerts list`"
    yield f"  what to do: `leasewire runbook {alerts[0].runbook}`"
