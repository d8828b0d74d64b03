"""Alerts: what is wrong now, and the changes of which people are notified.

An alert that is resolved before its kind is notified leaves no trace.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from worker.core.alerting.alerts import KINDS, Alert, AlertKind, alert_name
from worker.core.storage_format import printable
from worker.store.connection import StorePart

CHANGES_KEPT: Final = 10_000
_NOTIFIED_AT_ONCE: Final = 500
_CHECK_MS: Final = 60_000


class AlertChange(NamedTuple):
    """A change to notify: an alert has lasted long enough, or a notified one was resolved.

    `id` grows with time; `alert` is as it was then, and `text` its sentence; of a resolved one its
    last text, or empty.
    """

    id: str
    what: Literal["begun", "ended"]
    alert: Alert
    text: str
    at_ms: int


class Alerts(StorePart):
    """Opens, resolves and reads alerts. Each change is one script."""

    def open(self, kind: AlertKind, subject: str, text: str) -> bool:
        """Open an alert, or give an open one the new text; returns whether it is new.

        `subject`: what it is about, may be empty; `text`: a sentence for people, without secrets.
        """
        alert = Alert(kind, subject, text, 0)
        notified_after_ms = KINDS[kind].notified_after_s * 1000
        return bool(self._scripts.run("open_alert", alert.name, alert.to_json(), notified_after_ms))

    def resolve(self, kind: AlertKind, subject: str, text: str = "") -> bool:
        """Resolve an alert; False when it was not open."""
        name, text = alert_name(kind, subject), printable(text)
        return bool(self._scripts.run("resolve_alert", name, text, CHANGES_KEPT))

    def settle(
        self,
        found: Mapping[tuple[AlertKind, str], str],
        ends: Mapping[AlertKind, str],
        router: str = "",
    ) -> None:
        """Make the open alerts of some kinds match what was found; their openers may be dead.

        `found`: (kind, subject) -> its sentence; `ends`: kind -> last text of its open alerts that
        were not found; `router`: only alerts of this one; empty: of all.
        """
        found = {(k, printable(of)): printable(message) for (k, of), message in found.items()}
        known = {
            (alert.kind, alert.subject): alert
            for alert in self.all_open()
            if alert.kind in ends and router in ("", alert.router)
        }
        for (kind, subject), message in found.items():
            alert = known.get((kind, subject))
            if alert is None or not alert.notified or alert.text != message:
                self.open(kind, subject, message)
        for kind, subject in known.keys() - found.keys():
            self.resolve(kind, subject, ends[kind])

    def find(self, kind: AlertKind, subject: str) -> Alert | None:
        """An open alert; None: it is not open."""
        text = self._client.hget(self._keys.alerts, alert_name(kind, subject))
        return Alert.from_json(text) if text else None

    def all_open(self) -> list[Alert]:
        """All open alerts, the oldest first."""
        texts = self._client.hvals(self._keys.alerts)
        return sorted((Alert.from_json(text) for text in texts), key=lambda alert: alert.since_ms)

    def number(self) -> int:
        """How many alerts are open."""
        return int(self._client.hlen(self._keys.alerts))

    def notify_due(self) -> list[Alert]:
        """Record changes for the alerts that have lasted long enough, and return these alerts."""
        texts = self._scripts.run("notify_alerts", _NOTIFIED_AT_ONCE, CHANGES_KEPT)
        return [Alert.from_json(text) for text in texts]

    def restored(self) -> None:
        """After a restore: notify the alerts of the backup only if they are found again."""
        found = self._client.hgetall(self._keys.alerts)
        pipe = self._client.pipeline()
        pipe.delete(self._keys.alerts_not_notified)
        for name, text in found.items():
            pipe.hset(self._keys.alerts, name, json.dumps({**json.loads(text), "notified": False}))
        pipe.execute()

    def may_check(self) -> bool:
        """Whether no worker checked for backlogs within the last minute; then this one does."""
        return bool(self._client.set(self._keys.alert_check, "1", nx=True, px=_CHECK_MS))

    def changes(self, most: int = 100) -> list[AlertChange]:
        """The last changes, newest first."""
        found = self._client.xrevrange(self._keys.alert_changes, count=most)
        return [_change(id_, fields) for id_, fields in found]


def _change(id_: str, fields: Mapping[str, Any]) -> AlertChange:
    alert = Alert.from_json(fields["alert"])
    return AlertChange(id_, fields["what"], alert, fields["text"], int(fields["at_ms"]))
