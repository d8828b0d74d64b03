"""The lease table of a router, and whose each row is: the same for command and console."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from worker.admin.json_fields import clean, without_empty
from worker.core.full_read.row_owners import tagged_rows
from worker.core.rows.rows import Lease, RowKey, parse_tag
from worker.store.finder import Finder
from worker.store.store import Store

Whose = Literal["ours", "orphan", "foreign", "service-device", "unknown-device"]
WHOSE: Final[Mapping[Whose, str]] = {
    "ours": "row of ours",
    "orphan": "row with our tag, but no such service exists",
    "foreign": "made by somebody else, never changed",
    "service-device": "dynamic lease of a device that a service has",
    "unknown-device": "dynamic lease of a device that no service has here",
}
"""Whose a row is, in words."""
_PAGE: Final = 500


def orphans_of(store: Store, leases: Sequence[Lease], installation: str) -> frozenset[RowKey]:
    """The rows with our tag whose service has no record."""
    tagged = list(tagged_rows(leases, installation))
    known = store.records.known(sorted({row.service_id for row in tagged}))
    return frozenset(row.row.key for row in tagged if row.service_id not in known)


def lease_documents(
    store: Store,
    router: str,
    leases: Sequence[Lease],
    installation: str,
    orphans: Collection[RowKey],
) -> list[dict[str, Any]]:
    """The rows of a lease table by address, each with whose it is.

    Args:
        store: knows which service has a MAC on this router.
        router: its name.
        leases: of one read.
        installation: ours.
        orphans: the rows with our tag whose service is unknown.
    """
    devices = _devices(store, router, [row.mac for row in leases if row.dynamic])
    return [
        _document(row, *_owner(row, installation, orphans, devices))
        for row in sorted(leases, key=_by_address)
    ]


def _devices(store: Store, router: str, macs: Sequence[str]) -> dict[str, str]:
    """MAC -> the service that has it on this router."""
    finder, found = Finder(store.client, store.keys), dict[str, str]()
    for start in range(0, len(macs), _PAGE):
        keys = {f"mac:{mac}": mac for mac in macs[start : start + _PAGE]}
        for key, claimed in finder.claimed(router, list(keys)).items():
            found[keys[key]] = next(iter(claimed.holders.values()), "")
    return found


def _owner(
    row: Lease, installation: str, orphans: Collection[RowKey], devices: Mapping[str, str]
) -> tuple[Whose, str]:
    """Whose a row is, and the service that it belongs to or is about; empty: none."""
    if row.radius:
        return "foreign", ""
    if row.dynamic:
        service = devices.get(row.mac, "")
        return ("service-device" if service else "unknown-device"), service
    tag = parse_tag(row.comment)
    if tag is None or tag.installation != installation:
        return "foreign", ""
    return ("orphan" if row.key in orphans else "ours"), tag.service_id


def _document(row: Lease, whose: Whose, service: str) -> dict[str, Any]:
    return without_empty(
        {
            "address": clean(row.address),
            "mac": clean(row.mac),
            "server": clean(row.server),
            "block": row.fields.get("block-access"),
            "whose": whose,
            "service": service,
            "kind": "radius" if row.radius else "dynamic" if row.dynamic else "static",
            "comment": clean(row.comment),
            "disabled": row.disabled or None,
        }
    )


def _by_address(row: Lease) -> tuple[bool, list[int] | str]:
    parts = row.address.split(".")
    numbers = all(part.isdecimal() for part in parts)
    return (False, [int(part) for part in parts]) if numbers else (True, row.address)
