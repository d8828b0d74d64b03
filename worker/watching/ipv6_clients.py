"""Has services checked whose DHCPv6 client may be learned, or may have changed.

A pass learns the client (`worker.core.plan.binding_clients`); here it is only seen that one asks.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import structlog

from worker.core.rows.bindings import mac_in_duid, mac_in_link_local
from worker.core.rows.rows import BINDINGS, BindingRow, Row
from worker.core.service.record import ServiceRecord
from worker.ports import FieldEquals, RouterSession
from worker.store.store import Store

log = structlog.get_logger()

_DYNAMIC: Final = (FieldEquals("dynamic", "true"), FieldEquals("dynamic", "yes"))
"""Versions differ in how a query spells a flag."""
_AGAIN_S: Final = 300.0
"""A client that was not learned is offered again then: the one before it may have left."""

_Clients = frozenset[tuple[str, str, str]]


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
    """Finds the services of the clients that ask routers for IPv6."""

    store: Store
    clock: Callable[[], float] = time.monotonic
    _seen: dict[tuple[str, str], tuple[_Clients, float]] = field(default_factory=dict)

    def offer(
        self,
        router: str,
        rows: Sequence[BindingRow],
        unclear: Iterable[str],
        *,
        by_ports: bool = False,
    ) -> None:
        """Add work for services of which a client asks that was not there a moment ago.

        Args:
            router: its name.
            rows: its dynamic bindings.
            unclear: services whose client could not be told at their last check.
            by_ports: its leases go by option 82, so services have no claim on the MAC of a device.
        """
        by_mac: dict[str, list[BindingRow]] = defaultdict(list)
        for row in rows:
            for mac in _macs(row):
                by_mac[mac].append(row)
        # With the status: one that was only offered something is not taken for a changed client.
        clients = {
            mac: frozenset((*row.client, row.status) for row in asking)
            for mac, asking in by_mac.items()
        }
        new = {mac: by_mac[mac] for mac in self._not_seen(router, clients)}
        nobody: _Clients = frozenset()
        services = self._not_seen(router, dict.fromkeys(unclear, nobody)) | self._to_learn(
            router, new, by_ports=by_ports
        )
        if services:
            self.store.routers.add_work(router, sorted(services), closely=True)
            log.info("ipv6_clients.seen", router=router, services=sorted(services))

    def _not_seen(self, router: str, clients: Mapping[str, _Clients]) -> set[str]:
        """Those of the MACs, or services, that were not seen lately with the same clients."""
        now_s = self.clock()
        self._seen = {key: seen for key, seen in self._seen.items() if seen[1] > now_s}
        new = {
            name
            for name, those in clients.items()
            if self._seen.get((router, name), (None, 0))[0] != those
        }
        self._seen |= {(router, name): (clients[name], now_s + _AGAIN_S) for name in new}
        return new

    def _to_learn(
        self, router: str, asking: Mapping[str, Sequence[BindingRow]], *, by_ports: bool
    ) -> set[str]:
        """The services of ours whose device may be one of these, by MAC."""
        had = self.store.finder.holders(router, asking)
        holders = {mac: set(services) for mac, services in had.items()}
        nobodys = {mac for mac, services in holders.items() if not services}
        for found in (
            self.store.views.router_services(router, readable=True) if nobodys and by_ports else ()
        ):
            if (mac := found.record.value("mac")) in nobodys:
                holders[str(mac)].add(found.record.service_id)
        stored = self.store.records.readable(sorted(set(chain.from_iterable(holders.values()))))
        return {
            service_id
            for mac, service_ids in holders.items()
            for service_id in stored.keys() & service_ids
            if _kinds_to_learn(stored[service_id].record, router) & {row.ia for row in asking[mac]}
        }


def _macs(row: BindingRow) -> set[str]:
    on_link = row.client_mac or mac_in_link_local(row.client_address)
    return {on_link, mac_in_duid(row.client[0])} - {""}


def _kinds_to_learn(record: ServiceRecord, router: str) -> set[str]:
    """The kinds of bindings of a service on a router whose client is not stated."""
    ipv6 = record.value("ipv6")
    stated = record.value("duid") is not None and record.value("iaid") is not None
    if not isinstance(ipv6, Mapping) or stated or record.wanted_router != router:
        return set()
    return {"pd", "na"} if ipv6.get("address") else {"pd"}
