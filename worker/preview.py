"""What a pass would write to a router if it looked at all of its services now.

Called by `leasewire plan`. Reads the store and the router; marks, claims and rows stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.core.entry import Claim, Entry, claims_of, scopes_meet, wanted_entries
from worker.core.operations import Plan, Waiting
from worker.core.planner import Wanted, plan
from worker.core.policy import RouterPolicy
from worker.core.record import ServiceRecord
from worker.ports import RouterSession
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
    rows = session.read_leases(None, lambda: None)
    records = [each.record for each in store.views.router_services(router)]
    claims = store.views.router_claims(router)
    wanted = [_wanted(record, router, policy, claims) for record in records]
    return Preview(plan(wanted, rows, policy), len(records), len(rows))


def _wanted(
    record: ServiceRecord,
    router: str,
    policy: RouterPolicy,
    claims: Mapping[str, Mapping[str, tuple[str, bool]]],
) -> Wanted:
    entries = wanted_entries(record, {router: policy})
    entry = entries.get(router, Entry(record.service_id, None))
    placement = record.placements.get(router)
    refused = [
        f"{claim.key} is held by service {holder}"
        for claim in sorted(claims_of(entry))
        for holder in _others(claim, record.service_id, claims)
    ]
    return Wanted(
        entry,
        written=placement.written if placement else None,
        granted=not refused,
        refused_because=Waiting("claim-held", "; ".join(refused)) if refused else None,
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
