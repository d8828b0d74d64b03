"""Checks before a pass writes: that it is the right router, and that this Redis knows its rows.

Only reads from the router.
"""

from dataclasses import replace
from typing import Final

import structlog

from worker.convergence.circuit_reporter import REBUILD
from worker.convergence.concurrency import RouterLock
from worker.convergence.effect_report import report_effect
from worker.convergence.full_read import any_ipv6, read_fully, servers_of
from worker.core.alerting.alerts import AlertKind
from worker.core.full_read.row_owners import RowOwners, row_owners, tagged_rows
from worker.core.plan.member import wanted_at, with_further
from worker.core.policy.policy import RouterPolicy
from worker.errors import Postponed, ReadTooLong, RouterBlocked
from worker.ports import RouterSession
from worker.store.batches import Acquired
from worker.store.router_admin import BULK, FULL_READ_GOOD_MS
from worker.store.store import Store

log = structlog.get_logger()

_NAMED: Final = 3
TABLE_NOT_READ: Final[AlertKind] = "table-not-read"
_AGAIN_MS: Final = 3_600_000
_RESTART_MS: Final = 60_000
"""A router that booted so much later than it was known to was restarted; clocks differ by less."""


def make_sure(
    store: Store, session: RouterSession, policy: RouterPolicy, lock: RouterLock, acquired: Acquired
) -> bool:
    """Refuse a router that we may not write to.

    The serial is checked in each pass; the whole table at the first contact, after a restart of the
    router, and otherwise once a day. In observe mode nothing is written, so the table is not
    checked. `acquired` is what was known of the router when it was locked.

    Returns:
        Whether the whole table was read.

    Raises:
        RouterBlocked: `serial-mismatch`, `serial-shared`, `orphans`, `rows-of-another` or
            `rebuild`: nothing was written.
        RouterUnreachable: it could not be read.
        Postponed: its table takes too long, and was read before: it is tried once an hour.
    """
    if session.serial and session.serial == acquired.serial:
        due = acquired.full_read_due
    else:
        due = admit(store, session, lock.router)
    if policy.mode == "observe":
        return False
    booted = restarted(acquired, session)
    if not (due or booted):
        return False
    try:
        check_rows(store, session, policy, lock, compare=booted)
    except ReadTooLong as error:
        if booted or acquired.booted_ms is None:
            raise
        due_ms = store.records.now_ms() + _AGAIN_MS
        store.full_reads.rows_checked(lock.router, due_ms - FULL_READ_GOOD_MS, None)
        raise postpone(store, error) from error
    return True


def postpone(store: Store, error: ReadTooLong) -> Postponed:
    """Alert that a router's table cannot be read whole; queries of rows continue."""
    message = f"{error.message}: raise LEASEWIRE_READ_TIMEOUT_S. Until then rows that were changed "
    store.alerts.open(TABLE_NOT_READ, error.router, message + "or removed by hand are not found")
    log.warning("router.table_not_read", router=error.router, reason=error.message)
    return Postponed(error.message)


def restarted(acquired: Acquired, session: RouterSession) -> bool:
    """Whether a router was restarted since its table was last read."""
    uptime_s = session.uptime_s
    if uptime_s is None or acquired.booted_ms is None:
        return False
    return acquired.now_ms - uptime_s * 1000 > acquired.booted_ms + _RESTART_MS


def admit(store: Store, session: RouterSession, router: str) -> bool:
    """Check the router's serial; returns whether its whole table must be read.

    Raises:
        RouterBlocked: `serial-mismatch` or `serial-shared`.
    """
    checks = store.fleet.admit(router, session.serial)
    match checks.verdict:
        case "mismatch":
            raise other_serial(router, checks.serials_or_names[0], session.serial)
        case "shared":
            others = ", ".join(checks.serials_or_names)
            raise RouterBlocked(
                router,
                "serial-shared",
                f"its serial {session.serial} is also that of {others}: one router, several names",
                "If two entries of the inventory lead to it: correct the host of one. If it has "
                f"another name now: leasewire routers rename {checks.serials_or_names[0]} "
                f"{router}. If a name is gone for good: leasewire routers retire NAME",
            )
        case "ok":
            return checks.full_read_due


