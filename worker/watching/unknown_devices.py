"""Use case: watch the routers' leases for devices that should hold none.

Each router is read once in `every_s`, by one of them, over a connection of its own that stays: its
dynamic rows and the blocked ones that are bound, and nothing is written.
"""

import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from typing import Final

import structlog

from worker.core.full_read.unknown_devices import (
    KINDS_OF_WATCH,
    NAMED,
    UnknownDevice,
    blocked,
    grouped,
    judge,
    judge_blocked,
    watched,
)
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.observed import Observation, SeenRow
from worker.core.service.record import ServiceRecord
from worker.errors import RouterBlocked, RouterBusy, RouterUnreachable, StoreUnavailable
from worker.ports import LeaseQuery, RouterSessions
from worker.store.finder import Finder
from worker.store.store import Store

log = structlog.get_logger()

ROUND_S: Final = 2.0
_ADVICE: Final = "a bug: please report this traceback"
_AT_ONCE: Final = 16
_SCAN_AGAIN_MS: Final = 600_000


@dataclass(slots=True)
class Watch:
    """Watches the routers of an inventory.

    Attributes:
        store: the store.
        sessions: of its own: a pass must not find its router taken.
        policies: router -> policy.
        every_s: between two looks at a router.
        clock: monotonic seconds.
        ignoring: routers of whose unknown devices nobody is told.
    """

    store: Store
    sessions: RouterSessions
    policies: Mapping[str, RouterPolicy]
    every_s: float
    clock: Callable[[], float] = time.monotonic
    ignoring: Container[str] = ()
    _began_s: float | None = None
    _elsewhere: dict[tuple[str, str], tuple[int, UnknownDevice | None]] = field(
        default_factory=dict
    )

    def once(self) -> list[str]:
        """One round over the routers that are due; returns those that were read."""
        wanted = [name for name, policy in self.policies.items() if policy.mode == "manage"]
        # Spread over time; who was held up by a slow router makes up for it.
        now_s = self.clock()
        passed_s = max(ROUND_S, now_s - (self._began_s or now_s))
        self._began_s = now_s
        most = ceil(len(wanted) * passed_s / self.every_s)
        due = self.store.notifications.claim_watch(wanted, most, round(self.every_s * 1000))
        up = [name for name in due if self.store.views.router(name).state.state == "up"]
        if not up:
            return []
        with ThreadPoolExecutor(min(_AT_ONCE, len(up))) as pool:
            read = dict(zip(up, pool.map(self._read, up), strict=True))
        return [
            name for name, seen in read.items() if seen is not None and self._judged(name, seen)
        ]

    def _read(self, router: str) -> Observation | None:
        try:
            session = self.sessions.open(router)
        except (RouterUnreachable, RouterBlocked, RouterBusy):
            return None  # the passes find that too, and tell
        try:
            seen = session.read_watched()
        except (RouterUnreachable, RouterBlocked):
            return None
        except Exception:
            session.close()
            log.exception("watch.failed", router=router, advice=_ADVICE)
            return None
        self.sessions.give_back(router, session)
        return seen

    def _judged(self, router: str, seen: Observation) -> bool:
        """Tell of what was seen; what goes wrong with one router holds up no other."""
        try:
            unknown_devices = self._unknown_devices(
                router, watched(seen.rows, self.policies[router])
            )
            self._tell(router, [*unknown_devices, *self._blocked(router, seen)])
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("watch.failed", router=router, advice=_ADVICE)
            return False
        return True

    def _unknown_devices(self, router: str, rows: Mapping[str, SeenRow]) -> list[UnknownDevice]:
        finder = Finder(self.store.client, self.store.keys)
        claimed = finder.claimed(router, [f"mac:{mac}" for mac in rows])
        holders = {mac: sorted(claimed[f"mac:{mac}"].holders.values()) for mac in rows}
        records = self.store.records.read(
            sorted({each for some in holders.values() for each in some})
        )
        unknown_devices = []
        unknown = [mac for mac, some in holders.items() if not some]
        for mac, row in rows.items():
            own = [records[each].record for each in holders[mac]]
            if own:
                found = judge(router, row, own, active_elsewhere=False)
            elif len(unknown) > NAMED:  # one alert for all; looking through records costs a second
                found = judge(router, row, (), active_elsewhere=False)
            else:
                found = self._unclaimed(finder, router, row)
            unknown_devices += [found] if found else []
        if router in self.ignoring:
            unknown_devices = [each for each in unknown_devices if each.kind != "rogue-device"]
        return grouped(router, unknown_devices)

    def _blocked(self, router: str, seen: Observation) -> list[UnknownDevice]:
        rows = blocked(seen.rows, self.policies[router])
        records = self.store.records.read(sorted({service_id for service_id, _ in rows}))
        now_ms = self.store.records.now_ms()
        found = (
            judge_blocked(router, row, records[service_id].record, seen, now_ms)
            for service_id, row in rows
        )
        return [each for each in found if each is not None]

    def _unclaimed(self, finder: Finder, router: str, row: SeenRow) -> UnknownDevice | None:
        """Of a device that no service has on this router; all records are looked through."""
        now_ms, key = self.store.records.now_ms(), (router, row.active_mac)
        until, known = self._elsewhere.get(key, (0, None))
        if now_ms < until:
            return known
        ids = finder.services_naming(row.active_mac)
        stored = self.store.records.read(ids)
        services = [
            each.record for each in stored.values() if each.record.value("mac") == row.active_mac
        ]
        elsewhere = any(self._is_active(each, row.active_mac) for each in services)
        found = judge(router, row, services, active_elsewhere=elsewhere)
        self._elsewhere = {k: v for k, v in self._elsewhere.items() if v[0] > now_ms}
        self._elsewhere[key] = now_ms + _SCAN_AGAIN_MS, found
        return found

    def _is_active(self, record: ServiceRecord, mac: str) -> bool:
        router = record.router
        if record.status != "active" or router is None or router not in self.policies:
            return False
        session = None
        try:
            session = self.sessions.open(router)
            seen: Observation = session.observe(LeaseQuery(macs=frozenset({mac})))
        except (RouterUnreachable, RouterBlocked, RouterBusy):
            return False
        except BaseException:
            if session is not None:
                session.close()
            raise
        self.sessions.give_back(router, session)
        return any(each.active_mac == mac and not each.lease.dynamic for each in seen.rows)

    def _tell(self, router: str, unknown_devices: Sequence[UnknownDevice]) -> None:
        found = {(each.kind, each.subject): each.text for each in unknown_devices}
        ends = dict.fromkeys(KINDS_OF_WATCH, "it holds no such lease any more")
        if router in self.ignoring:
            ends["rogue-device"] = "unknown devices of this router are ignored"
        self.store.alerts.settle(found, ends, router)
