"""Use case: was the device of a service seen with its address, after all was written for it?

Reads routers in sessions of its own, a few rows each, and changes nothing but the outcome feed.
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
"""Services of one round: a query of some tens of kilobytes."""
FIRST_CHECK_MS: Final = 30_000
FORGET_MS: Final = 7 * 86_400_000
"""Who did not connect for a week is no news of this event any more."""

Look = Callable[[Mapping[str, LeaseQuery]], Mapping[str, Observation | str]]
"""Asks routers; where one does not answer, why, in words."""


@dataclass(frozen=True, slots=True)
class DeviceOnlineCheck:
    """Looks for devices.

    Attributes:
        store: the store.
        look: asks routers.
    """

    store: Store
    look: Look

    def once(self) -> int:
        """One round; returns how many services were due."""
        now_ms, services = self.store.awaiting_device.take(MOST)
        stored = self.store.records.read([each.outcome.service_id for each in services])
        at: dict[str, list[tuple[AwaitingService, Mapping[str, str]]]] = defaultdict(list)
        over = []
        for each in services:
            written = _written(each, stored[each.outcome.service_id].record)
            if written is None or now_ms - each.outcome.at_ms > FORGET_MS:
                over.append(each)
            else:
                at[each.outcome.router].append((each, written))
        self.store.awaiting_device.forget(over)
        up = {name for name in at if self.store.views.router(name).state.state == "up"}
        found = self.look(
            {
                name: LeaseQuery(macs=frozenset(fields["mac-address"] for _, fields in at[name]))
                for name in up
            }
        )
        for name, wanted in at.items():
            self._tell(wanted, found.get(name), now_ms)
        return len(services)

    def _tell(
        self,
        wanted: list[tuple[AwaitingService, Mapping[str, str]]],
        found: Observation | str | None,
        now_ms: int,
    ) -> None:
        rows = found.rows if isinstance(found, Observation) else ()
        by_mac: dict[str, list[SeenRow]] = defaultdict(list)
        for row in rows:
            by_mac[row.active_mac].append(row)
        seen, later = [], []
        for each, fields in wanted:
            held = [row for row in by_mac[fields["mac-address"]] if _is_held(row, fields)]
            if held:
                seen.append((each, f"the device has {held[0].active_address}"))
            else:
                # The longer it is not seen, the rarer the looks: 14 of them in a week.
                age_ms = max(now_ms - each.outcome.at_ms, FIRST_CHECK_MS)
                later.append((each, now_ms + age_ms))
        self.store.awaiting_device.set_online(seen, now_ms)
        self.store.awaiting_device.check_later(later)


def _is_held(row: SeenRow, fields: Mapping[str, str]) -> bool:
    """Whether the device has the row, and the address that the entry gives it."""
    try:
        wanted = str(Ipv4.parse(fields["address"]))
    except ValueError:  # a pool's name, which gives any of its addresses
        wanted = row.active_address
    return (
        row.status == "bound" and row.lease.mac == row.active_mac and row.active_address == wanted
    )


def _written(each: AwaitingService, record: ServiceRecord) -> Mapping[str, str] | None:
    """What was written for it and stands, if it is to work there still."""
    placement = record.placements.get(each.outcome.router)
    if placement is None or record.router != each.outcome.router or record.status != "active":
        return None
    return placement.written
