"""Has services checked whose DHCPv6 client may be learned, or may have changed.

A pass learns the client (`worker.core.plan.binding_clients`); here it is only seen that one asks.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from worker.core.entry.entry import wanted_router
from worker.core.rows.bindings import mac_in_duid, mac_in_link_local
from worker.core.rows.rows import BINDINGS, BindingRow, Row
from worker.core.service.record import ServiceRecord
from worker.ports import FieldEquals, RouterSession
from worker.store.finder import Finder
from worker.store.store import Store

log = structlog.get_logger()

_DYNAMIC: Final = (FieldEquals("dynamic", "true"), FieldEquals("dynamic", "yes"))
"""Versions differ in how a query spells a flag."""
_AGAIN_MS: Final = 300_000
"""A client that was not learned is offered again then: the one before it may have left."""

_Clients = frozenset[tuple[str, str]]


def read_askers(session: RouterSession) -> list[BindingRow]:
    """Read the dynamic bindings of a router; none where it has no IPv6.

    Raises:
        RouterUnreachable, RouterBlocked: as the session does.
    """
    if not session.read_ipv6_setup(fresh=False).has_menu:
        return []
    rows: Sequence[Row] = session.read_rows(BINDINGS, _DYNAMIC, lambda: None)
    return [row for row in rows if isinstance(row, BindingRow) and not row.radius]


@dataclass(slots=True)
class Ipv6Clients:
    """Finds the services of the clients that ask routers for IPv6.

    Attributes:
        store: the store.
    """

    store: Store
    _offered: dict[tuple[str, str], tuple[_Clients, int]] = field(default_factory=dict)

    def offer(self, router: str, rows: Iterable[BindingRow], unclear: Iterable[str]) -> None:
        """Add work for services of which a client asks that was not offered lately.

        Args:
            router: its name.
            rows: its dynamic bindings.
            unclear: services whose client could not be told at their last check.
        """
        now_ms = self.store.records.now_ms()
        clients = self._clients(router, rows)
        self._offered = {
            key: (before, until_ms)
            for key, (before, until_ms) in self._offered.items()
            if until_ms > now_ms
        }
        nobody: _Clients = frozenset()
        asked = {service_id: clients.get(service_id, nobody) for service_id in unclear} | clients
        new = sorted(
            service_id
            for service_id, those in asked.items()
            if self._offered.get((router, service_id), (None, 0))[0] != those
        )
        if new:
            self.store.routers.add_work(router, new, closely=True)
            log.info("ipv6_clients.seen", router=router, services=new)
        for service_id in new:
            self._offered[router, service_id] = asked[service_id], now_ms + _AGAIN_MS

    def _clients(self, router: str, rows: Iterable[BindingRow]) -> dict[str, _Clients]:
        """The clients that may be those of services of ours, by service."""
        by_mac: dict[str, list[BindingRow]] = defaultdict(list)
        for row in rows:
            for mac in _macs(row):
                by_mac[mac].append(row)
        claimed = Finder(self.store.client, self.store.keys).claimed(
            router, [f"mac:{mac}" for mac in by_mac]
        )
        holders = {mac: set(claimed[f"mac:{mac}"].holders.values()) for mac in by_mac}
        stored = self.store.records.read(
            sorted({name for names in holders.values() for name in names})
        )
        found: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for mac, service_ids in holders.items():
            for service_id in service_ids:
                record = stored[service_id].record
                kinds = _kinds_to_learn(record, router)
                found[service_id] |= {row.client for row in by_mac[mac] if row.ia in kinds}
        return {service_id: frozenset(those) for service_id, those in found.items() if those}


def _macs(row: BindingRow) -> set[str]:
    on_link = row.client_mac or mac_in_link_local(row.client_address)
    return {on_link, mac_in_duid(row.client[0])} - {""}


def _kinds_to_learn(record: ServiceRecord, router: str) -> set[str]:
    """The kinds of bindings of a service on a router whose client is not stated."""
    ipv6 = record.value("ipv6")
    stated = record.value("duid") is not None and record.value("iaid") is not None
    if not isinstance(ipv6, Mapping) or stated or wanted_router(record) != router:
        return set()
    return {"pd", "na"} if ipv6.get("address") else {"pd"}
