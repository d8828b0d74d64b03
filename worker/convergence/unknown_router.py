"""Postpones the services of a router that no policy names, until the inventory does."""

import structlog

from worker.convergence.batch_item import bare_item
from worker.convergence.conclude import waiting
from worker.convergence.concurrency import RouterLock, TimeLimits
from worker.convergence.confirm import confirmed
from worker.core.rows.operations import Waiting
from worker.core.service.record import ServiceRecord
from worker.store.batches import Acquired
from worker.store.store import Store

log = structlog.get_logger()


def postpone_unknown(
    store: Store, lock: RouterLock, acquired: Acquired, time_limits: TimeLimits
) -> None:
    """Postpone all services, and release the router.

    Nothing was ever written to a name that was never known, such as a typing error: a service that
    does not want it any more has no row there, and is confirmed.
    """
    was_known = store.fleet.knows(lock.router)
    detail = (
        f"router {lock.router!r} is not in the inventory that the workers read: add it and send "
        "them SIGHUP, or correct the event"
    )
    why = Waiting("unknown-router", detail)
    conclusions, waits, waited_before = [], 0, 0
    for work_item in acquired.work_items:
        item = bare_item(work_item, lock.router)
        if not was_known and work_item.unread is None and _leaves_nothing(item.record, lock.router):
            conclusions.append(confirmed(item, acquired.now_ms))
        else:
            conclusions.append(waiting(item, why, acquired.now_ms, time_limits))
            waits += 1
        waited_before += work_item.before is not None
    store.routers.conclude(lock.router, lock.lock_id, conclusions)
    if waited_before < waits:  # logged when more wait than before
        log.warning("router.unknown", router=lock.router, services=waits)
    store.routers.next_batch(lock.router, lock.lock_id, 0)


def _leaves_nothing(record: ServiceRecord, router: str) -> bool:
    placement = record.placements.get(router)
    written = placement is not None and (
        placement.written is not None or placement.listed or placement.queue is not None
    )
    return record.wanted_router != router and not written
