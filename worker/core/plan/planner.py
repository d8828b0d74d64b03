"""Which writes make one router's rows match the entries. Start reading here, at `plan`.

Pure: the same entries and rows in any order give the same plan. Its `reason`, `waiting` and `notes`
are the log.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from worker.core.entry.entry import Entry, claims_of
from worker.core.entry.wanted import wanted_entries
from worker.core.plan.leases import Claimed, LeaseEnds
from worker.core.plan.list_rows import Listings
from worker.core.plan.member import Member
from worker.core.plan.own_row import OwnRow, find_own_row
from worker.core.plan.phases import Draft, Step, fields_to_free, into_phases
from worker.core.plan.shared_options import SharedOptions
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting, WritePlan
from worker.core.rows.ownership import parse_tag
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    Identity,
    Lease,
    ListedAddress,
    ListPlace,
    OptionRow,
    Row,
    RowKey,
    identity_of,
    scopes_meet,
)
from worker.core.service.record import Placement, ServiceRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """One service of the batch.

    Attributes:
        entry: what the router must hold for it.
        written: fields of its lease last written there and read back; None: none yet.
        listed: the rows of address lists that may be its own.
        granted: whether it holds all its claims; if not, nothing is written towards its entry.
        refused_because: who holds them; shown for a service that is not granted.
        sent: leases that were added for it, of which one may have landed late.
    """

    entry: Entry
    written: Mapping[str, str] | None = None
    granted: bool = True
    refused_because: Waiting | None = None
    listed: frozenset[ListPlace] = frozenset()
    sent: frozenset[Identity] = frozenset()


def wanted_at(router: str, record: ServiceRecord, policy: RouterPolicy) -> Wanted:
    """What a router is to hold for a service, and what was written there; claims are not asked."""
    entry = wanted_entries(record, {router: policy}).get(router)
    placement = record.placements.get(router, Placement(None))
    return Wanted(
        Entry(record.service_id, None) if entry is None else entry,
        written=placement.written,
        listed=placement.listed,
    )


def plan(
    wanted: Sequence[Wanted],
    rows: Sequence[Row],
    policy: RouterPolicy,
    duplicates: frozenset[RowKey] = frozenset(),
    unknown: frozenset[str] = frozenset(),
) -> WritePlan:
    """Work out the writes that make one router's rows match the entries.

    Args:
        wanted: one a service. The batch is closed (see `in_the_way`): a row of a service that is
            not in it is as foreign as anybody else's.
        rows: one read of one router, in any order: the services' rows, and all that hold a MAC,
            an address or a place in an address list that they want or had; the DHCP options that
            they need.
        policy: of that router.
        duplicates: what the plans before this one, over the same session, found to be surplus.
        unknown: services that do not exist, though rows name them (see `misnamed`).

    Returns:
        Phases of operations in the order to apply; none, with a reason, when nothing is to be
        written. The operations of a phase may be applied in any order: at every moment each MAC
        (a server) and each address stands in one static row at most, and no service that stays
        is without its row.
    """
    return _Planning(wanted, rows, policy, duplicates, unknown).result()


def in_the_way(
    wanted: Sequence[Wanted], rows: Sequence[Row], policy: RouterPolicy
) -> frozenset[str]:
    """Services of ours, not in the batch, whose rows hold what a granted entry wants.

    The caller adds them and reads their rows, until there are none: that closes the batch.
    """
    index = RowIndex(_leases(rows), policy.installation)
    listings = Listings(_listed(rows), policy, Draft())
    batch = {one.entry.service_id for one in wanted}
    theirs = {row.id for service_id in batch for row in index.tagged.get(service_id, ())}
    found = set()
    for one in wanted:
        if one.granted and one.entry.fields is not None:
            for _, row in index.holders(one.entry.fields):
                tag = None if row.id in theirs else parse_tag(row.comment)
                if tag is not None and tag.installation == policy.installation:
                    found.add(tag.service_id)
            found |= listings.holders(one.entry.listed)
    return frozenset(found - batch)


def misnamed(wanted: Sequence[Wanted], rows: Sequence[Row], policy: RouterPolicy) -> frozenset[str]:
    """Services, not in the batch, whose tag stands on a row that is as last written for another.

    Those of them that do not exist are people's edits of our comments: the caller finds out.
    """
    batch = {one.entry.service_id for one in wanted}
    written = {identity_of(one.written) for one in wanted if one.written is not None}
    listed = {place for one in wanted for place in one.listed}
    as_written = [
        *(row for row in _leases(rows) if identity_of(row.fields) in written),
        *(row for row in _listed(rows) if row.place in listed),
    ]
    tags = [parse_tag(row.comment) for row in as_written if not row.dynamic]
    return frozenset(
        tag.service_id
        for tag in tags
        if tag is not None
        and tag.installation == policy.installation
        and tag.service_id not in batch
    )


def _leases(rows: Sequence[Row]) -> list[Lease]:
    return [row for row in rows if isinstance(row, Lease)]


def _listed(rows: Sequence[Row]) -> list[ListedAddress]:
    return [row for row in rows if isinstance(row, ListedAddress)]


class _Planning:
    """One plan in the making: `result` has the steps of it in order."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        rows: Sequence[Row],
        policy: RouterPolicy,
        duplicates: frozenset[RowKey],
        unknown: frozenset[str],
    ) -> None:
        self._policy = policy
        self._index = RowIndex(_leases(rows), policy.installation, duplicates, unknown)
        self._duplicates = duplicates
        self._wanted = sorted(wanted, key=lambda one: one.entry.service_id)
        self._owners: dict[str, Member] = {}  # of their rows, by row id
        self._ended: dict[str, Step] = {}  # rows that landed late, by row id
        self._members = [self._look_up(one) for one in self._wanted]
        self._claimed: Claimed = defaultdict(list)
        self._draft = Draft()
        self._leases = LeaseEnds(self._index, policy, self._draft)
        self._listings = Listings(_listed(rows), policy, self._draft, duplicates, unknown)
        options = (row for row in rows if isinstance(row, OptionRow))
        self._options = SharedOptions(options, self._draft)

    def result(self) -> WritePlan:
        self._find_who_goes_on()
        # Who gives way to whom?
        for member in self._members:
            self._ask(member)
        self._break_rings()
        # What is written, and after what?
        for member in self._members:
            self._leases.end_on_address(member)
        for member in self._members:
            self._write(member)
        for member in self._members:
            self._wait_for_givers(member)
            self._leases.end_elsewhere(member)
        for member in self._members:
            self._listings.remove(member)
        for member in self._members:
            self._listings.add(member)
        phases = into_phases(self._draft.steps)
        return WritePlan(
            phases=phases,
            reason="writes" if phases else self._why_empty(),
            waiting={each.id: each.waiting for each in self._members if each.waiting is not None},
            notes=tuple(sorted(self._draft.notes, key=astuple)),
            duplicates=self._duplicates.union(
                [row.key for each in self._members for row in each.own.duplicates],
                self._listings.duplicates,
            ),
            listed={each.id: self._listings.own(each.id) for each in self._members},
        )

    def _find_who_goes_on(self) -> None:
        for member, wanted in zip(self._members, self._wanted, strict=True):
            self._note_what_was_found(member)
            for row in member.own.late:
                self._ended[row.id] = self._draft.step(member.remove(row))
            self._listings.look_up(member, wanted.listed)
            if wanted.granted:
                self._take_claims(member)
        for member, wanted in zip(self._members, self._wanted, strict=True):
            if member.leaves:
                self._leases.end_with_row(member, wanted.written, self._claimed)
        # Who waits for the router or for a person?
        for member in self._members:
            member.waiting = member.waiting or self._missing_prerequisite(member)

    def _why_empty(self) -> str:
        if any(each.waiting for each in self._members):
            return "waiting"
        if any(each.target is not None for each in self._members):
            return "already-current"
        return "nothing-wanted"

    def _look_up(self, wanted: Wanted) -> Member:
        own = find_own_row(wanted.entry, wanted.written, self._index, wanted.sent)
        if own.row is not None and own.row.id in self._owners:
            own = OwnRow()  # it lost its tag, and two services had it one after the other
        waiting = own.waiting or wanted.entry.missing
        if not wanted.granted and wanted.entry.fields is not None:
            unknown = Waiting("claim-held", "another service holds its MAC or its address")
            waiting = wanted.refused_because or unknown
        member = Member(wanted.entry, self._policy.installation, own, waiting)
        if own.row is not None:
            self._owners[own.row.id] = member
        return member

    def _note_what_was_found(self, member: Member) -> None:
        own, note = member.own, self._draft.note
        if own.row is not None and own.tag_lost:
            note(member.id, "tag-lost", f"{own.row.name} is as last written, but lost our tag")
        if own.row is not None and own.row.disabled:
            note(member.id, "disabled-by-hand", f"{own.row.name} was switched off by hand")
        for row in own.duplicates:
            note(member.id, "duplicate-row", f"{row.name} looks like its row too; it is left alone")
        for row in own.late:
            note(member.id, "late-row", f"{row.name} was added late, beside its own: it goes")
        for kind, detail in member.entry.notes:
            note(member.id, kind, detail)

    def _take_claims(self, member: Member) -> None:
        """The store grants a key once; should two want one here, the first of them goes on."""
        claims = sorted(claims_of(member.entry))
        for key, scope in claims:
            for other_scope, _ in self._claimed[key]:
                if scopes_meet(scope, other_scope):
                    what = key.partition(":")[0]
                    held = Waiting("claim-held", f"another service wants its {what} too")
                    member.waiting = member.waiting or held
                    return
        for key, scope in claims:
            self._claimed[key].append((scope, member.id))

    def _missing_prerequisite(self, member: Member) -> Waiting | None:
        """What stands in the way of the target and is not ours to change."""
        target = member.target
        if target is None:
            return None
        changed = self._options.missing_prerequisite(member.entry.options)
        if changed is not None or member.stands:
            return changed
        for _, row in self._index.holders(target):
            known = row.id in self._owners or row.id in self._ended
            if row is not member.row and not known:
                return self._blocked_by(row)
        return self._leases.missing_prerequisite(target)

    def _blocked_by(self, row: Lease) -> Waiting:
        tag = parse_tag(row.comment)
        if tag is not None and tag.installation == self._policy.installation:
            for each in self._members:
                if each.id == tag.service_id and each.own.waiting is not None:
                    detail = f"{row.name} may be that of another service, which waits"
                    return Waiting("row-in-the-way", detail)
        return Waiting("foreign-row", f"{row.name} is in the way and not ours to change")

    def _ask(self, member: Member) -> None:
        target = member.target
        if target is None or member.stands:
            return
        for name, row in self._index.holders(target):
            if row.id in self._ended:
                member.before.append(self._ended[row.id])
            elif row is not member.row:
                blocker = self._owners[row.id]
                if blocker.waiting is not None:  # no write of its own will free it
                    blocker.give_up(name)
                member.blocked_by.append((name, blocker))

    def _break_rings(self) -> None:
        asking = [each for each in self._members if each.blocked_by]
        blocked_by = {
            each.id: [(name, blocker.id) for name, blocker in each.blocked_by] for each in asking
        }
        by_id = {each.id: each for each in asking}  # only who asks can stand in a ring
        for service_id, names in fields_to_free(blocked_by).items():
            for name in sorted(names):
                by_id[service_id].give_up(name)

    def _write(self, member: Member) -> None:
        row, target = member.row, member.target
        held: Mapping[str, str] = {}
        first = member.before
        options = self._options.add_for(member) if target is not None else []
        if row is not None and member.freed:
            change = member.change(row, member.freed)
            member.free = self._draft.step(change)
            held, first = change.fields, [member.free, *first]
        if row is not None and member.leaves:
            member.final = self._draft.step(member.remove(row))
        elif row is not None and target is not None:
            if not member.is_current:
                change = member.change(row, target, held)
                if change.fields:
                    member.takes = member.final = self._draft.step(change, *first, *options)
        elif target is not None:
            lease = self._fitting_lease(target)
            if lease is None:
                added = self._draft.step(member.add(target), *first, *options)
                member.takes = member.final = added
            else:
                member.takes = self._draft.step(member.make_static(lease), *first)
                change = member.change(lease, target)
                member.final = self._draft.step(change, member.takes, *options)

    def _fitting_lease(self, target: Mapping[str, str]) -> Lease | None:
        for lease in self._index.dynamic_of(target["mac-address"], target["server"]):
            if lease.address == target["address"]:
                return lease
        return None

    def _wait_for_givers(self, member: Member) -> None:
        for name, blocker in member.blocked_by:
            step = blocker.free if name in blocker.freed else blocker.final
            if step is not None and member.takes is not None:
                member.takes.needs.append(step)
