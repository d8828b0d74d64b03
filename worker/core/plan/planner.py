"""Works out the writes that make one router's rows match the entries. Start reading at `plan`.

Pure: the same entries and rows in any order give the same plan. Its `reason`, `waiting` and `notes`
are the log.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple
from functools import cached_property
from itertools import chain

from worker.core.plan.leases import Claimed, LeaseEnds
from worker.core.plan.list_rows import ListRows, SharedOptions
from worker.core.plan.member import Member, OwnRow, Wanted, find_own_row, no_more_wanted
from worker.core.plan.own_bindings import OwnBindings, bindings_in_the_way
from worker.core.plan.own_queues import OwnQueues
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import (
    PlanDraft,
    Step,
    Waiting,
    WritePlan,
    fields_to_free,
    for_device,
    into_phases,
)
from worker.core.rows.prefixes import PREFIX_KEY, ClaimKeys
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import BindingRow, Lease, ListedAddress, Row, device_field, scopes_meet


def plan(wanted: Sequence[Wanted], index: RowIndex, policy: RouterPolicy) -> WritePlan:
    """Work out the writes that make one router's rows match the entries.

    Args:
        wanted: one for each service, and for each further device of one. The batch is closed (see
            `in_the_way`): a row of a service that is not in it is as foreign as any other.
        index: one read of one router: the services' rows, all rows that hold a MAC, an address or
            a place in an address list that they want or had, and the DHCP options that they need.
            Its `duplicates` are those that earlier plans of the same session found.
        policy: of that router.

    Returns:
        Phases of operations in the order to apply; none, with a reason, when nothing has to be
        written. The operations of a phase may be applied in any order: at every moment each MAC
        (of a server) and each address stands in at most one static row, and no service that stays
        is without its row, nor without a limit where it had one and has one.
    """
    return _Planning(wanted, index, policy).result()


def in_the_way(wanted: Sequence[Wanted], index: RowIndex) -> frozenset[str]:
    """Services of ours, not in the batch, whose rows hold what a granted entry wants.

    The caller adds them and reads their rows until there are none: that closes the batch.
    """
    found: set[str | None] = set()
    for service in wanted:
        if service.granted and service.entry.identity is not None:
            holders: list[Row] = [row for _, row in index.holders(service.entry.identity)]
            listed = (index.listed.get(place) for place in service.entry.listed)
            holders += [row for row in listed if row is not None and not row.dynamic]
            if service.entry.bindings:
                holders += bindings_in_the_way(service.entry.bindings, index)
            found |= {index.service_of(row) for row in holders}
    return _not_in_batch(found, wanted)


def misnamed(wanted: Sequence[Wanted], index: RowIndex) -> frozenset[str]:
    """Services, not in the batch, whose tag stands on a row that is as last written for another.

    Those that do not exist are tags that people edited: the caller finds out.
    """
    named = _not_in_batch(index.named, wanted)
    if not named:
        return named
    written = {service.written_identity for service in wanted}
    listed = {place for service in wanted for place in service.listed}
    bindings = {binding.place for service in wanted for binding in service.bindings}
    as_written = [
        row
        for row in index.rows
        if not row.dynamic
        and (
            (isinstance(row, Lease) and row.identity in written)
            or (isinstance(row, ListedAddress) and row.place in listed)
            or (isinstance(row, BindingRow) and row.place in bindings)
        )
    ]
    return named & {index.service_of(row) for row in as_written}


def _not_in_batch(service_ids: AbstractSet[str | None], wanted: Sequence[Wanted]) -> frozenset[str]:
    batch = {service.entry.service_id for service in wanted}
    return frozenset(name for name in service_ids if name is not None and name not in batch)


class _Planning:
    """One plan in the making; `result` tells its steps in order."""

    def __init__(self, wanted: Sequence[Wanted], index: RowIndex, policy: RouterPolicy) -> None:
        self._policy = policy
        self._index = index
        if index.further:
            wanted = [*wanted, *no_more_wanted(wanted, index.further)]
        self._wanted = sorted(wanted, key=lambda s: (s.entry.service_id, s.entry.number))
        self._owners: dict[str, Member] = {}  # of their rows, by row id
        self._ended: dict[str, Step] = {}  # rows that landed late, by row id
        self._members = [self._member(service) for service in self._wanted]
        self._in_lists: list[Member] = []  # they have or want rows there
        self._with_queue: list[Member] = []  # they have or want one, or share one
        self._claimed: Claimed = defaultdict(list)
        self._draft = PlanDraft()
        self._leases: LeaseEnds | None = None  # the router made none itself
        if index.has_dynamic:
            self._leases = LeaseEnds(index, policy, self._draft)
        self._bindings: OwnBindings | None = None  # nobody here has IPv6, or had it
        if index.bindings_of or any(s.entry.bindings or s.bindings for s in wanted):
            self._bindings = OwnBindings(index, policy, self._queues, self._draft)

    @cached_property
    def _list_rows(self) -> ListRows:
        return ListRows(self._index, self._policy, self._draft)

    @cached_property
    def _options(self) -> SharedOptions:
        return SharedOptions(self._index.options, self._draft)

    @cached_property
    def _queues(self) -> OwnQueues:
        return OwnQueues(self._index, self._draft)

    @cached_property
    def _prefix_keys(self) -> ClaimKeys:
        return ClaimKeys()

    def result(self) -> WritePlan:
        self._find_rows_and_claims()
        self._find_who_waits()
        arriving = [m for m in self._members if m.identity is not None and not m.stands]
        self._break_rings(arriving)
        # What is written, and after what?
        if self._leases is not None:
            self._leases.end_on_addresses(arriving)
        for member in self._members:
            self._write(member)
        for member in self._members:
            self._wait_for_blockers(member)
        if self._leases is not None:
            self._leases.end_elsewhere(self._members)
        for member in self._in_lists:
            self._list_rows.remove(member)
        for member in self._in_lists:
            self._list_rows.add(member)
        bindings = self._bindings
        if bindings is not None:
            bindings.decide()
        for member in self._with_queue:
            self._queues.settle(member, [] if bindings is None else bindings.bound(member))
        if bindings is not None:
            bindings.settle()
        phases = into_phases(self._draft.steps)
        return WritePlan(
            phases=phases,
            operations=tuple(chain.from_iterable(phases)),
            reason="writes" if phases else self._why_empty(),
            waiting=self._draft.waiting | self._waiting(),
            notes=tuple(sorted(self._draft.notes, key=astuple)),
            duplicates=self._index.duplicates | self._draft.duplicates,
            listed={member.id: self._list_rows.own(member.id) for member in self._in_lists},
            bindings={
                member.id: () if bindings is None else bindings.after(member)
                for member in self._members
            },
        )

    def _waiting(self) -> dict[str, Waiting]:
        """Why services wait: of several devices of one, the first says it."""
        found: dict[str, Waiting] = {}
        for member in self._members:
            why = member.waiting
            if why is not None and member.service_id not in found:
                named = Waiting(why.reason, for_device(member.entry.number, why.detail))
                found[member.service_id] = named
        return found

    def _find_rows_and_claims(self) -> None:
        for member, wanted in zip(self._members, self._wanted, strict=True):
            self._note_what_was_found(member)
            for row in member.own.late:
                self._ended[row.id] = self._draft.step(member.remove(row))
            if wanted.listed or member.entry.listed or member.id in self._index.listed_tagged:
                self._in_lists.append(member)
                self._list_rows.find(member, wanted.listed)
            if member.queue is not None or member.service_id in self._index.queues_of:
                self._with_queue.append(member)
                self._queues.find(member)
            if self._bindings is not None:
                self._bindings.find(member, wanted.bindings, wanted.sent)
            if wanted.granted:
                self._take_claims(member)
        for member, wanted in zip(self._members, self._wanted, strict=True):
            if member.leaves and self._leases is not None:
                self._leases.end_with_row(member, wanted.written, self._claimed)

    def _find_who_waits(self) -> None:
        """Services that must wait for the router or for a person."""
        for member in self._members:
            why = self._why_waiting(member)
            if why is not None:
                member.wait(why)

    def _why_empty(self) -> str:
        if self._draft.waiting or any(member.waiting for member in self._members):
            return "waiting"
        if any(member.target is not None for member in self._members):
            return "already-current"
        return "nothing-wanted"

    def _member(self, wanted: Wanted) -> Member:
        own = find_own_row(wanted, self._index)
        if own.row is not None and own.row.id in self._owners:
            own = OwnRow()  # its tag is lost, and two services had it one after the other
        waiting = own.waiting or wanted.entry.missing
        if not wanted.granted and wanted.entry.fields is not None:
            unknown = Waiting("claim-held", "another service holds its MAC or its address")
            waiting = wanted.refused_because or unknown
        entry = wanted.entry.sparing(own.row) if wanted.entry.spares else wanted.entry
        member = Member(entry, self._policy.installation, own, waiting)
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
            self._draft.duplicates.add(row.key)
            note(member.id, "duplicate-row", f"{row.name} looks like its row too; it is left alone")
        for row in own.late:
            note(member.id, "late-row", f"{row.name} landed late, beside its own: it is removed")
        for kind, detail in member.entry.notes:
            note(member.id, kind, detail)

    def _take_claims(self, member: Member) -> None:
        """The store grants a key once; should two services want one here, the first has it."""
        claims = sorted(member.entry.claims)
        for key, scope in claims:
            # Prefixes meet those that they overlap, all else the same key alone.
            keys = self._prefix_keys.met_by(key) if key.startswith(PREFIX_KEY) else (key,)
            for other_scope, holder in (o for name in keys for o in self._claimed[name]):
                if scopes_meet(scope, other_scope):
                    member.wait(member.wanted_by(holder, key))
                    return
        for key, scope in claims:
            if key.startswith(PREFIX_KEY):
                self._prefix_keys.add(key)
            self._claimed[key].append((scope, member.id))

    def _why_waiting(self, member: Member) -> Waiting | None:
        """What blocks the target and is not ours to change."""
        if member.identity is None:
            return None
        needed = member.entry.options
        changed = self._options.changed_by_hand(needed) if needed else None
        if changed is not None or member.stands:
            return changed
        member.holders = [*self._index.holders(member.identity)]
        for _, row in member.holders:
            known = row.id in self._owners or row.id in self._ended
            if row is not member.row and not known:
                return self._blocked_by(row)
        return None if self._leases is None else self._leases.blocking_lease(member)

    def _blocked_by(self, row: Lease) -> Waiting:
        owner = self._index.member_of(row)
        for member in self._members:
            if member.id == owner and member.own.waiting is not None:
                detail = f"{row.name} may be that of another service, which waits"
                return Waiting("row-in-the-way", detail)
        return Waiting("foreign-row", f"{row.name} is in the way and not ours to change")

    def _find_blockers(self, member: Member) -> None:
        if member.target is None:
            return
        for held, row in member.holders:
            if row.id in self._ended:
                member.before.append(self._ended[row.id])
            elif row is not member.row:
                name = device_field(member.target) if held == "device" else held
                blocker = self._owners[row.id]
                if blocker.waiting is not None:  # no write of its own will free it
                    blocker.free_field(name)
                member.blocked_by.append((name, blocker))

    def _break_rings(self, arriving: Sequence[Member]) -> None:
        """Find which services block which, and free a field in each ring of them."""
        for member in arriving:
            self._find_blockers(member)
        blocked = {member.id: member for member in self._members if member.blocked_by}
        blocked_by = {
            member.id: [(name, blocker.id) for name, blocker in member.blocked_by]
            for member in blocked.values()
        }
        freed = fields_to_free(blocked_by) if blocked_by else {}
        for service_id, names in freed.items():
            for name in sorted(names):
                blocked[service_id].free_field(name)

    def _write(self, member: Member) -> None:
        row, target = member.row, member.target
        held: Mapping[str, str] = {}
        first = member.before
        needed: list[Step] = []
        if target is not None and member.entry.options:
            needed += self._options.add_for(member)
        if target is not None and member.queue is not None:
            needed += self._queues.add(member)
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
                    member.takes = member.final = self._draft.step(change, *first, *needed)
        elif target is not None:
            lease = None if self._leases is None else self._leases.fitting(member)
            if lease is None:
                added = self._draft.step(member.add(target), *first, *needed)
                member.takes = member.final = added
            else:
                member.takes = self._draft.step(member.make_static(lease), *first)
                change = member.change(lease, target)
                member.final = self._draft.step(change, member.takes, *needed)

    def _wait_for_blockers(self, member: Member) -> None:
        for name, blocker in member.blocked_by:
            step = blocker.free if name in blocker.freed else blocker.final
            if step is not None and member.takes is not None:
                member.takes.needs.append(step)
