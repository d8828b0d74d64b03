"""Services that were written and await their device: none uses the entry yet.

A pass adds them in the step that applies an event (`lua/conclude.lua`).
"""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.service.outcome import Outcome
from worker.store.commits import feed_of
from worker.store.scripts import StorePart

CHECK_MS: Final = 120_000
"""For so long they belong to the worker that took them: reading a router takes less."""


class AwaitingService(NamedTuple):
    """A service at a router, its member in the list, and the event that was applied there last."""

    member: str
    outcome: Outcome


class TakenServices(NamedTuple):
    """Redis's time, and the services to look for."""

    now_ms: int
    services: list[AwaitingService]


class AwaitingDevice(StorePart):
    """The list of these services."""

    def take(self, most: int) -> TakenServices:
        """Take those that are due, for `CHECK_MS`."""
        now_ms, *found = self._scripts.run("take_awaiting", most, CHECK_MS)
        services = [
            AwaitingService(member, Outcome.from_json(text, event))
            for member, event, text in zip(*[iter(found)] * 3, strict=True)
        ]
        return TakenServices(int(now_ms), services)

    def set_online(self, seen: Sequence[tuple[AwaitingService, str]], now_ms: int) -> None:
        """Report in the feeds that devices are online, each with a sentence.

        The outcome of the event stays `applied`.
        """
        items = []
        for service, detail in seen:
            applied = service.outcome
            outcome = Outcome(
                applied.event,
                applied.service_id,
                "acting",
                now_ms,
                "",
                detail,
                applied.router,
            )
            feed = feed_of(outcome)
            if feed is not None:
                item = {"member": service.member, "event": applied.key}
                items.append(item | {"text": outcome.to_json(), "feed": feed})
        if items:
            self._scripts.run("set_online", json.dumps(items))

    def check_later(self, due: Sequence[tuple[AwaitingService, int]]) -> None:
        """Look for them again at a time (ms)."""
        if due:
            self._client.zadd(self._keys.awaiting_device, {e.member: at for e, at in due}, xx=True)

    def forget(self, services: Sequence[AwaitingService]) -> None:
        """Look for them no more."""
        members = [service.member for service in services]
        if members:
            self._client.zrem(self._keys.awaiting_device, *members)
            self._client.hdel(self._keys.awaiting_events, *members)
