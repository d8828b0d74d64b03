"""What of the open alerts is news to somebody who was told before.

No clock and no store.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.core.alerting.alerts import Alert
from worker.core.rows.normal import duration

QUIET_MS: Final = 3_600_000
"""One kind and subject begins at most once in this time, however often it comes and goes."""
SETTLE_MS: Final = 60_000
"""An alert must be gone for so long before it is said to be over."""
ANY: Final = "any"
"""A mute of this kind is one of every kind."""
GRACE_MS: Final = 600_000
"""A consequence may outlast its root by so long before it is told by itself.

A router is tried again within five minutes, and its alert ends when what waited for it is written.
It waits no longer either for a root that comes and goes too fast to be told.
"""
_NAMED: Final = 10
_NAMED_BEHIND: Final = 5
_THROUGH: Final = "through|"


class Mute(NamedTuple):
    """What nobody wants to hear of for a while.

    Attributes:
        kind: of alerts, or `ANY`.
        subject: of alerts; empty: every one.
        until_ms: when it ends by itself.
        by: who wanted that.
        reason: in their words.
    """

    kind: str
    subject: str
    until_ms: int
    by: str
    reason: str

    def covers(self, alert: Alert, now_ms: int) -> bool:
        """Whether the alert is not to be told now."""
        return (
            now_ms < self.until_ms
            and self.kind in (ANY, alert.kind)
            and self.subject in ("", alert.subject)
        )


class Notice(NamedTuple):
    """What somebody was told of an alert.

    Attributes:
        at_ms: when they were told that it began.
        text: its sentence then.
        gone_ms: when it was first seen to be gone; 0: it is open.
        over: whether they were told that it is over, or need not be.
        since_ms: when the alert began.
    """

    at_ms: int
    text: str
    gone_ms: int = 0
    over: bool = False
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Notices:
    """What is to be said, and what will have been told then.

    Attributes:
        begun: alerts that are new to them.
        over: (name, as told) of those that are over.
        notified: by name, once the news is told.
        follow: name of one of these -> what its consequences are about, which are not told by
            themselves: of one that begins, what follows from it; of one that is over, what still
            is open.
    """

    begun: Sequence[Alert]
    over: Sequence[tuple[str, Notice]]
    notified: Mapping[str, Notice]
    follow: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not self.begun and not self.over


def notices_of(
    alerts: Sequence[Alert], notified: Mapping[str, Notice], mutes: Iterable[Mute], now_ms: int
) -> Notices:
    """Compare what is open with what was told.

    Args:
        alerts: all that are open; those that have not lasted long enough are not told yet.
        notified: by name of the alert.
        mutes: those that are in force.
        now_ms: milliseconds since 1970.
    """
    mutes = list(mutes)
    muted = {each.name for each in alerts if any(mute.covers(each, now_ms) for mute in mutes)}
    begun, after = _begun(alerts, notified, muted, now_ms)
    over, settling = _over(notified, {each.name for each in alerts}, now_ms)
    after |= settling
    said = {each.name for each in begun} | {name for name, _ in over}
    follow = defaultdict(list)
    for alert in alerts:
        through = after.get(_THROUGH + alert.name)
        if through is not None and through.text in said and alert.name not in muted:
            follow[through.text].append(alert.subject)
    return Notices(begun, over, after, follow)


def _begun(
    alerts: Sequence[Alert], notified: Mapping[str, Notice], muted: AbstractSet[str], now_ms: int
) -> tuple[list[Alert], dict[str, Notice]]:
    """Those to tell of now, and what will have been told of all that are open."""
    before = {each.name: notified[each.name] for each in alerts if each.name in notified}
    heard = set(muted)
    heard |= {name for name, it in before.items() if not it.over or _quiet(it, now_ms)}
    after: dict[str, Notice] = {}
    begun = []
    for alert in sorted(alerts, key=lambda each: bool(each.root)):  # roots first
        was = before.get(alert.name)
        if was is not None and not was.over:
            after[alert.name] = was._replace(gone_ms=0)
            continue
        through = _through(alert, notified.get(_THROUGH + alert.name), heard, now_ms)
        if through is not None:
            after[_THROUGH + alert.name] = through
        if was is not None and _quiet(was, now_ms):
            after[alert.name] = was
        elif alert.notified and through is None and alert.name not in muted:
            after[alert.name] = Notice(now_ms, alert.text, since_ms=alert.since_ms)
            begun.append(alert)
            heard.add(alert.name)
    return begun, after


def _over(
    notified: Mapping[str, Notice], names: AbstractSet[str], now_ms: int
) -> tuple[list[tuple[str, Notice]], dict[str, Notice]]:
    """Those to tell the end of, and what will have been told of all that are not open."""
    over = []
    after: dict[str, Notice] = {}
    for name in notified.keys() - names:
        before = notified[name]
        if name.startswith(_THROUGH):
            continue
        if before.over:
            if _quiet(before, now_ms):
                after[name] = before
            continue
        gone_ms = before.gone_ms or now_ms
        is_over = now_ms - gone_ms >= SETTLE_MS
        after[name] = before._replace(gone_ms=gone_ms, over=is_over)
        if is_over:
            over.append((name, after[name]))
    return sorted(over), after


def _quiet(before: Notice, now_ms: int) -> bool:
    return now_ms - before.at_ms < QUIET_MS


def _through(
    alert: Alert, before: Notice | None, heard: Container[str], now_ms: int
) -> Notice | None:
    """How an alert is told through its root; None: it is told by itself.

    What is noted is a `Notice` under a name of its own, over from the start, of which earlier
    versions say nothing: `at_ms` since when, `text` the root's name, `gone_ms` since when nobody
    hears of it through an open root.

    Args:
        alert: with its root.
        before: what was noted in the last round.
        heard: names of the open alerts that were told, or that nobody wants to hear of.
        now_ms: milliseconds since 1970.
    """
    if before is None:
        if not alert.root:
            return None
        before = Notice(now_ms, alert.root, over=True)
    # The root that was told goes before one on the way to it that is found down later.
    for root in (before.text, alert.root) if alert.root else ():
        if root in heard:
            return before._replace(text=root, gone_ms=0)
    gone_ms = before.gone_ms or now_ms
    return before._replace(gone_ms=gone_ms) if now_ms - gone_ms < GRACE_MS else None


def was_notified(alert: Alert, notified: Mapping[str, Notice]) -> bool:
    """Whether they have had a message of an open alert, by itself or with its root's."""
    own, through = notified.get(alert.name), notified.get(_THROUGH + alert.name)
    if through is not None:
        root = notified.get(through.text)
        return root is not None and not root.over
    return own is not None and not own.over


