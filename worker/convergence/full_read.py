"""Reads each menu of a router once, and compares it with what all its services want.

Only reads: work items, claims and rows stay as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from worker.convergence.prerequisites import missing_for
from worker.core.entry.brake import HELD
from worker.core.entry.dhcp_options import is_ours
from worker.core.entry.short_lease import describe
from worker.core.entry.wanted import kind_of
from worker.core.full_read.drift import Difference, differences, learned_clients
from worker.core.full_read.drift import describe as describe_row
from worker.core.full_read.row_owners import RowOwners, Tagged, row_owners, tagged_rows
from worker.core.plan.member import Wanted, wanted_at, with_further
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Note, Set, Waiting, WritePlan
from worker.core.rows.prefixes import ClaimKeys, claim_text
from worker.core.rows.queues import Shadow, shadows_of
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    ADDRESS_LISTS,
    ADDRESS_LISTS6,
    BINDINGS,
    OPTIONS,
    QUEUES,
    BindingRow,
    Lease,
    OptionRow,
    Row,
    RowKey,
    list_menu,
    scopes_meet,
)
from worker.ports import FieldEquals, RowReader
from worker.store.records import Stored
from worker.store.store import Store


@dataclass(frozen=True, slots=True)
class FullRead:
    """What was read, and what follows.

    Attributes:
        plan: of all services of which a row may exist on the router.
        services: how many those are.
        leases: all leases of the router.
        bindings: all its DHCPv6 bindings; empty where no service has IPv6.
        pending: services that have a work item, or are known not to be in sync.
        drift: what differs for the other services.
        to_learn: those of them whose DHCPv6 client was found: a pass makes its binding static.
        row_owners: the services that the rows belong to.
        options: our option rows that no lease of this read names.
        shadows: queues of others that take packets of ours.
        servers: DHCP servers that the services name.
        ipv6: one of them has a binding.
    """

    plan: WritePlan
    services: int
    leases: Sequence[Lease]
    bindings: Sequence[BindingRow]
    pending: frozenset[str]
    drift: Sequence[Difference]
    row_owners: RowOwners
    options: Sequence[OptionRow]
    servers: frozenset[str]
    ipv6: bool
    shadows: tuple[Shadow, ...] = ()
    to_learn: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """How many leases and bindings the router has."""
        return len(self.leases) + len(self.bindings)


def read_fully(
    store: Store,
    session: RowReader,
    router: str,
    policy: RouterPolicy,
    progress: Callable[[], None] = lambda: None,
) -> FullRead:
    """Read each menu once, and plan for every service of the router, due or not.

    Args:
        store: the store.
        session: to the router, or what it probably has.
        router: its name.
        policy: of the router, as held in the session's menu.
        progress: called between answers, so that the caller can renew its lock.

    Raises:
        RouterUnreachable, RouterBlocked: as the session does.
    """
    pending = _pending(store, router)
    stored = {found.record.service_id: found for found in store.views.router_services(router)}
    claims = store.views.router_claims(router)
    keys = ClaimKeys(claims)
    setup = session.read_setup(fresh=True)
    if any(known.record.value("ipv6") for known in stored.values()):
        session.read_ipv6_setup(fresh=True)
    braked = store.brake.held_at(router, stored.keys())
    wanted, notes = [], []
    for service_id, known in stored.items():
        service = _claimed(wanted_at(router, known.record, policy), claims, keys)
        if service.entry.fields is not None:
            entry = replace(service.entry, fields=session.renewed(service.entry.fields))
            service = replace(service, entry=entry)
        missing = service.entry.missing or missing_for(service.entry, setup, session)
        fields = service.entry.fields
        misfit = setup.misfit(service_id, fields["address"]) if fields else None
        notes += [misfit] if misfit else []
        placement = known.record.placements[router]
        if lease := describe(placement.short):
            notes.append(Note(service_id, "shortened-lease", f"lease {lease}"))
        if missing is not None:
            service = replace(service, entry=replace(service.entry, missing=missing))
        members = with_further(service, placement)
        if service_id in braked:
            held = Waiting(HELD, f"by the brake's limit of {braked[service_id].scope}")
            members = [replace(one, entry=replace(one.entry, missing=held)) for one in members]
        wanted += members
    # Options first: one that comes into use between the two reads is not judged.
    options = session.read_rows(OPTIONS, None, progress)
    leases = session.read_leases(None, progress)
    bindings = read_bindings(session, progress) if any_ipv6(wanted) else []
    rows: list[Row] = [*options, *leases, *bindings, *_listed(session, policy, wanted, progress)]
    if policy.rates == "queue" or any(_may_have_queue(known, router) for known in stored.values()):
        rows += session.read_rows(QUEUES, None, progress)
    tagged = list(tagged_rows(rows, policy.installation))
    others = store.records.read(sorted({row.service_id for row in tagged} - stored.keys()))
    unknown = frozenset(name for name, found in others.items() if not found.generation)
    with_record = stored.keys() | (others.keys() - unknown)
    made = plan(wanted, RowIndex(rows, policy.installation, unknown=unknown), policy)
    made = replace(made, notes=(*made.notes, *notes))
    counted = row_owners(rows, tagged, wanted, with_record, policy.installation)
    counted = counted._replace(orphans=_not_retagged(counted.orphans, made))
    learned = learned_clients(made, wanted)
    drift = [*differences(made, learned), *map(_duplicate, counted.left)]
    # Services that are due by now, or have another record, were written during this read.
    pending |= _pending(store, router)
    now = store.records.read(sorted({difference.service_id for difference in drift} - pending))
    then = stored | others
    settled = {name for name in now if now[name].generation == then[name].generation}
    return FullRead(
        made,
        len(stored),
        leases,
        bindings,
        pending,
        [difference for difference in drift if difference.service_id in settled],
        counted,
        _unnamed(options, leases, policy.installation),
        servers_of(wanted),
        any_ipv6(wanted),
        shadows_of(rows, policy.installation),
        learned - pending,
    )


def _not_retagged(orphans: Iterable[Tagged], made: WritePlan) -> list[Tagged]:
    """Without rows as last written for a service, of which only the tag was edited."""
    retagged = {
        RowKey(operation.menu, operation.row_id)
        for operation in made.operations
        if isinstance(operation, Set) and "comment" in operation.fields
    }
    return [orphan for orphan in orphans if orphan.row.key not in retagged]


def any_ipv6(wanted: Iterable[Wanted]) -> bool:
    """Return whether one of the services has an IPv6 binding."""
    return any(map(_has_ipv6, wanted))


def servers_of(wanted: Iterable[Wanted]) -> frozenset[str]:
    """Return the DHCP servers that the rows of services name."""
    rows = (service.entry.fields for service in wanted)
    return frozenset(fields["server"] for fields in rows if fields)


def _duplicate(left: Tagged) -> Difference:
    """A row of a service that wants nothing on this router, such as from a restored backup."""
    row = left.row
    return Difference(left.service_id, "duplicate", row.menu, "", "", describe_row(row.fields))


def _pending(store: Store, router: str) -> frozenset[str]:
    return store.views.router_queued(router) | store.views.router_waiting(router).keys()


def _may_have_queue(known: Stored, router: str) -> bool:
    placement = known.record.placements.get(router)
    return placement is not None and placement.queue is not None


def _listed(
    session: RowReader,
    policy: RouterPolicy,
    wanted: Sequence[Wanted],
    progress: Callable[[], None],
) -> Iterator[Row]:
    """Rows of the address lists that we use: others may be long."""
    if ADDRESS_LISTS not in kind_of(policy).uses:
        return
    places = {place for service in wanted for place in service.listed | service.entry.listed}
    lists = {place.list for place in places if list_menu(place) == ADDRESS_LISTS}
    lists |= {policy.suspend_list} - {""}
    if lists:
        yield from session.read_rows(ADDRESS_LISTS, _named(lists), progress)
    lists = {place.list for place in places if list_menu(place) == ADDRESS_LISTS6}
    if any_ipv6(wanted):
        lists.add(policy.ipv6_list)
    if lists:
        yield from session.read_rows(ADDRESS_LISTS6, _named(lists), progress)


def _named(lists: Iterable[str]) -> list[FieldEquals]:
    return [FieldEquals("list", name) for name in sorted(lists)]


def _has_ipv6(wanted: Wanted) -> bool:
    """Whether a binding of the service may be on the router."""
    return bool(wanted.entry.bindings or wanted.bindings)


def read_bindings(session: RowReader, progress: Callable[[], None]) -> list[BindingRow]:
    """Read all DHCPv6 bindings of a router; one without IPv6 has none."""
    if not session.read_ipv6_setup(fresh=False).has_menu:
        return []
    rows = session.read_rows(BINDINGS, None, progress)
    return [row for row in rows if isinstance(row, BindingRow)]


def _unnamed(
    options: Sequence[Row], leases: Sequence[Lease], installation: str
) -> Sequence[OptionRow]:
    named = {name for row in leases for name in row.fields.get("dhcp-option", "").split(",")}
    ours = (row for row in options if isinstance(row, OptionRow))
    return [row for row in ours if is_ours(row.option, installation) and row.option not in named]


def _claimed(
    wanted: Wanted, claims: Mapping[str, Mapping[str, tuple[str, bool]]], keys: ClaimKeys
) -> Wanted:
    """The same, but not granted where another service holds a claim (`lua/_claims.lua`)."""
    refused = [
        (key, holder)
        for claim in wanted.entry.claims
        for key in keys.met_by(claim.key)
        for scope, (holder, is_held) in claims[key].items()
        if is_held and holder != wanted.entry.service_id and scopes_meet(scope, claim.scope)
    ]
    if not refused:
        return wanted
    refused.sort(key=itemgetter(0))
    message = "; ".join(f"{claim_text(key)} is held by service {holder}" for key, holder in refused)
    return replace(wanted, granted=False, refused_because=Waiting("claim-held", message))
