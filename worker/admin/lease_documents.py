"""The lease table of a router, and whose each row is: the same for command and console."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from worker.admin.json_fields import clean, without_empty
from worker.core.full_read.row_owners import tagged_rows
from worker.core.rows.rows import Lease, parse_tag
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


class Owner(NamedTuple):
    """Whose a row is, and the service that it belongs to or is about; empty: none."""

    whose: Whose
    service: str = ""


def orphans_of(store: Store, leases: Sequence[Lease], installation: str) -> dict[str, Owner]:
    """The rows with our tag whose service has no record."""
    tagged = list(tagged_rows(leases, installation))
    known = store.records.known(sorted({row.service_id for row in tagged}))
    return {
        tag.row.id: Owner("orphan", tag.service_id) for tag in tagged if tag.service_id not in known
    }


def lease_documents(
    store: Store,
    router: str,
    leases: Sequence[Lease],
    installation: str,
    owners: Mapping[str, Owner],
) -> list[dict[str, Any]]:
    """The rows of a lease table by address, each with whose it is.

    Args:
        store: knows which service has a MAC on this router.
        router: its name.
        leases: of one read.
        installation: ours.
        owners: of the rows, by id, whose tag does not say it.
    """
    devices = _devices(store, router, [row.mac for row in leases if row.dynamic])
    return [
        _document(row, owners.get(row.id) or _owner(row, installation, devices))
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


def _owner(row: Lease, installation: str, devices: Mapping[str, str]) -> Owner:
    if row.radius:
        return Owner("foreign")
    if row.dynamic:
        service = devices.get(row.mac, "")
        return Owner("service-device" if service else "unknown-device", service)
    tag = parse_tag(row.comment)
    if tag is None or tag.installation != installation:
        return Owner("foreign")
    return Owner("ours", tag.service_id)


def _document(row: Lease, owner: Owner) -> dict[str, Any]:
    return without_empty(
        {
            "address": clean(row.address),
            "mac": clean(row.mac),
            "server": clean(row.server),
            "block": row.fields.get("block-access"),
            "whose": owner.whose,
            "service": owner.service,
            "kind": "radius" if row.radius else "dynamic" if row.dynamic else "static",
            "comment": clean(row.comment),
            "disabled": row.disabled or None,
        }
    )


def _by_address(row: Lease) -> tuple[bool, list[int] | str]:
    parts = row.address.split(".")
    numbers = all(part.isdecimal() for part in parts)
    return (False, [int(part) for part in parts]) if numbers else (True, row.address)
