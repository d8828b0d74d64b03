"""What a pass makes sure of before it writes: the right router, and rows that this Redis knows.

Called by `converge` each time it has a session. Reads, and writes nothing to the router.
"""

from typing import Final

from worker.convergence.hold import Hold
from worker.core.ownership import parse_tag
from worker.core.policy import RouterPolicy
from worker.errors import RouterBlocked
from worker.ports import RouterSession
from worker.store.store import Store

ORPHANS_PERCENT: Final = 10
"""More of our tagged rows without a record, and this is not the Redis that wrote them."""
_NAMED: Final = 3


def make_sure(store: Store, session: RouterSession, policy: RouterPolicy, hold: Hold) -> None:
    """Refuse a router that may not be ours to write to.

    The serial is looked at in each pass; the whole table at the first contact and then once a day.
    Where nothing is written, as the policy says `observe`, the table is not looked at.

    Raises:
        RouterBlocked: `serial-mismatch`, `serial-shared` or `orphans`: nothing was written.
        RouterUnreachable: it could not be read.
    """
    if admit(store, session, hold.router) and policy.mode != "observe":
        _survey(store, session, policy.installation, hold)


def admit(store: Store, session: RouterSession, router: str) -> bool:
    """Make sure that a router is the one of its name; returns whether its table is to be looked at.

    Raises:
        RouterBlocked: `serial-mismatch` or `serial-shared`.
    """
    admission = store.fleet.admit(router, session.serial)
    match admission.verdict:
        case "mismatch":
            raise other_serial(router, admission.serials_or_names[0], session.serial)
        case "shared":
            others = ", ".join(admission.serials_or_names)
            raise RouterBlocked(
                router,
                "serial-shared",
                f"its serial {session.serial} is that of {others} too: one router, several names",
                "If two entries of the inventory lead to it: correct the host of one. If it has "
                f"another name now: leasewire routers rename {admission.serials_or_names[0]} "
                f"{router}. If a name is gone for good: leasewire routers retire NAME",
            )
        case "ok":
            return admission.survey_due


def other_serial(router: str, bound: str, seen: str) -> RouterBlocked:
    """The verdict on a router that shows another serial than the one bound to its name."""
    return RouterBlocked(
        router,
        "serial-mismatch",
        f"its serial is {seen or 'not told'}, and {bound} is bound to this name",
        f"If the hardware was replaced: leasewire routers replace {router}. If another router "
        "answers there: correct its host in the inventory",
    )


def _survey(store: Store, session: RouterSession, installation: str, hold: Hold) -> None:
    """Look through all rows: those with our tag must have records, but for a few."""
    hold.renew()
    rows = session.read_leases(None, hold.progress)
    tags = [parse_tag(row.comment) for row in rows if not row.dynamic]
    ours = [tag.service_id for tag in tags if tag and tag.installation == installation]
    known = store.records.read(sorted(set(ours)))
    orphans = [service for service in ours if not known[service].generation]
    if len(orphans) * 100 > len(ours) * ORPHANS_PERCENT:
        more = ", …" if len(orphans) > _NAMED else ""
        raise RouterBlocked(
            hold.router,
            "orphans",
            f"{len(orphans)} of {len(ours)} rows with the tag of installation {installation} are "
            f"of services that this Redis does not know: {', '.join(orphans[:_NAMED])}{more}",
            "Make sure that this is the Redis of that installation, restored to its latest state. "
            "If it was lost, let the BSS send snapshots: services that are known again count no "
            "more. Or remove the rows on the router",
        )
    store.fleet.surveyed(hold.router, store.records.now_ms())
