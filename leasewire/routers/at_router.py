"""Works at a router in place of a worker: no worker writes there meanwhile."""

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from leasewire.context import Context
from worker.convergence.concurrency import RouterLock
from worker.convergence.safety_checks import admit
from worker.ports import RouterSession
from worker.routeros.sessions import Sessions

_LOCK_MS: Final = 60_000


@contextmanager
def at_router(context: Context, router: str) -> Iterator[tuple[RouterSession, RouterLock]]:
    """Lock a router and open a session while the block runs; its work items are taken afterwards.

    Raises:
        RouterBlocked: it is not the router of that name, or refuses us.
        RouterUnreachable: it cannot be reached.
    """
    fleet, lock_id = context.store.fleet, secrets.token_hex(8)
    # A worker there stops at its next renewal, but may write until its lock expires.
    time.sleep(fleet.seize(router, lock_id, _LOCK_MS) / 1000)
    try:
        lock = RouterLock(context.store.routers, router, lock_id, time.monotonic)
        with closing(Sessions(context.inventory, context.settings).open(router)) as session:
            admit(context.store, session, router)
            yield session, lock
    finally:
        fleet.release(router, lock_id)
