"""Makes the hourly report of a router: what was changed there by hand.

It also alerts on what keeps changes from acting, on pools that are nearly full and on a certificate
that ends soon.

Only with `reconcile = "auto"` in the router's policy it causes writes: services that differ become
due, and options that nothing uses any more are removed.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import structlog

from worker.convergence.concurrency import RouterLock
from worker.convergence.effect_report import report_effect
from worker.convergence.full_read import FullRead, read_fully
from worker.convergence.option_collection import collect_options, find_unnamed
from worker.convergence.pool_rows import note_rows
from worker.convergence.safety_checks import TABLE_NOT_READ, postpone
from worker.core.alerting.alerts import AlertKind
from worker.core.entry.wanted import kind_of
from worker.core.policy.address_pool import AddressPools
from worker.core.policy.policy import RouterPolicy
from worker.core.policy.router_check import CERTIFICATE_WARNS_MS
from worker.core.rows.pools import pools_in_use
from worker.core.rows.rows import OPTIONS
from worker.core.storage_format import UnknownFormatError
from worker.errors import LeasewireError, ReadTooLong
from worker.ports import RouterSession
from worker.store.full_reads import FullReadReport
from worker.store.router_admin import BULK
from worker.store.store import Store

log = structlog.get_logger()

_KEPT: Final = 500
"""Differences that a report keeps."""
_NAMED: Final = 3


def try_report(router: str, make: Callable[[], None]) -> bool:
    """Make the report of a router; False when that fails by a bug: the services go on.

    Raises:
        LeasewireError: as `make_report`, called by `make`: the session ended, or it is put off.
    """
    try:
        make()
    except UnknownFormatError as error:  # a newer worker makes it
        log.warning("router.left_to_newer_worker", router=router, reason=str(error))
    except LeasewireError:
        raise
    except Exception:
        log.exception("report.failed", router=router, advice="a bug: please report this")
        return False
    return True


def make_report(  # noqa: PLR0913, PLR0917 - what it works with
    store: Store,
    session: RouterSession,
    policy: RouterPolicy,
    lock: RouterLock,
    every_ms: int,
    pools: AddressPools,
) -> None:
    """Read a locked router fully, store the report, and alert on drift.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the lock and the session do.
        Postponed: its table takes too long; a report is tried again after `every_ms`.
    """
    router, policy = lock.router, policy.held_in(session.entries)
    lock.renew()
    try:
        found = read_fully(store, session, router, policy, lock.progress)
    except ReadTooLong as error:
        store.full_reads.postpone(router, store.records.now_ms() + every_ms)
        raise postpone(store, error) from error
    store.alerts.resolve(TABLE_NOT_READ, router, "the whole table was read")
    # Before the report is kept: a worker that dies in between makes it again, not in an hour.
    auto = policy.reconcile == "auto" and policy.mode == "manage"
    due = set(found.to_learn) if policy.mode == "manage" else set()
    if auto:
        due |= {drift.service_id for drift in found.drift if drift.mendable}
    if due:
        store.routers.add_work(router, sorted(due), BULK, closely=True)
    document = {
        "services": found.services,
        "rows": found.rows,
        "pending": len(found.pending),
        "differences": len(found.drift),
        "drift": [asdict(difference) for difference in found.drift[:_KEPT]],
        "orphans": len(found.row_owners.orphans),
    }
    store.full_reads.save(router, FullReadReport(store.records.now_ms(), document), every_ms)
    log.info("router.reported", router=router, drift=len(found.drift), rows=found.rows)
    if found.drift:
        store.alerts.open("drift", router, _describe(router, found))
    else:
        store.alerts.resolve("drift", router, "all rows are as they were written")
    report_effect(
        store, session, policy, lock, found.servers, ipv6=found.ipv6, shadows=found.shadows
    )
    _check_certificate(store, session, router)
    _check_pools(store, session, lock)
    note_rows(store, session, lock, pools, found.leases)
    if not found.row_owners.many_gone and not found.row_owners.many_of_others:
        store.full_reads.rebuilt(router)
    if found.options and OPTIONS in kind_of(policy).uses:
        if auto:
            collect_options(store, session, lock, policy.installation, "leasewire")
        else:
            seen = find_unnamed(store, session, router, policy.installation)
            store.memory.set_unnamed_options(router, seen.unnamed)


def _check_certificate(store: Store, session: RouterSession, router: str) -> None:
    """Alert on a certificate that ends soon; a session's certificate is at most an hour old."""
    ends_ms, now_ms = session.certificate_ends_ms, store.records.now_ms()
    date = datetime.fromtimestamp(ends_ms / 1000, UTC).strftime("%Y-%m-%d")
    if ends_ms and ends_ms - now_ms <= CERTIFICATE_WARNS_MS:
        message = f"the certificate of router {router} {'ends' if ends_ms > now_ms else 'ended'}"
        store.alerts.open("certificate-expiring", router, f"{message} on {date}")
    else:
        message = f"its certificate ends on {date}" if ends_ms else "it has no certificate any more"
        store.alerts.resolve("certificate-expiring", router, message)


def _check_pools(store: Store, session: RouterSession, lock: RouterLock) -> None:
    router, pools = lock.router, session.read_pools(lock.progress)
    if pools is None:
        return
    uses = list(pools_in_use(pools))
    store.full_reads.save_pools(router, uses)
    notified = {(alert.kind, alert.subject) for alert in store.alerts.all_open()}
    found: dict[tuple[AlertKind, str], str] = {}
    for use in uses:
        key: tuple[AlertKind, str] = ("pool-nearly-full", f"{router} {use.name}")
        if use.nearly_full(notified=key in notified):
            found[key] = f"router {router}, {use.describe}"
    message = "less of it is in use, or no DHCP server uses it"
    store.alerts.settle(found, {"pool-nearly-full": message}, router)


def _describe(router: str, found: FullRead) -> str:
    services = sorted({difference.service_id for difference in found.drift})
    more = ", …" if len(services) > _NAMED else ""
    return (
        f"{len(services)} services on router {router} differ from what was written: "
        f"{', '.join(services[:_NAMED])}{more}; see `leasewire drift {router}`"
    )
