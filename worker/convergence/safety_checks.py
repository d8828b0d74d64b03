"""What a pass makes sure of before it writes: the right router, and rows that this Redis knows.

Reads, and writes nothing to the router.
"""

from dataclasses import replace
from typing import Final

import structlog

from worker.convergence.circuit_reporter import REBUILD
from worker.convergence.full_read import read_fully
from worker.convergence.router_lock import RouterLock
from worker.core.alerting.alerts import AlertKind
from worker.core.full_read.row_owners import RowOwners, row_owners, tagged_rows
from worker.core.plan.planner import wanted_at
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
"""A router that booted so much later than it was seen to was restarted; clocks differ by less."""


def make_sure(
    store: Store, session: RouterSession, policy: RouterPolicy, lock: RouterLock, acquired: Acquired
) -> bool:
    """Refuse a router that may not be ours to write to.

    The serial is looked at in each pass; the whole table at the first contact, when the router was
    restarted, and else once a day. Where nothing is written, as the policy says `observe`, the
    table is not looked at. `acquired` is what was known of the router when it was taken.

    Returns:
        Whether the table was looked at.

    Raises:
        RouterBlocked: `serial-mismatch`, `serial-shared`, `orphans`, `rows-of-another` or
            `rebuild`: nothing was written.
        RouterUnreachable: it could not be read.
        Postponed: its table takes too long, and was read before: that is tried once an hour.
    """
    if session.serial and session.serial == acquired.serial:
        due = acquired.full_read_due
    else:
        due = admit(store, session, lock.router)
    if policy.mode == "observe":
        return False
    booted = restarted(acquired, session.uptime_s)
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
    """Tell that a router's table cannot be read whole; queries of rows go on."""
    message = f"{error.message}: raise LEASEWIRE_READ_TIMEOUT_S; until then nobody sees what is "
    store.alerts.begin(TABLE_NOT_READ, error.router, message + "changed or removed there by hand")
    log.warning("router.table_not_read", router=error.router, reason=error.message)
    return Postponed(error.message)


def restarted(acquired: Acquired, uptime_s: int | None) -> bool:
    """Whether a router's uptime went back since its table was last looked through."""
    if uptime_s is None or acquired.booted_ms is None:
        return False
    return acquired.now_ms - uptime_s * 1000 > acquired.booted_ms + _RESTART_MS


def admit(store: Store, session: RouterSession, router: str) -> bool:
    """Make sure that a router is the one of its name; returns whether its table is to be looked at.

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
                f"its serial {session.serial} is that of {others} too: one router, several names",
                "If two entries of the inventory lead to it: correct the host of one. If it has "
                f"another name now: leasewire routers rename {checks.serials_or_names[0]} "
                f"{router}. If a name is gone for good: leasewire routers retire NAME",
            )
        case "ok":
            return checks.full_read_due


def other_serial(router: str, bound: str, seen: str) -> RouterBlocked:
    """The verdict on a router that shows another serial than the one bound to its name."""
    return RouterBlocked(
        router,
        "serial-mismatch",
        f"its serial is {seen or 'not told'}, and {bound} is bound to this name",
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
    """Look through all rows: those with our tag must have records, and those we wrote be there.

    A few that are gone are marked, and so written again; many wait for a person's approval, as the
    router was reset, or another answers in its place. `compare`: so are those that differ, of a
    router that was started: it may have an older configuration back.

    Raises:
        RouterBlocked: `orphans`, `rows-of-another` or `rebuild`.
        RouterUnreachable: it could not be read.
    """
    router = lock.router
    lock.renew()
    rows = session.read_leases(None, lock.progress)
    held_in = policy.held_in(session.entries)
    placed = {
        each.record.service_id: wanted_at(router, each.record, held_in)
        for each in store.views.router_services(router, readable=True)
    }
    for service_id in placed.keys() & store.views.router_in_flight(router):
        # Its row may be one that was added and not seen yet.
        placed[service_id] = replace(placed[service_id], granted=False)
    tagged = list(tagged_rows(rows, policy.installation))
    others = sorted({each.service_id for each in tagged} - placed.keys())
    known = placed.keys() | store.records.known(others)
    found = row_owners(rows, tagged, list(placed.values()), known, policy.installation)
    if found.too_many_orphans:
        raise _orphans(router, policy.installation, found)
    now_ms = store.records.now_ms()
    if not found.many_gone and not found.many_of_others:
        store.full_reads.rebuilt(router)
    elif not store.full_reads.approved(router, now_ms):
        raise _rebuild(router, found) if found.many_gone else _of_another(router, found)
    if found.gone:
        log.warning("router.rows_gone", router=router, services=len(found.gone))
        store.routers.add_work(router, found.gone)
    if compare:
        drift = read_fully(store, session, router, held_in, lock.progress).drift
        differing = sorted({each.service_id for each in drift if each.mendable})
        if differing:
            log.warning("router.rows_differ", router=router, services=len(differing))
            store.routers.add_work(router, differing, BULK, closely=True)
    store.full_reads.rows_checked(router, now_ms, session.uptime_s)
    store.alerts.end(TABLE_NOT_READ, router, "it was read whole")


def _orphans(router: str, installation: str, found: RowOwners) -> RouterBlocked:
    names = [each.service_id for each in found.orphans]
    more = ", …" if len(names) > _NAMED else ""
    return RouterBlocked(
        router,
        "orphans",
        f"{len(names)} of {len(found.tagged)} rows with the tag of installation {installation} are "
        f"of services that this Redis does not know: {', '.join(names[:_NAMED])}{more}",
        "Make sure that this is the Redis of that installation, restored to its latest state. "
        "If it was lost, let the BSS send snapshots: services that are known again count no "
        f"more. Or remove the rows: leasewire orphans remove {router}",
    )


def _of_another(router: str, found: RowOwners) -> RouterBlocked:
    more = ", …" if len(found.of_others) > _NAMED else ""
    return RouterBlocked(
        router,
        "rows-of-another",
        f"{len(found.of_others)} services that this Redis never wrote have other rows there, with "
        f"its installation's tag: {', '.join(found.of_others[:_NAMED])}{more}",
        "Another installation may have the same id, such as a copy for tests: give one of them "
        "another installation.id. If this Redis was lost and these rows are older than what the "
        f"BSS says now: leasewire routers rebuild {router} shows what would be written",
    )


def _rebuild(router: str, found: RowOwners) -> RouterBlocked:
    return RouterBlocked(
        router,
        REBUILD,
        f"{len(found.gone)} of {found.expected} rows that were written to it are gone",
        f"If it was reset, or its hardware replaced: leasewire routers rebuild {router}. If it is "
        "to get its configuration back from a backup: do that; it is looked at now and then",
    )