def other_serial(router: str, bound: str, seen: str) -> RouterBlocked:
    """The error for a router with another serial than the one bound to its name."""
    return RouterBlocked(
        router,
        "serial-mismatch",
        f"its serial is {seen or 'unknown'}, but {bound} is bound to this name",
        f"If the hardware was replaced: leasewire routers replace {router}. If another router "
        "answers there: correct its host in the inventory",
    )


def check_rows(
    store: Store,
    session: RouterSession,
    policy: RouterPolicy,
    lock: RouterLock,
    *,
    compare: bool = False,
) -> None:
    """Read all rows: those with our tag must have records, and those that we wrote must be there.

    What decides there when changes act is read too.

    A few missing rows are written again. Many wait for a person's approval: the router was reset,
    or another one answers in its place. With `compare` rows that differ are written again, too: a
    router that was restarted may have an older configuration.

    Raises:
        RouterBlocked: `orphans`, `rows-of-another` or `rebuild`.
        RouterUnreachable: it could not be read.
    """
    router = lock.router
    lock.renew()
    rows = session.read_leases(None, lock.progress)
    held_in = policy.held_in(session.entries)
    records = {
        stored.record.service_id: stored.record
        for stored in store.views.router_services(router, readable=True)
    }
    placed = {name: wanted_at(router, record, held_in) for name, record in records.items()}
    for service_id in placed.keys() & store.views.router_in_flight(router):
        # Its row may have been added and not read back yet.
        placed[service_id] = replace(placed[service_id], granted=False)
    tagged = list(tagged_rows(rows, policy.installation))
    others = sorted({row.service_id for row in tagged} - placed.keys())
    known = placed.keys() | store.records.known(others)
    members = [
        member
        for name, wanted in placed.items()
        for member in with_further(wanted, records[name].placements[router])
    ]
    found = row_owners(rows, tagged, members, known, policy.installation)
    if found.too_many_orphans:
        raise _orphans(router, policy.installation, found)
    now_ms = store.records.now_ms()
    if not found.many_gone and not found.many_of_others:
        store.full_reads.rebuilt(router)
    elif not store.full_reads.approved(router, now_ms):
        raise _rebuild(router, found) if found.many_gone else _of_another(router, found)
    if found.gone:
        log.warning("router.rows_missing", router=router, services=len(found.gone))
        store.routers.add_work(router, found.gone)
    if compare:
        drift = read_fully(store, session, router, held_in, lock.progress).drift
        differing = sorted({difference.service_id for difference in drift if difference.mendable})
        if differing:
            log.warning("router.rows_differ", router=router, services=len(differing))
            store.routers.add_work(router, differing, BULK, closely=True)
    services = placed.values()
    report_effect(store, session, held_in, lock, servers_of(services), ipv6=any_ipv6(services))
    store.full_reads.rows_checked(router, now_ms, session.uptime_s)
    store.alerts.resolve(TABLE_NOT_READ, router, "the whole table was read")


def _orphans(router: str, installation: str, found: RowOwners) -> RouterBlocked:
    names = [orphan.service_id for orphan in found.orphans]
    more = ", …" if len(names) > _NAMED else ""
    return RouterBlocked(
        router,
        "orphans",
        f"{len(names)} of {len(found.tagged)} rows with the tag of installation {installation} "
        "belong to services that this Redis does not know: "
        f"{', '.join(names[:_NAMED])}{more}",
        "Make sure that this is the Redis of that installation, restored to its latest state. If "
        "it was lost, have the BSS send snapshots: their services are known again. Or remove the "
        f"rows: leasewire orphans remove {router}",
    )


def _of_another(router: str, found: RowOwners) -> RouterBlocked:
    more = ", …" if len(found.of_others) > _NAMED else ""
    return RouterBlocked(
        router,
        "rows-of-another",
        f"{len(found.of_others)} services that this Redis never wrote have other rows there, with "
        f"the tag of its installation: {', '.join(found.of_others[:_NAMED])}{more}",
        "Another installation, such as a copy for tests, may have the same id: give one of them "
        "another installation.id. If this Redis was lost and these rows are older than what the "
        f"BSS says now: leasewire routers rebuild {router} shows what would be written",
    )


def _rebuild(router: str, found: RowOwners) -> RouterBlocked:
    return RouterBlocked(
        router,
        REBUILD,
        f"{len(found.gone)} of {found.expected} rows that were written to it are missing",
        f"If it was reset, or its hardware replaced: leasewire routers rebuild {router}. To "
        "restore its configuration from a backup, do that; the router is rechecked periodically",
    )
