"""What full reads of routers found and what people said of it: boots, approvals, reports.

Losing it does no harm: the next full read of a router makes it anew.
"""

import json
from typing import Any, Final, NamedTuple, cast

import redis

from worker.store.connection import store_errors
from worker.store.fleet import Action
from worker.store.keys import Keys
from worker.store.scripts import Scripts

KEPT_S: Final = 40 * 86_400
APPROVED_MS: Final = 6 * 3_600_000
"""For so long an approval holds, should the rebuild not be over before."""
_RESTART_MS: Final = 60_000
"""A router that booted so much later than it was seen to was restarted; clocks differ by less."""


class Report(NamedTuple):
    """The last full read of a router: when (ms), and what it found as a document."""

    at_ms: int
    document: dict[str, Any]


class FullReads:
    """One hash a router, and an index of when each is to be reported on next."""

    def __init__(self, client: redis.Redis, scripts: Scripts, keys: Keys) -> None:
        self._client = client
        self._scripts = scripts
        self._keys = keys

    def restarted(self, router: str, now_ms: int, uptime_s: int | None) -> bool:
        """Whether a router's uptime went back since its table was last looked through."""
        booted = self._field(router, "booted")
        if uptime_s is None or booted is None:
            return False
        return now_ms - uptime_s * 1000 > int(booted) + _RESTART_MS

    def looked_through(self, router: str, now_ms: int, uptime_s: int | None) -> None:
        """Nothing speaks against writing to the router; an approval to rebuild it is used up."""
        key = self._keys.router_full_read(router)
        with store_errors():
            pipe = self._client.pipeline()
            pipe.hset(self._keys.fleet_block()[6], router, str(now_ms))
            if uptime_s is not None:
                pipe.hset(key, "booted", str(now_ms - uptime_s * 1000))
                pipe.expire(key, KEPT_S)
            pipe.execute()

    def approve(self, router: str, actor: str, now_ms: int) -> None:
        """A person wants many rows of ours to be written again; the router is looked at at once."""
        action = json.dumps(Action(now_ms, actor, "rebuild", router, "approved"))
        block = [
            self._keys.routers_due,
            *self._keys.fleet_block(),
            *self._keys.router_block(router),
            self._keys.router_full_read(router),
        ]
        with store_errors():
            self._scripts.run(
                "approve_rebuild", block, [router, now_ms + APPROVED_MS, KEPT_S, action]
            )

    def approved(self, router: str, now_ms: int) -> bool:
        """Whether a rebuild was approved and is not over."""
        until = self._field(router, "approved")
        return until is not None and now_ms < int(until)

    def rebuilt(self, router: str) -> None:
        """The rows are there again: the next time is asked for anew."""
        with store_errors():
            self._client.hdel(self._keys.router_full_read(router), "approved")

    def _field(self, router: str, name: str) -> str | None:
        with store_errors():
            found = self._client.hget(self._keys.router_full_read(router), name)
        return cast("str | None", found)
