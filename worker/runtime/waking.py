"""What a worker does for its inventory: it tells of it, and wakes who waited for a router of it."""

from collections.abc import Callable, Iterable

import structlog

from worker.store.store import Store

log = structlog.get_logger()

_AT_ONCE = 200
"""Services of one script call: a larger one would hold up everybody's Redis."""


def arriving(store: Store, worker: str, routers: Iterable[str]) -> Callable[[], None]:
    """What to call each second, of a worker that read its inventory just now.

    Args:
        store: the store.
        worker: its name.
        routers: those that it works with; who waited for them is woken once.
    """
    read_ms, to_wake = store.records.now_ms(), list(routers)

    def tell() -> None:
        while to_wake:
            wake_unknown(store, to_wake[-1:])
            to_wake.pop()
        store.views.save_inventory(worker, read_ms)

    return tell


def wake_unknown(store: Store, routers: Iterable[str]) -> int:
    """Mark those that wait as `unknown-router` at one of these routers; returns how many."""
    woken = 0
    for router in routers:
        waiting = store.views.router_waiting(router).items()
        services = [service for service, why in waiting if why["reason"] == "unknown-router"]
        for at in range(0, len(services), _AT_ONCE):
            store.routers.work_item(router, services[at : at + _AT_ONCE])
        if services:
            log.info("router.known_now", router=router, services=len(services))
        woken += len(services)
    return woken
