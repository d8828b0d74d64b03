"""The services' own IPv6 bindings: which rows they are, and the writes to them.

As with leases, a row that is not surely ours is never touched. A binding is written once its
service's lease is as wanted. One whose client is not known yet has no row; nothing waits for it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from worker.core.plan.binding_clients import AMBIGUOUS, client_of
from worker.core.plan.member import Member
from worker.core.plan.member_binding import MemberBinding
from worker.core.plan.own_queues import OwnQueues
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.binding_index import BOUND
from worker.core.rows.bindings import IAS, OwnBinding, binding_fields
from worker.core.rows.operations import (
    Add,
    MakeStatic,
    PlanDraft,
    Remove,
    Set,
    Step,
    Waiting,
    fields_to_free,
)
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    ANY_SERVER,
    BINDINGS,
    BindingRow,
    Identity,
    RowKey,
    client_name,
    comment_for,
    device_of,
    parse_tag,
    scopes_meet,
)


def bindings_in_the_way(wanted: Iterable[OwnBinding], index: RowIndex) -> Iterator[BindingRow]:
    """Yield the static rows beside which a service's bindings cannot be written."""
    for binding in wanted:
        rows = [*index.bindings.overlapping(binding.address), *index.bindings.of_client(binding)]
        yield from (row for row in rows if not row.dynamic)


