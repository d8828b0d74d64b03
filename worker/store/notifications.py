"""Notifications of alerts: what targets were notified of, mutes, and the worker that notifies."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from worker.core.alerting.notifications import Mute, Notice
from worker.core.storage_format import known_part, rfc3339
from worker.store.audit import AuditEntry, add_entry
from worker.store.connection import StorePart

CLAIM_MS: Final = 60_000
"""Longer than a round takes, all targets together; a dead one is replaced after it."""


class Notifications(StorePart):
    """One hash a target, one of mutes, one claim."""

    def claim(self, token: str) -> bool:
        """Whether the process with this token notifies now; renews its claim."""
        if self._client.set(self._keys.notifications, token, nx=True, px=CLAIM_MS):
            return True
        if self._client.get(self._keys.notifications) != token:
            return False
        return bool(self._client.pexpire(self._keys.notifications, CLAIM_MS))

    def claim_watch(self, routers: Sequence[str], most: int, every_ms: int) -> list[str]:
        """The routers that the caller checks now, and no other worker for a while."""
        taken = self._texts(self._keys.watched, routers)
        free = [name for name in routers if name not in taken][:most]
        key = self._keys.watched
        got = self._asked(free, lambda pipe, name: pipe.set(key(name), "1", nx=True, px=every_ms))
        return [name for name, is_ours in got if is_ours]

    def notified(self, target: str) -> dict[str, Notice]:
        """Name of an alert -> what a target was notified of."""
        found = self._client.hgetall(self._keys.notified(target))
        return {name: known_part(Notice, json.loads(text)) for name, text in found.items()}

    def save_notified(
        self, target: str, before: Mapping[str, Notice], after: Mapping[str, Notice]
    ) -> None:
        """Keep what a target was notified of now."""
        key = self._keys.notified(target)
        changed: dict[Any, Any] = {
            n: json.dumps(each) for n, each in after.items() if before.get(n) != each
        }
        gone = sorted(before.keys() - after.keys())
        if not changed and not gone:
            return
        pipe = self._client.pipeline()
        if changed:
            pipe.hset(key, mapping=changed)
        if gone:
            pipe.hdel(key, *gone)
        pipe.execute()

    def mutes(self, now_ms: int) -> list[Mute]:
        """Those in force, the first to end first."""
        found = self._client.hgetall(self._keys.alert_mutes)
        mutes = [known_part(Mute, json.loads(text)) for text in found.values()]
        ended = [_name(mute) for mute in mutes if mute.until_ms <= now_ms]
        if ended:
            self._client.hdel(self._keys.alert_mutes, *ended)
        in_force = [mute for mute in mutes if mute.until_ms > now_ms]
        return sorted(in_force, key=lambda mute: mute.until_ms)

    def mute(self, mute: Mute, now_ms: int) -> None:
        """Begin a mute, in place of one of the same kind and subject."""
        detail = f"until {rfc3339(mute.until_ms)}: {mute.reason}".removesuffix(": ")
        entry = AuditEntry(now_ms, mute.by, "alert.muted", _shown(mute.kind, mute.subject), detail)
        pipe = self._client.pipeline()
        pipe.hset(self._keys.alert_mutes, _name(mute), json.dumps(mute))
        add_entry(pipe, self._keys.audit, entry)
        pipe.execute()

    def unmute(self, kind: str, subject: str, by: str, now_ms: int) -> bool:
        """End a mute; False when there is none."""
        name = f"{kind}|{subject}"
        if not self._client.hdel(self._keys.alert_mutes, name):
            return False
        entry = AuditEntry(now_ms, by, "alert.unmuted", _shown(kind, subject))
        add_entry(self._client, self._keys.audit, entry)
        return True


def _name(mute: Mute) -> str:
    return f"{mute.kind}|{mute.subject}"


def _shown(kind: str, subject: str) -> str:
    return f"{kind} {subject}".strip()
