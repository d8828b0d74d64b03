"""What a pass would write to a router if it looked at all of its services now.

Called by `leasewire plan`. Reads the store and the router; marks, claims and rows stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from worker.convergence.shortcomings import lacking
from worker.core.entry import Claim, Entry, claims_of, scopes_meet, wanted_entries
from worker.core.operations import Plan, Waiting
from worker.core.planner import Wanted, plan
from worker.core.policy import RouterPolicy
from worker.core.record import Placement, ServiceRecord
from worker.core.rows import ADDRESS_LISTS, OPTIONS, MenuPath, Row
from worker.ports import RouterSession, Term
from worker.store.store import Store


@dataclass(frozen=True, slots=True)
class Preview:
    """What was planned, and from how much.

    Attributes:
        plan: of all services of which a row may exist on the router.
        services: how many those are.
        rows: how many rows the router has.
    """

    plan: Plan
    services: int
    rows: int


def preview(store: Store, session: RouterSession, router: str, policy: RouterPolicy) -> Preview:
    """Plan for every service of a router, marked or not, from its whole table."""
    records = [each.record for each in store.views.router_services(router)]
    claims = store.views.router_claims(router)
    setup = session.read_setup(fresh=True)
    wanted = []
    for record in records:
        one = _wanted(record, router, policy, claims)
        hindered = one.entry.hindered or lacking(one.entry, setup, session)
        wanted.append(replace(one, entry=replace(one.entry, hindered=hindered)))
    leases = session.read_leases(None, lambda: None)
    rows = [*leases, *_rows_beside(session, wanted)]
    return Preview(plan(wanted, rows, policy), len(records), len(leases))


def _rows_beside(session: RouterSession, wanted: Sequence[Wanted]) -> Iterator[Row]:
    """Of address lists, which may be long, only ours; nothing where no service needs it."""
    lists = {place.list for one in wanted for place in one.listed | one.entry.listed}
    names = {name for one in wanted for name in one.entry.options}
    beside: dict[MenuPath, list[Term]] = {
        ADDRESS_LISTS: [Term("list", each) for each in sorted(lists)],
        OPTIONS: [Term("name", each) for each in sorted(names)],
    }
    for menu, terms in beside.items():
        if terms:
            yield from session.read_rows(menu, terms, lambda: None)


def _wanted(
    record: ServiceRecord,
    router: str,
    policy: RouterPolicy,
    claims: Mapping[str, Mapping[str, tuple[str, bool]]],
) -> Wanted:
    entries = wanted_entries(record, {router: policy})
    entry = entries.get(router, Entry(record.service_id, None))
    placement = record.placements.get(router, Placement(None))
    refused = [
        f"{claim.key} is held by service {holder}"
        for claim in sorted(claims_of(entry))
        for holder in _others(claim, record.service_id, claims)
    ]
    return Wanted(
        entry,
        written=placement.written,
        granted=not refused,
        refused_because=Waiting("claim-held", "; ".join(refused)) if refused else None,
        listed=placement.listed,
    )


def _others(
    claim: Claim, service_id: str, claims: Mapping[str, Mapping[str, tuple[str, bool]]]
) -> list[str]:
    """Who holds a claim so strongly that the service must wait (`store/lua/_claims.lua`)."""
    return [
        holder
        for scope, (holder, strong) in claims.get(claim.key, {}).items()
        if strong and holder != service_id and scopes_meet(scope, claim.scope)
    ]
