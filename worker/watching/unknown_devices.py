"""Watches the leases of routers for devices that should have none.

One worker reads each router every `every_s` seconds, over a connection of its own that stays open:
the dynamic rows, and the blocked rows that are bound; where a service has IPv6, also the dynamic
bindings. Nothing is written.
"""

import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Final, NamedTuple

import structlog

from worker.core.entry.devices import macs_of
from worker.core.full_read.unknown_devices import (
    KINDS_OF_WATCH,
    NAMED,
    DynamicRow,
    UnknownDevice,
    blocked,
    grouped,
    judge,
    judge_blocked,
    watched,
    watched_clients,
)
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.observed import Observation
from worker.core.rows.rows import BindingRow
from worker.core.service.record import ServiceRecord
from worker.errors import RouterBlocked, RouterBusy, RouterUnreachable, StoreUnavailable
from worker.ports import LeaseQuery, RouterSessions, borrowed
from worker.store.finder import Finder
from worker.store.router_figures import RouterFigures
from worker.store.store import Store
from worker.watching.ipv6_clients import Ipv6Clients, read_askers

log = structlog.get_logger()

ROUND_S: Final = 2.0
_ADVICE: Final = "a bug: please report this traceback"
_AT_ONCE: Final = 16
_SCAN_AGAIN_MS: Final = 600_000


class _Seen(NamedTuple):
    """What one read of a router showed: its leases, and who asks for IPv6."""

    leases: Observation
    askers: Sequence[BindingRow]


def _unclear(router: str, found: tuple[str, str]) -> UnknownDevice:
    service_id, detail = found
    text = f"router {router}: the DHCPv6 client of service {service_id} cannot be told: {detail}"
    return UnknownDevice("ipv6-client-ambiguous", f"{router} {service_id}", text)


@dataclass(slots=True)
class Watch:
    """Watches the routers of an inventory.

    Its sessions are its own, because a pass must find its router free. Each router is read every
    `every_s`; unknown devices of those in `ignoring` open no alerts.
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
    _ipv6: Ipv6Clients = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no client seen."""
        self._ipv6 = Ipv6Clients(self.store, self.clock)

    def once(self) -> list[str]:
        """Do one round over the routers that are due; returns those that were read."""
        wanted = [name for name, policy in self.policies.items() if policy.mode == "manage"]
        # Spread over time; a round after a slow router catches up.
        now_s = self.clock()
        passed_s = max(ROUND_S, now_s - (self._began_s or now_s))
        self._began_s = now_s
        most = ceil(len(wanted) * passed_s / self.every_s)
        due = self.store.notifications.claim_watch(wanted, most, round(self.every_s * 1000))
        views = self.store.views.routers(due)
        up = {view.name: view for view in views if view.state.state in ("up", "new")}
        if not up:
            return []
        with ThreadPoolExecutor(min(_AT_ONCE, len(up))) as pool:
            read = zip(up.values(), pool.map(self._read, up.values()), strict=True)
            found = [(view, seen) for view, seen in read if seen is not None]
        return [view.name for view, seen in found if self._judged(view, seen)]

    def _read(self, view: RouterFigures) -> _Seen | None:
        router = view.name
        try:
            with borrowed(self.sessions, router) as session:
                askers = [] if view.unclear_clients is None else read_askers(session)
                return _Seen(session.read_watched(), askers)
        except (RouterUnreachable, RouterBlocked, RouterBusy):
            return None  # the passes meet that too, and report it
        except Exception:
            log.exception("watch.failed", router=router, advice=_ADVICE)
            return None

    def _judged(self, view: RouterFigures, seen: _Seen) -> bool:
        """Open and resolve alerts of one router; a failure does not affect the others."""
        router, found = view.name, seen.leases
        try:
            policy = self.policies[router]
            watched_rows = watched_clients(seen.askers, policy) | watched(found.rows, policy)
            devices = [
                *self._unknown_devices(router, watched_rows),
                *self._blocked(router, found),
            ]
            if view.unclear_clients is not None:
                by_ports = policy.identify_by == "option-82"
                self._ipv6.offer(router, seen.askers, view.unclear_clients, by_ports=by_ports)
                devices += map(partial(_unclear, router), view.unclear_clients.items())
            self._settle_alerts(router, devices)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("watch.failed", router=router, advice=_ADVICE)
            return False
        return True

    def _unknown_devices(self, router: str, rows: Mapping[str, DynamicRow]) -> list[UnknownDevice]:
        finder = self.store.finder
        holders = finder.holders(router, rows)
        service_ids = sorted({service_id for ids in holders.values() for service_id in ids})
        records = self.store.records.read(service_ids)
        devices = []
        unclaimed = [mac for mac, ids in holders.items() if not ids]
        for mac, row in rows.items():
            own = [records[service_id].record for service_id in holders[mac]]
            # With many of them one alert stands for all; searching the records takes a second each.
            if own or len(unclaimed) > NAMED:
                device = judge(router, row, own, active_elsewhere=False)
            else:
                device = self._unclaimed(finder, router, row)
            if device is not None and not (
                router in self.ignoring and device.kind == "rogue-device"
            ):
                devices.append(device)
        return grouped(router, devices)

    def _blocked(self, router: str, seen: Observation) -> list[UnknownDevice]:
        rows = blocked(seen.rows, self.policies[router])
        records = self.store.records.read(sorted({service_id for service_id, _ in rows}))
        now_ms = self.store.records.now_ms()
        devices = (
            judge_blocked(router, row, records[service_id].record, seen, now_ms)
            for service_id, row in rows
        )
        return [device for device in devices if device is not None]

    def _unclaimed(self, finder: Finder, router: str, row: DynamicRow) -> UnknownDevice | None:
        """Judge a device that no service claims on this router; searches all records."""
        now_ms, key = self.store.records.now_ms(), (router, row.mac)
        until, known = self._elsewhere.get(key, (0, None))
        if now_ms < until:
            return known
        ids = finder.services_naming(row.mac)
        stored = self.store.records.read(ids)
        services = [each.record for each in stored.values() if row.mac in macs_of(each.record)]
        elsewhere = any(self._is_active(record, row.mac) for record in services)
        found = judge(router, row, services, active_elsewhere=elsewhere)
        self._elsewhere = {
            device: verdict for device, verdict in self._elsewhere.items() if verdict[0] > now_ms
        }
        self._elsewhere[key] = now_ms + _SCAN_AGAIN_MS, found
        return found

    def _is_active(self, record: ServiceRecord, mac: str) -> bool:
        router = record.router
        if record.status != "active" or router is None or router not in self.policies:
            return False
        try:
            with borrowed(self.sessions, router) as session:
                seen: Observation = session.observe(LeaseQuery(devices=frozenset({mac})))
        except (RouterUnreachable, RouterBlocked, RouterBusy):
            return False
        return any(row.active_mac == mac and not row.lease.dynamic for row in seen.rows)

    def _settle_alerts(self, router: str, devices: Sequence[UnknownDevice]) -> None:
        found = {(device.kind, device.subject): device.text for device in devices}
        resolved = dict.fromkeys(KINDS_OF_WATCH, "it holds no such lease any more")
        if router in self.ignoring:
            resolved["rogue-device"] = "unknown devices of this router are ignored"
        self.store.alerts.settle(found, resolved, router)
