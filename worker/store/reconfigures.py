"""Reconfigure messages that routers were told to send to devices: when, and how many a minute."""

import json
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from worker.store.connection import StorePart

KEPT_S: Final = 86_400
_SENT: Final = "sent:"
_MINUTE: Final = "minute"


class Reconfigure(NamedTuple):
    """One message.

    Attributes:
        at_ms: when the router was told to send it, by Redis's clock.
        refused: the router's refusal; empty: it sent it, as far as known.
    """

    at_ms: int
    refused: str = ""


class Reconfigures(StorePart):
    """One hash a router; it goes a day after the last message."""

    def take(self, router: str, wanted: int, per_minute: int, now_ms: int) -> int:
        """Return how many messages may be sent now, and count them. Needs the router's lock."""
        key = self._keys.router(router).reconfigured
        minute = now_ms // 60_000
        counted = self._client.hget(key, _MINUTE) or "0 0"
        last, _, sent = counted.partition(" ")
        used = int(sent) if int(last) == minute else 0
        allowed = max(0, min(wanted, per_minute - used))
        if allowed:
            self._client.hset(key, _MINUTE, f"{minute} {used + allowed}")
        return allowed

    def note(self, router: str, refusals: Mapping[str, str], now_ms: int) -> None:
        """Note messages by service or further device: the router's refusal, or an empty text."""
        if not refusals:
            return
        key = self._keys.router(router).reconfigured
        pipe = self._client.pipeline()
        for service_id, refusal in refusals.items():
            pipe.hset(key, f"{_SENT}{service_id}", json.dumps(Reconfigure(now_ms, refusal)))
        pipe.expire(key, KEPT_S)
        pipe.execute()

    def of(self, router: str, services: Collection[str]) -> dict[str, Reconfigure]:
        """Return the last message of each service that got one within a day."""
        names = [f"{_SENT}{service_id}" for service_id in services]
        texts = self._fields(self._keys.router(router).reconfigured, names)
        return {
            name.removeprefix(_SENT): Reconfigure(*json.loads(text)) for name, text in texts.items()
        }
