"""Results of full reads, and what people decided on them: boots, approvals, reports.

Losing it does no harm: the next full read of a router restores it.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

from worker.core.rows.pools import PoolUse
from worker.core.storage_format import known_part
from worker.store.audit import AuditEntry
from worker.store.connection import StorePart

KEPT_S: Final = 40 * 86_400
APPROVED_MS: Final = 6 * 3_600_000
"""For so long an approval holds, should the rebuild not be over before."""
REPORTED: Final = "reported"
"""Field of a router's hash: when the last report was made (ms), beside the long report itself."""
LOOKED: Final = "looked"
"""Another field: when its table was last read (ms)."""
POOLS: Final = "pools"
"""Another one: [[pool, addresses in use, all of them], …] as JSON, as that report found them."""
_CHECK_EVERY_MS: Final = 2_000
_AT_ONCE: Final = 5
"""Limit of reports that one check asks for: events must not wait for them."""
_AGAIN_MS: Final = 60_000


class FullReadReport(NamedTuple):
    """The last full read of a router: when (ms), and what it found as a document."""

    at_ms: int
    document: dict[str, Any]


class FullReads(StorePart):
    """Keeps a hash for each router, and an index of when each report is due."""

    def rows_checked(self, router: str, now_ms: int, uptime_s: int | None) -> None:
        """Nothing speaks against writing to the router; an approval to rebuild it is used up."""
        key = self._keys.router(router).full_read
        pipe = self._client.pipeline()
        pipe.hset(self._keys.fleet.full_reads, router, str(now_ms))
        pipe.hset(key, LOOKED, str(now_ms))
        if uptime_s is not None:
            pipe.hset(key, "booted", str(now_ms - uptime_s * 1000))
        pipe.expire(key, KEPT_S)
        pipe.execute()

    def last_ms(self, router: str) -> int:
        """When the whole router was last read, for a report or else; 0: it was not, or long ago."""
        found = self._fields(self._keys.router(router).full_read, [LOOKED, REPORTED])
        return max(map(int, found.values()), default=0)

    def approve(self, router: str, actor: str | None, now_ms: int, reason: str = "") -> None:
        """Approve that many lost rows are written again; the router is checked at once.

        Without `actor` it is part of a larger write, which has an audit entry of its own.
        """
        entry = AuditEntry(now_ms, actor or "", "router.rebuild_approved", router, reason)
        text = entry.to_text() if actor else ""
        self._scripts.run("approve_rebuild", router, now_ms + APPROVED_MS, KEPT_S, text)

    def approved(self, router: str, now_ms: int) -> bool:
        """Whether a rebuild was approved and is not over."""
        until = self._client.hget(self._keys.router(router).full_read, "approved")
        return until is not None and now_ms < int(until)

    def rebuilt(self, router: str) -> None:
        """The rows are there again: the next loss needs another approval."""
        self._client.hdel(self._keys.router(router).full_read, "approved")

    def ask(self, routers: Collection[str], every_ms: int) -> int:
        """Ask passes for the reports that are due; returns how many. The sweep calls.

        `routers`: of the inventory; `every_ms`: between two reports of a router.
        """
        asked = self._scripts.run(
            "ask_reports",
            *(_CHECK_EVERY_MS, every_ms, _AT_ONCE, _AGAIN_MS),
            *(value for name in routers for value in (name, _share(name))),
        )
        return int(asked or 0)

    def ask_again(self, router: str) -> None:
        """Ask for a report that a pass was asked for and could not make."""
        self._client.sadd(self._keys.reports.asked, router)

    def save(self, router: str, report: FullReadReport, every_ms: int) -> None:
        """Keep a report in place of the last one; the next is due after `every_ms`."""
        key = self._keys.router(router).full_read
        pipe = self._client.pipeline()
        pipe.hset(key, mapping={"report": json.dumps(report), REPORTED: str(report.at_ms)})
        pipe.expire(key, KEPT_S)
        pipe.zadd(self._keys.reports.due, {router: report.at_ms + every_ms})
        pipe.execute()

    def postpone(self, router: str, until_ms: int) -> None:
        """Ask for no report of a router before then; the last one stays."""
        self._client.zadd(self._keys.reports.due, {router: until_ms})

    def save_pools(self, router: str, uses: Sequence[PoolUse]) -> None:
        """Keep how full its pools are; goes with the report."""
        text = json.dumps([[pool.name, pool.used, pool.size] for pool in uses])
        self._client.hset(self._keys.router(router).full_read, POOLS, text)

    def last(self, router: str) -> FullReadReport | None:
        """The last report of a router."""
        text = self._client.hget(self._keys.router(router).full_read, "report")
        return None if text is None else known_part(FullReadReport, json.loads(text))


def _share(name: str) -> float:
    """Another moment of the period for each router, the same at each start."""
    return crc32(name.encode()) / 2**32