def title_of(notices: Notices, installation: str) -> str:
    """One line for all the news."""
    if len(notices.begun) == 1 and not notices.over:
        alert = notices.begun[0]
        return f"Leasewire {installation}: {alert.severity}: {alert.kind} {alert.subject}".strip()
    if len(notices.over) == 1 and not notices.begun:
        kind, _, subject = notices.over[0][0].partition("|")
        return f"Leasewire {installation}: resolved: {kind} {subject}".strip()
    critical = sum(each.severity == "critical" for each in notices.begun)
    named = f" ({critical} critical)" if critical else ""
    parts = [
        *([f"{len(notices.begun)} alerts{named}"] if notices.begun else []),
        *([f"{len(notices.over)} resolved"] if notices.over else []),
    ]
    return f"Leasewire {installation}: {', '.join(parts)}"


def body_of(notices: Notices) -> str:
    """All the news, critical kinds first; of many of one kind the first ten are named."""
    lines: list[str] = []
    for _, kind in sorted({(each.severity, each.kind) for each in notices.begun}):
        alerts = [each for each in notices.begun if each.kind == kind]
        lines += _of_kind(alerts, notices.follow)
    for name, notified in notices.over[:_NAMED]:
        lasted = max(0, notified.gone_ms - notified.since_ms) // 1000 if notified.since_ms else 0
        after = f" after {duration(str(lasted))}" if lasted else ""
        lines.append(f"resolved{after}: {name.replace('|', ' ').strip()} (it was: {notified.text})")
        if name in notices.follow:
            lines += [
                f"  behind it and still out of reach: {_routers(notices.follow[name])}",
                f"  what of this is so in {GRACE_MS // 60_000} minutes is told by itself",
            ]
    if len(notices.over) > _NAMED:
        lines.append(f"and {len(notices.over) - _NAMED} others are resolved")
    return "\n".join(lines)


def _routers(names: Sequence[str]) -> str:
    """As `7 routers: R1, R2, R3, R4, R5 and 2 more`."""
    more = len(names) - _NAMED_BEHIND
    count = "1 router" if len(names) == 1 else f"{len(names)} routers"
    return f"{count}: {', '.join(names[:_NAMED_BEHIND])}" + (
        f" and {more} more" if more > 0 else ""
    )


def _of_kind(alerts: Sequence[Alert], follow: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for alert in alerts[:_NAMED]:
        subject = f" {alert.subject}" if alert.subject else ""
        yield f"{alert.severity}: {alert.kind}{subject}: {alert.text}"
        if alert.name in follow:
            yield f"  out of reach behind it: {_routers(follow[alert.name])}"
    if len(alerts) > _NAMED:
        yield f"and {len(alerts) - _NAMED} more of {alerts[0].kind}: `leasewire alerts list`"
    yield f"  what to do: `leasewire runbook {alerts[0].runbook}`"
