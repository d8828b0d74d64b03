"""One read of each menu of a router, and what it says of all its services at once.

Reads the store and the router; marks, claims and rows stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from worker.convergence.prerequisites import missing_for
from worker.core.entry.brake import HELD
from worker.core.entry.dhcp_options import is_ours
from worker.core.entry.entry import claims_of
from worker.core.entry.wanted import kind_of
from worker.core.full_read.drift import Difference, describe, differences
from worker.core.full_read.row_owners import RowOwners, Tagged, row_owners, tagged_rows
from worker.core.plan.planner import Wanted, plan, wanted_at
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting, WritePlan
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import ADDRESS_LISTS, OPTIONS, Lease, OptionRow, Row, scopes_meet
from worker.ports import RouterSession, Term
from worker.store.store import Store


@dataclass(frozen=True, slots=True)
class FullRead:
    """What was read, and what follows.

    Attributes:
        plan: of all services of which a row may exist on the router.
        services: how many those are.
        rows: how many leases the router has.
        pending: services that are to be looked at anyway, or are known not to be in sync.
        drift: what differs of the others.
        row_owners: whose rows there are.
        options: our option rows that no lease of this read names.
    """

    plan: WritePlan
    services: int
    rows: int
    pending: frozenset[str]
    drift: Sequence[Difference]
    row_owners: RowOwners
    options: Sequence[OptionRow]


def read_fully(
    store: Store,
    session: RouterSession,
    router: str,
    policy: RouterPolicy,
    progress: Callable[[], None] = lambda: None,
) -> FullRead:
    """Read each menu once, and plan for every service of the router, marked or not.

    Args:
        store: the store.
        session: to the router.
        router: its name.
        policy: of the router, as held in the session's menu.
        progress: called between answers, so that a caller can renew its lease.

    Raises:
        RouterUnreachable, RouterBlocked: as the session does.
    """
    pending = _pending(store, router)
    stored = {each.record.service_id: each for each in store.views.router_services(router)}
    claims = store.views.router_claims(router)
    setup = session.read_setup(fresh=True)
    braked = store.brake.held_at(router, stored.keys())
    wanted, misfits = [], []
    for service_id, each in stored.items():
        one = _claimed(wanted_at(router, each.record, policy), claims)
        missing = one.entry.missing or missing_for(one.entry, setup, session)
        fields = one.entry.fields
        misfit = setup.misfit(service_id, fields["address"]) if fields else None
        misfits += [misfit] if misfit else []
        if service_id in braked:
            missing = Waiting(HELD, f"by the limit of {braked[service_id].scope}")
        if missing is not None:
            one = replace(one, entry=replace(one.entry, missing=missing))
        wanted.append(one)
    # Options first: one that comes to be named between the two reads is not looked for.
    options = session.read_rows(OPTIONS, None, progress)
    leases = session.read_leases(None, progress)
    rows: list[Row] = [*options, *leases, *_listed(session, policy, wanted, progress)]
    tagged = list(tagged_rows(rows, policy.installation))
    others = store.records.read(sorted({each.service_id for each in tagged} - stored.keys()))
    known = stored.keys() | {name for name, each in others.items() if each.generation}
    unknown = frozenset(name for name, each in others.items() if not each.generation)
    made = plan(wanted, RowIndex(rows, policy.installation, unknown=unknown), policy)
    made = replace(made, notes=(*made.notes, *misfits))
    counted = row_owners(rows, tagged, wanted, known, policy.installation)
    found = [*differences(made), *map(_duplicates, counted.left)]
    # Whoever is marked by now, or has another record, was written while this read.
    pending |= _pending(store, router)
    now = store.records.read(sorted({each.service_id for each in found} - pending))
    then = stored | others
    settled = {name for name in now if now[name].generation == then[name].generation}
    return FullRead(
        made,
        len(stored),
        len(leases),
        pending,
        [each for each in found if each.service_id in settled],
        counted,
        _unnamed(options, leases, policy.installation),
    )


def _duplicates(left: Tagged) -> Difference:
    """A row of a service that has nothing on this router: as a restored backup brings it back."""
    row = left.row
    return Difference(left.service_id, "duplicate", row.menu, "", "", describe(row.fields))


def _pending(store: Store, router: str) -> frozenset[str]:
    return store.views.router_queued(router) | store.views.router_waiting(router).keys()


def _listed(
    session: RouterSession,
    policy: RouterPolicy,
    wanted: Sequence[Wanted],
    progress: Callable[[], None],
) -> Iterator[Row]:
    """Of address lists, which may be long, only ours; nothing where there are none."""
    lists = {place.list for one in wanted for place in one.listed | one.entry.listed}
    lists |= {policy.suspend_list} - {""}
    terms = [Term("list", each) for each in sorted(lists)]
    if terms and ADDRESS_LISTS in kind_of(policy).uses:
        yield from session.read_rows(ADDRESS_LISTS, terms, progress)


def _unnamed(
    options: Sequence[Row], leases: Sequence[Lease], installation: str
) -> Sequence[OptionRow]:
    named = {name for row in leases for name in row.fields.get("dhcp-option", "").split(",")}
    ours = (row for row in options if isinstance(row, OptionRow))
    return [row for row in ours if is_ours(row.option, installation) and row.option not in named]


def _claimed(one: Wanted, claims: Mapping[str, Mapping[str, tuple[str, bool]]]) -> Wanted:
    """The same, but not granted where others hold so strongly that it must wait.

    See `store/lua/_claims.lua`.
    """
    refused = [
        (claim.key, holder)
        for claim in claims_of(one.entry)
        for scope, (holder, is_held) in claims.get(claim.key, {}).items()
        if is_held and holder != one.entry.service_id and scopes_meet(scope, claim.scope)
    ]
    if not refused:
        return one
    refused.sort(key=itemgetter(0))
    message = "; ".join(f"{key} is held by service {holder}" for key, holder in refused)
    return replace(one, granted=False, refused_because=Waiting("claim-held", message))
