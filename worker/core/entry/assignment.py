"""What a service should have of the pools of the inventory, and what it has."""

from itertools import islice
from typing import Final, NamedTuple

from worker.core.policy.address_pool import AddressPool, AddressPools
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Assigned, AssignedKind, Unassigned

MOST_FIXED: Final = 256
"""Values of a pool that one fixed prefix may cover: more belong into the pool's exclusions."""


class Need(NamedTuple):
    """A value that the service should have of a pool.

    Attributes:
        first: values to try before others: what the service has or had, and what its event asks.
        keeps: what it has until it gets another one; None: nothing.
    """

    pool: AddressPool
    first: tuple[str, ...]
    keeps: Assigned | None


def held_values(record: ServiceRecord, pools: AddressPools) -> dict[str, str]:
    """Return the values of pools that the service has: value -> pool.

    A cancelled service has none, though its record says what it had.
    """
    if record.value("lifecycle") != "on":
        return {}
    found = {held.value: held.pool for held in record.assigned.values() if held.pool}
    for kind in ("address", "prefix"):
        if kind not in record.unassigned:
            found |= fixed_values(record, kind, pools)
    return found


def fixed_values(record: ServiceRecord, kind: AssignedKind, pools: AddressPools) -> dict[str, str]:
    """Return the values of pools that a fixed address or prefix covers; one more than may be."""
    held = record.asked(kind)
    if not pools or held is None or held["mode"] != "static":
        return {}
    value = str(held["ipv4" if kind == "address" else "ipv6"])
    pool = pools.around(value)
    if pool is None:
        return {}
    return dict.fromkeys(islice(pool.overlapping(value), MOST_FIXED + 1), pool.name)


def need_of(
    record: ServiceRecord, before: ServiceRecord, kind: AssignedKind, pools: AddressPools
) -> Need | Unassigned | Assigned | None:
    """Return what a service that is not cancelled should have.

    Returns:
        A value to find; why there is none; what it keeps, as its pool is no longer known; None: it
        asks for none.
    """
    held, has = record.asked(kind), record.assigned.get(kind)
    if held is None or held["mode"] != "assigned":
        return None
    called, router = str(held["pool"]), record.router or ""
    pool = pools.serving(called, router, kind)
    if pool is None:
        if has is not None and has.pool and has.pool not in pools.pools:
            return has
        detail = f"no pool of the inventory is known as {called} on router {router or 'none'}"
        return Unassigned("", "no-pool", detail)
    named = str(held.get("ipv4" if kind == "address" else "ipv6") or "")
    of_pool = has is not None and has.pool == pool.name
    first = ([has.value] if has is not None and of_pool else []) + (
        [named] if named and pool.holds(named) else []
    )
    return Need(pool, tuple(dict.fromkeys(first)), kept(record, before, kind, pools))


def kept(
    record: ServiceRecord, before: ServiceRecord, kind: AssignedKind, pools: AddressPools
) -> Assigned | None:
    """Return what a service has on this router already: better than nothing while it waits."""
    if before.value("lifecycle") != "on" or before.router != record.router:
        return None
    if kind in record.assigned:
        return record.assigned[kind]
    value = before.address if kind == "address" else before.prefix
    held = before.asked(kind)
    if value is None or held["mode"] != "static" or kind in before.unassigned:
        return None
    pool = pools.around(value) if pools else None
    return Assigned(pool.name if pool and pool.holds(value) else "", value)
