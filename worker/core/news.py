"""What of the open alerts is news to somebody who was told before.

Who calls it: `worker/desk/telling.py`, every few seconds, for each target. No clock and no store.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.core.alerts import Alert

QUIET_MS: Final = 3_600_000
"""One kind and subject begins at most once in this time, however often it comes and goes."""
SETTLE_MS: Final = 60_000
"""An alert must be gone for so long before it is said to be over."""
ANY: Final = "any"
"""A mute of this kind is one of every kind."""
_NAMED: Final = 10


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


class Told(NamedTuple):
    """What somebody was told of an alert.

    Attributes:
        at_ms: when they were told that it began.
        text: its sentence then.
        gone_ms: when it was first seen to be gone; 0: it is open.
        over: whether they were told that it is over, or need not be.
    """

    at_ms: int
    text: str
    gone_ms: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What is to be said, and what will have been told then.

    Attributes:
        begun: alerts that are new to them.
        follow: name of an alert -> how many others are its consequences.
        over: (name, as told) of those that are over.
        told: by name, once the news is told.
    """

    begun: Sequence[Alert]
    over: Sequence[tuple[str, Told]]
    told: Mapping[str, Told]
    follow: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not self.begun and not self.over


def news_of(
    alerts: Sequence[Alert], told: Mapping[str, Told], mutes: Iterable[Mute], now_ms: int
) -> News:
    """Compare what is open with what was told.

    Args:
        alerts: all that are open; those that have not lasted long enough are not told yet.
        told: by name of the alert.
        mutes: those that are in force.
        now_ms: milliseconds since 1970.
    """
    mutes = list(mutes)
    names = {each.name for each in alerts}
    after: dict[str, Told] = {}
    begun = []
    for alert in alerts:
        before = told.get(alert.name)
        if before is not None and not before.over:
            after[alert.name] = before._replace(gone_ms=0)
        elif before is not None and now_ms - before.at_ms < QUIET_MS:
            after[alert.name] = before
        elif (
            alert.told
            and alert.root not in names  # who hears of the root hears of all
            and not any(mute.covers(alert, now_ms) for mute in mutes)
        ):
            after[alert.name] = Told(now_ms, alert.text)
            begun.append(alert)
    over = []
    for name in told.keys() - names:
        before = told[name]
        if before.over:
            if now_ms - before.at_ms < QUIET_MS:
                after[name] = before
            continue
        gone_ms = before.gone_ms or now_ms
        is_over = now_ms - gone_ms >= SETTLE_MS
        after[name] = before._replace(gone_ms=gone_ms, over=is_over)
        if is_over:
            over.append((name, after[name]))
    return News(begun, sorted(over), after, Counter(each.root for each in alerts if each.root))


def title_of(news: News, installation: str) -> str:
    """One line for all the news."""
    if len(news.begun) == 1 and not news.over:
        alert = news.begun[0]
        return f"Leasewire {installation}: {alert.kind} {alert.subject}".strip()
    if len(news.over) == 1 and not news.begun:
        kind, _, subject = news.over[0][0].partition("|")
        return f"Leasewire {installation}: over: {kind} {subject}".strip()
    parts = [
        *([f"{len(news.begun)} alerts"] if news.begun else []),
        *([f"{len(news.over)} over"] if news.over else []),
    ]
    return f"Leasewire {installation}: {', '.join(parts)}"


def body_of(news: News) -> str:
    """All the news, critical kinds first; of many of one kind the first ten are named."""
    lines: list[str] = []
    for _, kind in sorted({(each.severity, each.kind) for each in news.begun}):
        alerts = [each for each in news.begun if each.kind == kind]
        lines += _of_kind(alerts, news.follow)
    lines += [
        f"over: {name.replace('|', ' ').strip()} (it was: {told.text})"
        for name, told in news.over[:_NAMED]
    ]
    if len(news.over) > _NAMED:
        lines.append(f"and {len(news.over) - _NAMED} others are over")
    return "\n".join(lines)


def _of_kind(alerts: Sequence[Alert], follow: Mapping[str, int]) -> Iterator[str]:
    for alert in alerts[:_NAMED]:
        subject = f" {alert.subject}" if alert.subject else ""
        yield f"{alert.severity}: {alert.kind}{subject}: {alert.text}"
        consequences = follow.get(alert.name, 0)
        if consequences:
            yield f"  {consequences} other alerts follow from it"
    if len(alerts) > _NAMED:
        yield f"and {len(alerts) - _NAMED} more of {alerts[0].kind}: `leasewire alerts list`"
    yield f"  what to do: deploy/runbooks/{alerts[0].runbook}"
