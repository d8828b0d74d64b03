"""Checks whether the device of a service is online with its address after the entry was written.

It reads a few rows of each router in sessions of its own, and adds outcomes to the feed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.values import Ipv4
from worker.core.rows.observed import Observation, SeenRow
from worker.core.service.record import ServiceRecord
from worker.ports import LeaseQuery
from worker.store.awaiting_device import AwaitingService
from worker.store.store import Store

MOST: Final = 500
"""Services of one round: a query of tens of kilobytes."""
FIRST_CHECK_MS: Final = 30_000
FORGET_MS: Final = 7 * 86_400_000
"""A device that connects after a week says nothing about this event any more."""

_Written = tuple[AwaitingService, Mapping[str, str]]
"""A service, and the fields of the row that was written for it."""

Look = Callable[[Mapping[str, LeaseQuery]], Mapping[str, Observation | str]]
"""Reads rows of routers; a text says why a router could not be read."""


@dataclass(frozen=True, slots=True)
class DeviceOnlineCheck:
    """Finds devices that came online.

    Attributes:
        store: the store.
        look: reads rows of routers.
    """

    store: Store
    look: Look

    def once(self) -> int:
        """Do one round; returns the number of services that were due."""
        now_ms, services = self.store.awaiting_device.take(MOST)
        stored = self.store.records.read([service.outcome.service_id for service in services])
        by_router: dict[str, list[_Written]] = defaultdict(list)
        over = []
        for service in services:
            fields = _written(service, stored[service.outcome.service_id].record)
            if fields is None or now_ms - service.outcome.at_ms > FORGET_MS:
                over.append(service)
            else:
                by_router[service.outcome.router].append((service, fields))
        self.store.awaiting_device.forget(over)
        found = self.look(
            {
                router: LeaseQuery(macs=frozenset(fields["mac-address"] for _, fields in written))
                for router, written in by_router.items()
                if self.store.views.router(router).state.state == "up"
            }
        )
        for router, written in by_router.items():
            self._report(written, found.get(router), now_ms)
        return len(services)

    def _report(
        self, written: list[_Written], found: Observation | str | None, now_ms: int
    ) -> None:
        by_mac: dict[str, list[SeenRow]] = defaultdict(list)
        for row in found.rows if isinstance(found, Observation) else ():
            by_mac[row.active_mac].append(row)
        online, later = [], []
        for service, fields in written:
            bound = [row for row in by_mac[fields["mac-address"]] if _is_bound(row, fields)]
            if bound:
                online.append((service, f"the device has {bound[0].active_address}"))
            else:
                # The longer it is offline, the rarer the checks: 14 in a week.
                age_ms = max(now_ms - service.outcome.at_ms, FIRST_CHECK_MS)
                later.append((service, now_ms + age_ms))
        self.store.awaiting_device.set_online(online, now_ms)
        self.store.awaiting_device.check_later(later)


def _is_bound(row: SeenRow, fields: Mapping[str, str]) -> bool:
    """Whether the device has this row and the address of its entry."""
    try:
        wanted = str(Ipv4.parse(fields["address"]))
    except ValueError:  # the name of a pool: any of its addresses is right
        wanted = row.active_address
    return (
        row.status == "bound" and row.lease.mac == row.active_mac and row.active_address == wanted
    )


def _written(service: AwaitingService, record: ServiceRecord) -> Mapping[str, str] | None:
    """Return the fields that were written for it, if it is still active on that router."""
    router = service.outcome.router
    placement = record.placements.get(router)
    if placement is None or record.router != router or record.status != "active":
        return None
    return placement.written
