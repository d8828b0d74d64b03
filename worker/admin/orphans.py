"""Removes orphans: rows with our tag of services that do not exist."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.convergence.concurrency import RouterLock
from worker.core.full_read.row_owners import Tagged
from worker.core.rows.operations import Remove
from worker.ports import RouterSession
from worker.store.store import Store


class Removed(NamedTuple):
    """The result: removed rows, and refused rows with the message of the router."""

    gone: Sequence[Tagged]
    refused: Sequence[tuple[Tagged, str]]


def remove_orphans(
    store: Store, session: RouterSession, lock: RouterLock, orphans: Sequence[Tagged], actor: str
) -> Removed:
    """Remove orphans, and have the router checked again if they blocked it.

    The orphans are from a read under this router lock.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: by the lock or the session.
    """
    gone: list[Tagged] = []
    refused: list[tuple[Tagged, str]] = []
    lock.renew()
    removals = [
        Remove(n, orphan.service_id, orphan.row.id, dict(orphan.row.fields), menu=orphan.row.menu)
        for n, orphan in enumerate(orphans, 1)
    ]
    for orphan, result in zip(orphans, session.write(removals, lock.progress), strict=True):
        if result.refusal is None:
            gone.append(orphan)
        else:
            refused.append((orphan, result.refusal.message))
    if gone:
        names = sorted({orphan.service_id for orphan in gone})
        detail = f"{len(gone)} rows: {', '.join(names)[:500]}"
        store.fleet.recheck(lock.router, (), "orphans_removed", detail, actor)
    return Removed(gone, refused)
