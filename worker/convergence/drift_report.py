"""The report of a router, once an hour: what was changed there by hand.

It tells of pools that are nearly full and of a certificate that ends soon besides.

Writes nothing to the router but where its policy says `reconcile = "auto"`: then what differs is
marked, and options that nobody names any more are removed.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import structlog

from worker.convergence.full_read import FullRead, read_fully
from worker.convergence.option_collection import collect_options, find_unnamed
from worker.convergence.router_lock import RouterLock
from worker.convergence.safety_checks import TABLE_NOT_READ, postpone
from worker.core.alerting.alerts import AlertKind
from worker.core.entry.wanted import kind_of
from worker.core.policy.policy import RouterPolicy
from worker.core.policy.router_check import CERTIFICATE_WARNS_MS
from worker.core.rows.pools import pools_in_use
from worker.core.rows.rows import OPTIONS
from worker.errors import ReadTooLong
from worker.ports import RouterSession
from worker.store.full_reads import Report
from worker.store.router_admin import BULK
from worker.store.store import Store

log = structlog.get_logger()

_KEPT: Final = 500
"""Differences that a report keeps."""
_NAMED: Final = 3


def make_report(
    store: Store, session: RouterSession, policy: RouterPolicy, lock: RouterLock, every_ms: int
) -> None:
    """Read a held router fully, keep what it shows, and tell of drift.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the hold and the session do.
        Postponed: its table takes too long; a report is tried again after `every_ms`.
    """
    router, policy = lock.router, policy.held_in(session.entries)
    lock.renew()
    try:
        found = read_fully(store, session, router, policy, lock.progress)
    except ReadTooLong as error:
        store.full_reads.postpone(router, store.records.now_ms() + every_ms)
        raise postpone(store, error) from error
    store.alerts.end(TABLE_NOT_READ, router, "it was read whole")
    document = {
        "services": found.services,
        "rows": found.rows,
        "pending": len(found.pending),
        "differences": len(found.drift),
        "drift": [asdict(each) for each in found.drift[:_KEPT]],
        "orphans": len(found.row_owners.orphans),
    }
    store.full_reads.save(router, Report(store.records.now_ms(), document), every_ms)
    log.info("router.reported", router=router, drift=len(found.drift), rows=found.rows)
    if found.drift:
        store.alerts.begin("drift", router, _describe(router, found))
    else:
        store.alerts.end("drift", router, "all is as it was written")
    _check_certificate(store, session, router)
    _check_pools(store, session, lock)
    if not found.row_owners.many_gone and not found.row_owners.many_of_others:
        store.full_reads.rebuilt(router)
    auto = policy.reconcile == "auto" and policy.mode == "manage"
    mendable = sorted({each.service_id for each in found.drift if each.mendable})
    if auto and mendable:
        store.routers.add_work(router, mendable, BULK, closely=True)
    if found.options and OPTIONS in kind_of(policy).uses:
        if auto:
            collect_options(store, session, lock, policy.installation, "leasewire")
        else:
            seen = find_unnamed(store, session, router, policy.installation)
            store.memory.set_unnamed_options(router, seen.unnamed)


def _check_certificate(store: Store, session: RouterSession, router: str) -> None:
    """Sessions last an hour at the most, so this is the certificate of an hour ago or newer."""
    ends_ms, now_ms = session.certificate_ends_ms, store.records.now_ms()
    date = datetime.fromtimestamp(ends_ms / 1000, UTC).strftime("%Y-%m-%d")
    if ends_ms and ends_ms - now_ms <= CERTIFICATE_WARNS_MS:
        message = f"the certificate of router {router} {'ends' if ends_ms > now_ms else 'ended'}"
        store.alerts.begin("certificate-expiring", router, f"{message} on {date}")
    else:
        message = f"it shows one that ends on {date}" if ends_ms else "it shows none any more"
        store.alerts.end("certificate-expiring", router, message)


def _check_pools(store: Store, session: RouterSession, lock: RouterLock) -> None:
    router, pools = lock.router, session.read_pools(lock.progress)
    if pools is None:
        return
    uses = list(pools_in_use(pools))
    store.full_reads.save_pools(router, uses)
    notified = {(each.kind, each.subject) for each in store.alerts.open()}
    found: dict[tuple[AlertKind, str], str] = {}
    for use in uses:
        alert: tuple[AlertKind, str] = ("pool-nearly-full", f"{router} {use.name}")
        if use.nearly_full(notified=alert in notified):
            found[alert] = f"router {router}, {use.describe}"
    message = "less of it is in use, or no DHCP server gives from it"
    store.alerts.settle(found, {"pool-nearly-full": message}, router)


def _describe(router: str, found: FullRead) -> str:
    services = sorted({each.service_id for each in found.drift})
    more = ", …" if len(services) > _NAMED else ""
    return (
        f"{len(services)} services on router {router} are not as they were written: "
        f"{', '.join(services[:_NAMED])}{more}; see `leasewire drift {router}`"
    )
