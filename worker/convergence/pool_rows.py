"""What rows on routers mean for the pools of the inventory: addresses in use by others."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import structlog

from worker.convergence.batch_item import BatchItem
from worker.convergence.concurrency import RouterLock
from worker.core.entry.assignment import MOST_FIXED
from worker.core.policy.address_pool import AddressPools
from worker.core.rows.operations import Waiting
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import BINDINGS, BindingRow, Lease, Row, is_host_address
from worker.ports import RouterSession
from worker.store.store import Store

log = structlog.get_logger()

_OF_ROUTER: Final = "address-of-router"
KEPT_MS: Final = 2 * 86_400_000
"""So long a value in a row of others is not assigned; each report of its router renews it."""


def give_others(
    store: Store, waiting: Sequence[tuple[BatchItem, Waiting]], index: RowIndex | None = None
) -> None:
    """Let services have other values of their pools where rows of others have theirs.

    Only a service that never had its value there gets another one.

    Args:
        store: the store.
        waiting: the services that wait, and why.
        index: the rows of the round; None: none were read.
    """
    for item, why in waiting:
        for kind, given in item.record.assigned.items():
            in_the_way = _has_address if kind == "address" else _has_prefix
            if not given.pool or not in_the_way(item, given.value, why, index):
                continue
            until_ms = store.records.now_ms() + KEPT_MS
            if store.pools.lose(given.value, given.pool, item.service_id, until_ms):
                log.warning(
                    "address.in_use",
                    service_id=item.service_id,
                    router=item.router,
                    address=given.value,
                    reason=why.detail,
                    advice="another address of the pool is assigned",
                )


def _has_address(item: BatchItem, value: str, why: Waiting, index: RowIndex | None) -> bool:
    """Whether others have an address that the service never had."""
    identity = item.entry.identity
    if identity is None or identity.address != value:
        return False
    if item.at.written is not None and item.at.written["address"] == value:
        return False
    if why.reason == _OF_ROUTER:
        return why.detail.startswith(f"{value} ")
    # a row with its MAC too says nothing of the address
    rows = () if index is None else index.holders(identity)
    names = {name for name, row in rows if index and index.names_no_service(row)}
    return names == {"address"}


def _has_prefix(item: BatchItem, value: str, why: Waiting, index: RowIndex | None) -> bool:
    """Whether others have a prefix, or a part of it, that the service never had."""
    if all(binding.address != value for binding in item.entry.bindings):
        return False
    if any(at.address == value and at.is_known for at in item.at.bindings):
        return False
    if why.reason == _OF_ROUTER:
        return f" in {value} is " in why.detail
    rows = () if index is None else index.bindings.overlapping(value)
    return any(index and not row.dynamic and index.names_no_service(row) for row in rows)


def note_rows(
    store: Store,
    session: RouterSession,
    lock: RouterLock,
    pools: AddressPools,
    leases: Sequence[Lease],
) -> None:
    """Keep values of pools from services that rows of others on a router have.

    Called with each full read: so a pool is known to be right again after a restore.

    Args:
        store: the store.
        session: to the router.
        lock: on it.
        pools: of the inventory.
        leases: all of the router.
    """
    serving = [pool for pool in pools.pools.values() if pool.serves(lock.router)]
    if not serving:
        return
    rows: list[Row] = [*leases]
    has_prefixes = any(pool.kind == "prefix" for pool in serving)
    if has_prefixes and session.read_ipv6_setup(fresh=False).has_menu:
        rows += session.read_rows(BINDINGS, None, lock.progress)
    # The script leaves all as it is that services have, or had lately.
    store.pools.note(dict(_values(rows, pools)), store.records.now_ms() + KEPT_MS)
    store.pools.was_read(lock.router)


def _values(rows: Iterable[Row], pools: AddressPools) -> Iterator[tuple[str, str]]:
    """The values of pools that static rows cover, each with its pool."""
    for row in rows:
        if row.dynamic or not isinstance(row, Lease | BindingRow):
            continue
        is_value = isinstance(row, BindingRow) or is_host_address(row.address)
        pool = pools.around(row.address) if is_value else None
        if pool is not None:
            covered = islice(pool.overlapping(row.address), MOST_FIXED)
            yield from ((value, pool.name) for value in covered)
