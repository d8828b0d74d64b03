"""The report of a router, once an hour: what was changed there by hand. Called by `converge`.

Writes nothing to the router but where its policy says `reconcile = "auto"`: then what differs is
marked, and options that nobody names any more are removed.
"""

from dataclasses import asdict
from typing import Final

import structlog

from worker.convergence.full_read import FullRead, read_fully
from worker.convergence.hold import Hold
from worker.convergence.option_collection import collect_options, look_for_unnamed
from worker.core.policy import RouterPolicy
from worker.ports import RouterSession
from worker.store.fleet import BULK
from worker.store.full_reads import Report
from worker.store.store import Store

log = structlog.get_logger()

_KEPT: Final = 500
"""Differences that a report keeps."""
_NAMED: Final = 3


def make_report(
    store: Store, session: RouterSession, policy: RouterPolicy, hold: Hold, every_ms: int
) -> None:
    """Read a held router fully, keep what it shows, and tell of drift.

    Raises:
        LeaseLost, RouterUnreachable, RouterBlocked: as the hold and the session do.
    """
    router, policy = hold.router, policy.held_in(session.entries)
    hold.renew()
    found = read_fully(store, session, router, policy, hold.progress)
    document = {
        "services": found.services,
        "rows": found.rows,
        "pending": len(found.pending),
        "differences": len(found.drift),
        "drift": [asdict(each) for each in found.drift[:_KEPT]],
        "orphans": len(found.census.orphans),
    }
    store.full_reads.save(router, Report(store.records.now_ms(), document), every_ms)
    log.info("router.reported", router=router, drift=len(found.drift), rows=found.rows)
    if found.drift:
        store.alerts.begin("drift", router, _in_words(router, found))
    else:
        store.alerts.end("drift", router, "all is as it was written")
    if not found.census.many_gone:
        store.full_reads.rebuilt(router)
    auto = policy.reconcile == "auto" and policy.mode == "manage"
    mendable = sorted({each.service_id for each in found.drift if each.mendable})
    if auto and mendable:
        store.routers.mark(router, mendable, BULK)
    if found.options and session.entries == "lease":
        if auto:
            collect_options(store, session, hold, policy.installation, "leasewire")
        else:
            seen = look_for_unnamed(store, session, router, policy.installation)
            store.troubles.set_unnamed_options(router, seen.unnamed)


def _in_words(router: str, found: FullRead) -> str:
    services = sorted({each.service_id for each in found.drift})
    more = ", …" if len(services) > _NAMED else ""
    return (
        f"{len(services)} services on router {router} are not as they were written: "
        f"{', '.join(services[:_NAMED])}{more}; see `leasewire drift {router}`"
    )
