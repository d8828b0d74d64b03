"""What people do about routers: undo drift, approve a rebuild; and why nothing is written yet."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from worker.convergence.full_read import FullRead
from worker.core.policy.policy import AppliedPolicy
from worker.core.storage_format import to_json
from worker.inventory import RouterConfig
from worker.store.router_admin import BULK
from worker.store.store import Store

_APPROVED: Final = ("rebuild", "rows-of-another")
"""Causes of a blocked router that an approval ends."""


def to_reconcile(read: FullRead) -> list[str]:
    """The services of which something was changed by hand that a pass puts right."""
    return sorted({drift.service_id for drift in read.drift if drift.mendable})


def reconcile(
    store: Store, router: str, services: Sequence[str], actor: str, reason: str = ""
) -> None:
    """Queue services whose rows were changed by hand; a worker puts them right."""
    detail = f"{len(services)} services differ" + (f": {reason}" if reason else "")
    store.fleet.recheck(router, services, "reconciled", detail, actor)


def to_rebuild(read: FullRead) -> list[str]:
    """The services for which something would be written."""
    return sorted({operation.service_id for operation in read.plan.operations})


def rebuild(
    store: Store, router: str, services: Sequence[str], actor: str, reason: str = ""
) -> None:
    """Approve that many lost rows are written again, and queue their services."""
    store.routers.add_work(router, services, BULK, closely=True)
    store.full_reads.approve(router, actor, store.records.now_ms(), reason)


def obstacle(store: Store, config: RouterConfig) -> str:
    """Why workers cannot write to a router even after an approval; empty: they can."""
    name = config.name
    state, applied = store.views.state(name), store.fleet.policies().get(name)
    if config.policy.mode == "observe" or (applied is not None and applied.observes):
        return f"the router is only observed: `leasewire routers manage {name}`"
    if state.state == "paused":
        return f"the router is paused ({state.message}): `leasewire routers resume {name}`"
    if applied is not None and applied.digest != AppliedPolicy.of(config.policy).digest:
        return f"its policy was not applied yet: `leasewire routers apply {name}`"
    if state.state == "blocked" and state.cause not in _APPROVED:
        return f"the router is blocked ({state.cause}): `leasewire routers check {name}`"
    if not any(worker.startswith("routers@") for worker in store.heartbeats.workers()):
        return "no worker that writes to routers is running: start `leasewire worker`"
    return ""


def plan_digest(read: FullRead, serial: str) -> str:
    """A digest of what would be written, and to which router, by its serial number.

    Work that is pending is left out: it is written in any case, and changes with each event.
    """
    writes = [
        [
            type(operation).__name__,
            operation.service_id,
            operation.menu,
            sorted(getattr(operation, "fields", {}).items()),
            sorted(getattr(operation, "was", {}).items()),
        ]
        for operation in read.plan.operations
        if operation.service_id not in read.pending
    ]
    return _digest([serial, sorted(writes)])


def drift_digest(read: FullRead, serial: str) -> str:
    """A digest of what would be put right, and on which router; see `plan_digest`."""
    mendable = [asdict(difference) for difference in read.drift if difference.mendable]
    return _digest([serial, mendable])


def _digest(value: object) -> str:
    return hashlib.sha256(to_json(value).encode()).hexdigest()[:16]
