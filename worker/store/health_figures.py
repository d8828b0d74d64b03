"""Reads how an installation is doing, for `leasewire status`. Writes nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from contracts import names
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health_figures import (
    HealthFigures,
    JournalFigures,
    LostEvents,
    ReasonCount,
    RedisFigures,
)
from worker.core.policy.circuit import UNKNOWN
from worker.store.canaries import QUEUES
from worker.store.router_figures import RouterFigures
from worker.store.store import Store
from worker.store.views import key_pages

KEYS_MEASURED: Final = 20_000
"""Limit of keys whose memory is measured; the rest is estimated from them."""
DEAD_LETTERS_READ: Final = 10_000


class HealthReader:
    """Reads them all in few round trips."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client = store.client
        self._keys = store.keys

    def read(self, routers: Iterable[str], now_ms: int) -> HealthFigures:
        """Read everything: of the inventory's routers, and of others with work items."""
        return self.read_with(self.routers(routers), now_ms)

    def routers(self, routers: Iterable[str]) -> list[RouterFigures]:
        """Read the figures of the inventory's routers, and of others with work items."""
        known = frozenset(routers)
        queued = self._client.zrange(self._keys.routers_due, 0, -1)
        every = sorted({*known, *queued})
        found = self._store.views.routers(every)
        return [
            router if router.name in known else router._replace(state=UNKNOWN) for router in found
        ]

    def read_with(self, routers: Sequence[RouterFigures], now_ms: int) -> HealthFigures:
        """Read the rest."""
        waiting: dict[str, ReasonCount] = {}
        dead_letters = self._store.views.dead_letters(DEAD_LETTERS_READ)
        dead: dict[str, ReasonCount] = {}
        _count(dead, ((dead_letter.reason, dead_letter.at_ms) for dead_letter in dead_letters))
        for router in routers:
            _count(waiting, router.waiting)
        return HealthFigures(
            now_ms=now_ms,
            redis=self._redis(),
            processes=self._store.heartbeats.seen(),
            queues=self._queues(),
            journal={lane: self._journal(lane) for lane in names.LANES},
            routers=[router.health_figures for router in routers],
            dead_letters=dead,
            dead_sources=Counter(
                dead_letter.source for dead_letter in dead_letters if dead_letter.kind == "event"
            ),
            waiting=waiting,
            counters=self._store.views.counters(),
            canaries=self._store.canaries.waiting_ms(),
            alerts=self._alerts(now_ms),
            lost=self._lost(),
        )

    def _alerts(self, now_ms: int) -> list[Alert]:
        mutes = self._store.notifications.mutes(now_ms)
        open_ones = self._store.alerts.all_open()
        return [a for a in open_ones if not any(mute.covers(a, now_ms) for mute in mutes)]

    def memory_by_kind(self) -> dict[str, dict[str, int]]:
        """Keys and bytes by kind of key, estimated from `KEYS_MEASURED` keys, largest first."""
        prefix = self._keys.prefix
        measured: dict[str, list[int]] = {}
        number = 0
        total = self._client.dbsize()
        for page in key_pages(self._client, prefix):
            pipe = self._client.pipeline(transaction=False)
            for key in page:
                pipe.memory_usage(key)
            for key, size in zip(page, pipe.execute(), strict=True):
                measured.setdefault(_kind(key.removeprefix(prefix)), []).append(size or 0)
            number += len(page)
            if number >= KEYS_MEASURED:
                break
        # Keys come in no order, so a part of them stands for the whole; other prefixes count in.
        scale = max(1.0, total / number) if number >= KEYS_MEASURED else 1.0
        kinds = {
            kind: {"keys": round(len(sizes) * scale), "bytes": round(sum(sizes) * scale)}
            for kind, sizes in measured.items()
        }
        return dict(sorted(kinds.items(), key=lambda each: -each[1]["bytes"]))

    def _redis(self) -> RedisFigures:
        info = self._client.info()
        name = "Valkey" if "valkey_version" in info else "Redis"
        ok = (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status"))
        return RedisFigures(
            server=f"{name} {info.get('valkey_version') or info.get('redis_version')}",
            used=int(info["used_memory"]),
            limit=int(info.get("maxmemory", 0)),
            host=int(info.get("total_system_memory", 0)),
            policy=str(info.get("maxmemory_policy", "")),
            appendonly=bool(info.get("aof_enabled", 0)),
            written=set(ok) <= {"ok", None},
            samples=self._store.samples.memory(),
            replicas=[
                int(about["lag"])
                for name, about in info.items()
                if name.startswith("slave") and isinstance(about, dict)
            ],
        )

    def _queues(self) -> dict[str, int]:
        lengths = {name: self._client.llen(self._keys.queue(name)) for name in QUEUES}
        return {**lengths, "unacked": self._client.hlen(self._keys.unacked)}

    def _lost(self) -> LostEvents:
        lost = names.journal_lost(self._keys.prefix)
        found = self._client.hmget(lost, ["events", "at_ms"])
        return LostEvents(*(int(number or 0) for number in found))

    def _journal(self, lane: names.Lane) -> JournalFigures:
        journal = self._keys.journal(lane)
        first = self._client.zrange(journal.due, 0, 0, withscores=True)
        return JournalFigures(self._client.hlen(journal.body), int(first[0][1]) if first else 0)


def _count(reasons: dict[str, ReasonCount], found: Iterable[tuple[str, int]]) -> None:
    for reason, at_ms in found:
        before = reasons.get(reason, ReasonCount(0, at_ms))
        reasons[reason] = ReasonCount(before.number + 1, min(before.oldest_ms, at_ms))


def _kind(name: str) -> str:
    """A key's kind: `record`, `outcome`, `journal`, `router claims`, …."""
    parts = name.split(":")
    if name.startswith(("_kombu", "unacked")):
        return "celery"
    return f"router {parts[-1]}" if parts[0] == "router" else parts[0]