class OwnBindings:
    """The bindings of one read."""

    def __init__(
        self, index: RowIndex, policy: RouterPolicy, queues: OwnQueues, draft: PlanDraft
    ) -> None:
        self._index = index
        self._may_end = policy.on_dynamic == "remove"
        self._queues = queues
        self._draft = draft
        self._plans: list[MemberBinding] = []
        self._of: dict[str, list[MemberBinding]] = defaultdict(list)
        self._by_row: dict[RowKey, MemberBinding] = {}
        self._ended: dict[RowKey, Step] = {}

    def find(
        self, member: Member, noted: Sequence[OwnBinding], sent: AbstractSet[Identity]
    ) -> None:
        """Find the rows of a service.

        `noted` are as last written, or noted before that. What is `sent` was added for it and may
        have landed late; of bindings the address counts.
        """
        has_rows = member.id in self._index.bindings_of
        if not (member.entry.bindings or noted or has_rows):
            return
        entry = {binding.ia: binding for binding in member.entry.bindings}
        before = {binding.ia: binding for binding in noted}
        for ia in IAS:
            plan = MemberBinding(member, ia, entry.get(ia), before.get(ia))
            tagged = [row for row in self._index.bindings_of.get(member.id, ()) if row.ia == ia]
            lost = [] if tagged or plan.noted is None else list(self._as_noted(plan.noted))
            self._choose(plan, tagged or lost, {added.address for added in sent})
            if plan.row is not None:
                self._by_row[plan.row.key] = plan
                plan.tag_lost = not tagged
                if plan.tag_lost:
                    detail = f"{plan.row.name} is as last written, but lost our tag"
                    self._draft.note(member.id, "tag-lost", detail)
                if plan.row.disabled:
                    detail = f"{plan.row.name} was switched off by hand"
                    self._draft.note(member.id, "binding-disabled", detail)
            if plan.wanted is not None or plan.row is not None or plan.waiting is not None:
                self._plans.append(plan)
                self._of[member.id].append(plan)

    def _as_noted(self, noted: OwnBinding) -> Iterator[BindingRow]:
        for row in self._index.untagged_bindings:
            if row.place == noted.place and row.key not in self._by_row:
                yield row

    def _choose(
        self, plan: MemberBinding, rows: Sequence[BindingRow], added: AbstractSet[str]
    ) -> None:
        noted, wanted = plan.noted, plan.wanted
        found = list(rows)
        if len(found) > 1 and noted is not None:
            found = [row for row in found if row.place == noted.place] or found
        if len(found) > 1 and wanted is not None:
            found = [row for row in found if row.address == wanted.address] or found
        enabled = [row for row in found if not row.disabled] or found
        if len({row.place for row in enabled}) > 1:
            names = "; ".join(row.name for row in enabled)
            detail = f"any of these rows may be the service's; remove the others: {names}"
            plan.waiting = Waiting("ambiguous-rows", detail)
            return
        plan.row = next(iter(enabled), None)
        for row in (row for row in rows if row is not plan.row):
            if row.address in added:
                detail = f"{row.name} landed late, beside its own: it is removed"
                self._draft.note(plan.member.id, "late-row", detail)
                self._end(plan, row)
            else:
                self._draft.leave_alone(plan.member.id, row.key, row.name)

    def decide(self) -> None:
        """Decide for which client each binding is, and which rows are in its way."""
        for plan in self._plans:
            self._find_client(plan)
        self._leave_shared_clients()
        self._take_clients()
        for plan in self._plans:
            if plan.row is not None:
                plan.source = None  # its own row takes the client over
            elif plan.source is not None:
                self._by_row[plan.source.key] = plan
        for plan in self._plans:
            self._find_obstacles(plan)
        found = True
        while found:  # one that waits is in the way of others
            found = False
            for plan in self._plans:
                found = self._stays_blocked(plan) or found
        for plan in self._plans:
            if plan.waiting is not None:
                self._draft.wait(plan.member.id, plan.waiting)

    def bound(self, member: Member) -> list[str] | None:
        """The prefixes of a service that its device has now; None: they are written first."""
        plans = self._of.get(member.id)
        if plans is None:
            return []
        rows = [plan.row for plan in plans if plan.row is not None]
        if len(rows) < sum(plan.target is not None for plan in plans):
            return None
        if any(plan.leaves or self._differing(plan) for plan in plans if plan.row is not None):
            return None
        return [row.address for row in rows if row.status == BOUND]

    def after(self, member: Member) -> tuple[OwnBinding, ...]:
        """The bindings of a service once the plan is written, with their clients."""
        wanted = (plan.wanted for plan in self._of.get(member.id, ()))
        return tuple(binding for binding in wanted if binding is not None)

    def _find_client(self, plan: MemberBinding) -> None:
        if plan.wanted is None or plan.waiting is not None or plan.member.target is None:
            return
        found = client_of(plan.wanted, plan.noted, plan.row, self._index.bindings)
        plan.wanted, plan.source = found.binding, found.source
        if found.note is not None:
            self._draft.note(plan.member.id, *found.note)

    def _leave_shared_clients(self) -> None:
        """A device may be that of two services, on different DHCP servers: whose client is it?"""
        sources = Counter(plan.source.key for plan in self._plans if plan.source is not None)
        for plan in self._plans:
            source, noted, asked = plan.source, plan.noted, plan.asked
            if source is None or asked is None or asked.is_known:
                continue
            if noted is not None and noted.client == source.client:
                continue
            if sources[source.key] > 1 or self._has_other_lease(plan):
                detail = f"{source.name} may be that of another service too"
                self._draft.note(plan.member.id, AMBIGUOUS, detail)
                plan.forget_client()

    def _has_other_lease(self, plan: MemberBinding) -> bool:
        """Whether the device has a lease of somebody else, on a DHCP server that is not ours."""
        target, asked = plan.member.target, plan.asked
        if target is None or asked is None or asked.duid:
            return False
        leases = self._index.static_of(device_of(target), ANY_SERVER)
        return any(not scopes_meet(lease.server, target["server"]) for lease in leases)

    def _take_clients(self) -> None:
        """Of two services for one client, that which has it keeps it, else the first gets it."""
        taken: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for plan in sorted(self._plans, key=lambda plan: not plan.has_client):
            target = plan.target
            if target is None:
                continue
            servers = taken[(target.ia, *target.client)]
            if any(scopes_meet(server, target.server) for server in servers):
                detail = f"{client_name(target.client)} is the client of another service"
                plan.waiting, plan.source = Waiting("client-taken", detail), None
            servers.append(target.server)

    def _find_obstacles(self, plan: MemberBinding) -> None:
        target = plan.target
        if target is None or self._stands(plan, target):
            return
        bindings = self._index.bindings
        rows = [*bindings.overlapping(target.address), *bindings.of_client(target)]
        for row in {row.key: row for row in rows}.values():
            other = self._by_row.get(row.key)
            if other is not None:
                if other.member is not plan.member and other not in plan.blocked_by:
                    plan.blocked_by.append(other)
            elif row.key in self._ended:
                plan.ends.append(row)
            elif not row.dynamic:
                detail = f"{row.name} is in the way and not ours to change"
                plan.waiting = plan.waiting or Waiting("foreign-row", detail)
            elif row.radius or not (self._may_end or row.client == target.client):
                detail = f"{row.name} holds its prefix until it ends"
                plan.waiting = plan.waiting or Waiting("dynamic-lease", detail)
            else:
                plan.ends.append(row)
                if row.client != target.client:
                    detail = f"{row.name} had its prefix"
                    self._draft.note(plan.member.id, "address-still-used-by", detail)

    def _stays_blocked(self, plan: MemberBinding) -> bool:
        """Whether it is found only now that a row of its client is one that stays.

        A row that stays on its prefix is no reason: the claim says whose the prefix is.
        """
        target = plan.target
        if target is None:
            return False
        for other in plan.blocked_by:
            row = other.row or other.source
            if row is not None and row.client == target.client and other.waits:
                detail = f"{row.name} is that of another service, which keeps it"
                plan.waiting = Waiting("row-in-the-way", detail)
                return True
        return False

    def settle(self) -> None:
        """Write the bindings, each once what is in its way is gone."""
        blocked = {plan.key: plan for plan in self._plans if plan.target and plan.blocked_by}
        self._free_blockers(blocked)
        for plan in self._plans:
            self._write(plan)
        for plan in blocked.values():
            for other in plan.blocked_by:
                gone = other.freed or other.final
                if gone is not None and plan.takes is not None:
                    plan.takes.needs.append(gone)

    def _free_blockers(self, blocked: Mapping[str, MemberBinding]) -> None:
        """Remove the rows that no write of their own takes out of the way in time."""
        for plan in blocked.values():
            for other in plan.blocked_by:
                if other.waits:
                    self._free(other)
        blocked_by = {
            key: [("address", other.key) for other in plan.blocked_by if other.key in blocked]
            for key, plan in blocked.items()
        }
        for key, fields in fields_to_free(blocked_by).items():
            if fields:
                self._free(blocked[key])

    def _free(self, plan: MemberBinding) -> None:
        """Remove the row of a binding, which is made anew if it is wanted."""
        row = plan.row or plan.source
        if plan.freed is None and row is not None:
            plan.freed = self._end(plan, row)

    def _end(self, plan: MemberBinding, row: BindingRow, *needs: Step) -> Step:
        """Remove a row, once however many need that."""
        if row.key not in self._ended:
            remove = Remove(0, plan.member.id, row.id, row.read, menu=BINDINGS)
            self._ended[row.key] = self._draft.step(remove, *needs)
        return self._ended[row.key]

    def _write(self, plan: MemberBinding) -> None:
        member, target = plan.member, plan.target
        needs = member.settled
        if plan.leaves and plan.row is not None:
            plan.final = plan.freed or self._end(plan, plan.row, *needs)
        if target is None:
            return
        ends = [self._end(plan, row, *needs) for row in plan.ends]
        first = [*needs, *ends, *([] if plan.freed is None else [plan.freed])]
        row = None if plan.freed is not None else plan.row or plan.source
        if row is None:
            held = plan.row or plan.source
            fields = {name: value for name, value in binding_fields(target).items() if value}
            fields["comment"] = self._comment(plan, "" if held is None else held.comment)
            add = Add(0, member.id, fields, menu=BINDINGS)
            plan.takes = plan.final = self._draft.step(add, *first)
            return
        if row is plan.source:
            made = MakeStatic(0, member.id, row.id, was=row.read, menu=BINDINGS)
            plan.takes = self._draft.step(made, *first)
            first = [plan.takes]
        fields = self._differing(plan)
        if fields:
            was = {name: row.read.get(name, "") for name in fields}
            change = Set(0, member.id, row.id, fields, was, menu=BINDINGS)
            plan.final = self._draft.step(change, *first)
            plan.takes = plan.takes or plan.final

    def _stands(self, plan: MemberBinding, target: OwnBinding) -> bool:
        held = None if plan.row is None else (plan.row.address, plan.row.client, plan.row.server)
        return held == (target.address, target.client, target.server)

    def _differing(self, plan: MemberBinding) -> dict[str, str]:
        """What must be set on the row of a binding so that it is as wanted, with our tag."""
        row, target = plan.row or plan.source, plan.target
        if row is None or target is None:
            return {}
        held = row.read
        wanted = binding_fields(target)
        limited = plan.member.entry.queue is None or self._queues.stands(plan.member)
        if not limited and held["rate-limit"]:
            wanted.pop("rate-limit", None)  # until the queue is there
        if row.dynamic or plan.tag_lost:
            wanted["comment"] = self._comment(plan, row.comment)
        return {name: value for name, value in wanted.items() if held.get(name, "") != value}

    def _comment(self, plan: MemberBinding, rest: str) -> str:
        tag = parse_tag(rest)
        kept = rest if tag is None else tag.rest
        label = plan.member.entry.label
        return comment_for(self._index.installation, plan.member.id, kept or label)
