"""The leases and DHCPv6 bindings of a router, and whose each is: for command and console."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network
from typing import Any, Final, Literal, NamedTuple

from worker.admin.json_fields import clean, without_empty
from worker.convergence.full_read import read_bindings
from worker.core.full_read.row_owners import tagged_rows
from worker.core.rows.observed import macs_of, shown_address
from worker.core.rows.rows import BindingRow, Lease, RowKey, parse_tag
from worker.ports import RowReader
from worker.store.connection import pages
from worker.store.store import Store

LeaseRow = Lease | BindingRow
Whose = Literal["ours", "orphan", "foreign", "service-device", "unknown-device"]
WHOSE: Final[Mapping[Whose, str]] = {
    "ours": "row of ours",
    "orphan": "row with our tag, but no such service exists",
    "foreign": "made by somebody else, never changed",
    "service-device": "dynamic row of a device that a service has",
    "unknown-device": "dynamic row of a device that no service has here",
}
"""Whose a row is, in words."""


class Owner(NamedTuple):
    """Whose a row is, and the service that it belongs to or is about; empty: none."""

    whose: Whose
    service: str = ""


def read_lease_table(store: Store, session: RowReader, router: str) -> list[LeaseRow]:
    """Read all leases; where a service may have a DHCPv6 binding, all of these too."""
    rows: list[LeaseRow] = [*session.read_leases(None, lambda: None)]
    services = store.views.router_services(router, readable=True)
    if any(
        stored.record.value("ipv6") or stored.record.placements[router].bindings
        for stored in services
        if router in stored.record.placements
    ):
        rows += read_bindings(session, lambda: None)
    return rows


def orphans_of(store: Store, rows: Sequence[LeaseRow], installation: str) -> dict[RowKey, Owner]:
    """The rows with our tag whose service has no record."""
    tagged = list(tagged_rows(rows, installation))
    known = store.records.known(sorted({row.service_id for row in tagged}))
    return {
        tag.row.key: Owner("orphan", tag.service_id)
        for tag in tagged
        if tag.service_id not in known
    }


def lease_documents(
    store: Store,
    router: str,
    rows: Sequence[LeaseRow],
    installation: str,
    owners: Mapping[RowKey, Owner],
) -> list[dict[str, Any]]:
    """The leases of a router and its DHCPv6 bindings by address, each with whose it is.

    The rows are of one read; `owners` are of those whose tag does not say it.
    """
    devices = _devices(store, router, sorted({mac for row in rows for mac in _macs(row)}))
    return [
        _document(row, owners.get(row.key) or _owner(row, installation, devices))
        for row in sorted(rows, key=_by_address)
    ]


def _macs(row: LeaseRow) -> frozenset[str]:
    """The MAC addresses that a dynamic row may be of."""
    if not row.dynamic:
        return frozenset()
    return macs_of(row) if isinstance(row, BindingRow) else frozenset({row.device})


def _devices(store: Store, router: str, macs: Sequence[str]) -> dict[str, str]:
    """MAC -> the service that has it on this router."""
    found = dict[str, str]()
    for page in pages(macs):
        holders = store.finder.holders(router, page)
        found |= {mac: next(iter(services), "") for mac, services in holders.items()}
    return found


def _owner(row: LeaseRow, installation: str, devices: Mapping[str, str]) -> Owner:
    if row.radius:
        return Owner("foreign")
    if row.dynamic:
        services = {devices[mac] for mac in _macs(row) if devices.get(mac)}
        service = services.pop() if len(services) == 1 else ""
        return Owner("service-device" if service else "unknown-device", service)
    tag = parse_tag(row.comment)
    if tag is None or tag.installation != installation:
        return Owner("foreign")
    return Owner("ours", tag.service_id)


def _document(row: LeaseRow, owner: Owner) -> dict[str, Any]:
    return without_empty(
        {
            **_client(row),
            "server": clean(row.server),
            "block": row.fields.get("block-access"),
            "whose": owner.whose,
            "service": owner.service,
            "kind": "radius" if row.radius else "dynamic" if row.dynamic else "static",
            "comment": clean(row.comment),
            "disabled": row.disabled or None,
        }
    )


def _client(row: LeaseRow) -> dict[str, Any]:
    """What a row gives, and to whom."""
    if isinstance(row, Lease):
        return {"address": clean(row.address), "mac": clean(row.device)}
    duid, iaid = row.client
    known = {"duid": clean(duid), "iaid": clean(iaid), "status": clean(row.status)}
    macs = " ".join(sorted(macs_of(row)))
    return {"address": clean(shown_address(row.address)), "mac": macs, **known}


def _by_address(row: LeaseRow) -> tuple[int, list[int] | str]:
    if isinstance(row, BindingRow):
        try:
            network = IPv6Network(row.address)
        except ValueError:
            return 3, row.address
        return 2, [int(network.network_address), network.prefixlen]
    parts = row.address.split(".")
    numbers = all(part.isdecimal() for part in parts)
    return (0, [int(part) for part in parts]) if numbers else (1, row.address)
