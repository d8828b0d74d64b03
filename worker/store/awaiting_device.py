"""Services that were written and whose device was not seen with its address yet.

A pass adds them in the step that says *applied* (`lua/conclude.lua`).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import redis

from worker.core.service.outcome import Outcome
from worker.store.keys import Keys
from worker.store.records import feed_of
from worker.store.scripts import Scripts

CHECK_MS: Final = 120_000
"""Nobody else looks meanwhile: more than looking at a router takes."""


class AwaitingService(NamedTuple):
    """A service at a router; `outcome`: of the event that was applied last there, its `event`."""

    member: str
    outcome: Outcome
    event: str


class Taken(NamedTuple):
    """Redis's time, and what is to be looked at."""

    now_ms: int
    services: list[AwaitingService]


class AwaitingDevice:
    """The list of them."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def take(self, most: int) -> Taken:
        """Take those that are due, for `CHECK_MS`."""
        now_ms, *found = self._scripts.run("take_awaiting", most, CHECK_MS)
        each = zip(found[::3], found[1::3], found[2::3], strict=True)
        return Taken(
            int(now_ms),
            [AwaitingService(m, Outcome.from_json(text, event), event) for m, event, text in each],
        )

    def set_online(self, seen: Sequence[tuple[AwaitingService, str]], now_ms: int) -> None:
        """Tell in the feeds that devices were seen; with a sentence each."""
        if not seen:
            return
        order = []
        for each, detail in seen:
            # Not a word on the event, whose outcome stays `applied`: of the feed alone.
            notified = replace(
                each.outcome,
                state="device-online",
                detail=detail,
                reason="",
                effective_by="",
                at_ms=now_ms,
            )
            feed = feed_of(notified)
            if feed is not None:
                order.append([each.member, each.event, notified.to_json(), feed])
        self._scripts.run("set_online", json.dumps(order))

    def check_later(self, due: Sequence[tuple[AwaitingService, int]]) -> None:
        """Look at them again at a time (ms)."""
        if due:
            self._client.zadd(self._keys.awaiting_device, {e.member: at for e, at in due}, xx=True)

    def forget(self, services: Sequence[AwaitingService]) -> None:
        """Look no more."""
        members = [each.member for each in services]
        if members:
            self._client.zrem(self._keys.awaiting_device, *members)
            self._client.hdel(self._keys.awaiting_events, *members)
