"""Removes rows with our tag of unknown services."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.convergence.router_lock import RouterLock
from worker.core.full_read.row_owners import Tagged
from worker.core.rows.operations import Remove
from worker.ports import RouterSession
from worker.store.store import Store


class Removed(NamedTuple):
    """What was done: rows that are gone, and rows that were refused with the router's words."""

    gone: Sequence[Tagged]
    refused: Sequence[tuple[Tagged, str]]


def remove_orphans(
    store: Store, session: RouterSession, lock: RouterLock, orphans: Sequence[Tagged], actor: str
) -> Removed:
    """Remove orphans, and have the router looked at anew, should they have blocked it.

    Args:
        store: the store.
        session: to the router.
        lock: its lease.
        orphans: of a read under this lease.
        actor: who wants it.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the hold and the session do.
    """
    gone: list[Tagged] = []
    refused: list[tuple[Tagged, str]] = []
    lock.renew()
    removals = [
        Remove(n, each.service_id, each.row.id, dict(each.row.fields), menu=each.row.menu)
        for n, each in enumerate(orphans, 1)
    ]
    for each, result in zip(orphans, session.write(removals, lock.progress), strict=True):
        if result.refusal is None:
            gone.append(each)
        else:
            refused.append((each, result.refusal.message))
    if gone:
        names = sorted({each.service_id for each in gone})
        detail = f"{len(gone)} rows: {', '.join(names)[:500]}"
        store.fleet.recheck(lock.router, (), "remove-orphans", detail, actor)
    return Removed(gone, refused)
