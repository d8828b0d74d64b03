"""Notifies people of alerts: each opened and resolved alert once to each target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from worker.core.alerting.alerts import Alert, with_roots
from worker.core.alerting.notifications import body_of, notices_of, title_of
from worker.inventory.alert_keys import AlertTarget
from worker.store.store import Store

log = structlog.get_logger()

_WAIT_FIRST_MS: Final = 15_000
_WAIT_CAP_MS: Final = 300_000

Send = Callable[[AlertTarget, str, str], str]
"""Sends title and body to a target; returns what went wrong, empty if it was delivered."""


@dataclass(slots=True)
class AlertNotifier:
    """Notifies targets of what changed since the last round. One worker at a time does it.

    The token is of this process alone and claims the notifications. `behind` has, by router, the
    one through which it is reached.
    """

    store: Store
    targets: Sequence[AlertTarget]
    installation: str
    send: Send
    token: str
    behind: Mapping[str, str] = field(default_factory=dict)
    _waits: dict[str, tuple[int, int]] = field(default_factory=dict)

    def once(self, now_ms: int | None = None) -> int:
        """Do one round; returns the number of delivered messages. No time: Redis's clock."""
        notifications = self.store.notifications
        if not self.targets or not notifications.claim(self.token):
            return 0
        now_ms = self.store.records.now_ms() if now_ms is None else now_ms
        alerts = with_roots(self.store.alerts.all_open(), self.behind)
        mutes = notifications.mutes(now_ms)
        sent = 0
        for target in self.targets:
            if now_ms < self._waits.get(target.name, (0, 0))[0]:
                continue
            notified = notifications.notified(target.name)
            notices = notices_of(
                [alert for alert in alerts if wants(target, alert)], notified, mutes, now_ms
            )
            if not notices.empty:
                if not notifications.claim(self.token):
                    break
                title, body = title_of(notices, self.installation), body_of(notices)
                problem = self.send(target, title, body)
                if problem:
                    self._postpone(target, problem, now_ms)
                    continue  # not delivered: the next round finds the same notices
                is_ours = notifications.claim(self.token)
                if not is_ours or notifications.notified(target.name) != notified:
                    # Stopped for a while: another process has sent these, and knows more by now.
                    break
                sent += 1
                log.info(
                    "alerts.delivered",
                    target=target.name,
                    opened=len(notices.opened),
                    resolved=len(notices.resolved),
                )
            self._waits.pop(target.name, None)
            notifications.save_notified(target.name, notified, notices.notified)
        return sent

    def _postpone(self, target: AlertTarget, problem: str, now_ms: int) -> None:
        _, wait_ms = self._waits.get(target.name, (0, 0))
        wait_ms = min(wait_ms * 2, _WAIT_CAP_MS) or _WAIT_FIRST_MS
        self._waits[target.name] = now_ms + wait_ms, wait_ms
        log.error(
            "alerts.not_delivered",
            target=target.name,
            reason=problem,
            again_in_s=wait_ms // 1000,
            advice=f"`leasewire alerts test {target.name}`",
        )


def wants(target: AlertTarget, alert: Alert) -> bool:
    """Whether a target is to be notified of an alert."""
    is_severe = target.severity == "warning" or alert.severity == "critical"
    return is_severe and (not target.kinds or alert.kind in target.kinds)
