"""A service of a batch, or a further device of one: what it wants, its row, and its writes."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal

from worker.core.entry.entry import Entry, placeholder
from worker.core.entry.wanted import wanted_entries
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Add, MakeStatic, Remove, Set, Step, Waiting
from worker.core.rows.prefixes import claim_text
from worker.core.rows.queues import OwnQueue
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import (
    DEVICE_FIELDS,
    NO_ADDRESS,
    NO_DEVICE,
    Identity,
    Lease,
    ListPlace,
    comment_for,
    identity_of,
    number_of_member,
    service_of_member,
)
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Placement


@dataclass(frozen=True)
class Wanted:
    """What one service of a batch wants on the router; of a further device in a value of its own.

    Attributes:
        written: fields of its lease last written there and read back; None: none yet.
        listed: the rows of address lists that may be its own.
        granted: whether it holds all its claims; if not, nothing is written towards its entry.
        refused_because: which services hold them; shown for a service that is not granted.
        sent: leases that were added for it, of which one may have landed late.
        bindings: its IPv6 bindings as last written, or noted before that.
    """

    entry: Entry
    written: Mapping[str, str] | None = None
    granted: bool = True
    refused_because: Waiting | None = None
    listed: frozenset[ListPlace] = frozenset()
    sent: frozenset[Identity] = frozenset()
    bindings: tuple[OwnBinding, ...] = ()

    @cached_property
    def written_identity(self) -> Identity | None:
        """What identifies its lease as last written."""
        return None if self.written is None else identity_of(self.written)


def no_more_wanted(wanted: Sequence[Wanted], further: AbstractSet[tuple[str, str]]) -> list[Wanted]:
    """Return further devices of the services of a batch that have rows and are wanted no more.

    `further` are services and numbers of their further devices that tags name.
    """
    batch = {service.entry.service_id for service in wanted}
    wants = {(service.entry.service_id, service.entry.number) for service in wanted}
    return [
        Wanted(Entry(service_id, None, number=number))
        for service_id, number in sorted(further - wants)
        if service_id in batch
    ]


def wanted_at(router: str, record: ServiceRecord, policy: RouterPolicy) -> Wanted:
    """What a service wants on a router, and what was written there; its claims are not checked.

    Its entry has those of its further devices.
    """
    entry = wanted_entries(record, {router: policy}).get(router)
    placement = record.placements.get(router, Placement(None))
    return Wanted(
        Entry(record.service_id, None) if entry is None else entry,
        written=placement.written,
        listed=placement.listed,
        bindings=placement.bindings,
    )


def with_further(wanted: Wanted, placement: Placement) -> list[Wanted]:
    """Return what a service wants without its further devices, and what each of these wants."""
    if not wanted.entry.devices:
        return [wanted]
    nothing = Placement(None)
    further = [
        replace(
            wanted,
            entry=entry,
            written=placement.devices.get(number, nothing).written,
            listed=placement.devices.get(number, nothing).listed,
            bindings=(),
        )
        for number, entry in wanted.entry.devices.items()
    ]
    return [replace(wanted, entry=replace(wanted.entry, devices={})), *further]


@dataclass(frozen=True, slots=True)
class OwnRow:
    """The row of a service, and rows that look like it.

    Attributes:
        row: its own row; None: it has none, or none that is surely its own.
        tag_lost: the row has no tag any more, but is as we last wrote it.
        duplicates: other rows with the service's tag, or without a tag and as last written: copies
            made by hand, not ours.
        late: other rows with its tag that we added ourselves and that landed late.
        waiting: why the service must wait: several rows may be its own.
    """

    row: Lease | None = None
    tag_lost: bool = False
    duplicates: tuple[Lease, ...] = ()
    late: tuple[Lease, ...] = ()
    waiting: Waiting | None = None


_NOTHING: Final = OwnRow()


def find_own_row(wanted: Wanted, index: RowIndex) -> OwnRow:
    """Find the row of a service by its tag, or else by what was last written.

    Of several tagged rows the one that an interrupted pass changed, wholly or in part, may be its
    own.
    """
    entry, placed, sent = wanted.entry, wanted.written_identity, wanted.sent
    name = entry.member if entry.number else entry.service_id
    tagged = index.tagged.get(name, [])
    untagged = [] if placed is None else index.untagged.get(placed, [])
    if not tagged and not untagged:
        return _NOTHING
    added = [row for row in tagged if row.identity in sent] if sent else []
    own = _choose(tagged or untagged, wanted)
    if added and (own is None or own in added):
        # Beside rows that landed late, a change of its own row may have landed late too.
        changed = [row for row in tagged if row not in added]
        is_one = placed is not None and len(changed) == 1
        if is_one and (own is None or _is_half_done(changed[0], wanted)):
            own = changed[0]
        own = own or added[0]
    if own is not None:
        # A row like its own is a copy: RouterOS would have refused it from us.
        late = tuple(row for row in added if row.identity != own.identity)
        others = [row for row in tagged + untagged if row is not own and row not in late]
        return OwnRow(own, tag_lost=not tagged, duplicates=tuple(others), late=late)
    names = "; ".join(row.name for row in tagged or untagged)
    detail = f"any of these rows may be the service's; remove the others: {names}"
    return OwnRow(waiting=Waiting("ambiguous-rows", detail))


def _choose(rows: Sequence[Lease], wanted: Wanted) -> Lease | None:
    if len(rows) == 1:
        return rows[0]
    as_written = [row for row in rows if row.identity == wanted.written_identity]
    # An identical copy can only exist switched off.
    candidates = as_written or [row for row in rows if _is_half_done(row, wanted)]
    enabled = [row for row in candidates if not row.disabled] or candidates
    return enabled[0] if len(enabled) == 1 else None


def _is_half_done(row: Lease, wanted: Wanted) -> bool:
    """Whether our own writes lead from what was written to this row: a pass was interrupted."""
    entry, written, placed = wanted.entry, wanted.written, wanted.written_identity
    if row.identity == entry.identity:
        return True
    return (
        written is not None
        and placed is not None
        and row.server == placed.server
        and row.device in (placed.device, placeholder(written, entry.member))
        and row.address in (placed.address, NO_ADDRESS)
    )


@dataclass(eq=False, slots=True)
class Member:
    """What is known and decided about one service, or about one further device of it.

    Attributes:
        waiting: why nothing is written towards its entry (`wait`); None: it is written.
        blocked_by: the fields whose wanted values other services' rows hold now, with those.
        freed: placeholders that its own row must hold first, so that others can be written.
        before: removals of dynamic leases on its address, and of rows that landed late.
        free: the step that writes `freed`.
        takes: the first step that needs the blocked fields.
        final: the step after which its row is as wanted.
        leaves: whether its row is to be removed.
        target: the fields that its row should have; None: it waits, or its row is removed.
        identity: what identifies that row; None: there is no target.
        holders: the static rows beside which the router refuses the target, and by what.
        stands: whether its row has the device, address and server of its target already.
        id: the same, or the `member_id` of a further device.
        queue: the queue that limits it: its own, or the one that it shares.
    """

    entry: Entry
    installation: str
    own: OwnRow
    waiting: Waiting | None
    blocked_by: "list[tuple[str, Member]]" = field(default_factory=list)
    freed: dict[str, str] = field(default_factory=dict)
    before: list[Step] = field(default_factory=list)
    free: Step | None = None
    takes: Step | None = None
    final: Step | None = None
    leaves: bool = field(init=False)
    target: Mapping[str, str] | None = field(init=False)
    identity: Identity | None = field(init=False)
    holders: list[tuple[Literal["device", "address"], Lease]] = field(default_factory=list)
    stands: bool = field(init=False)
    service_id: str = field(init=False)
    id: str = field(init=False)
    row: Lease | None = field(init=False)
    queue: OwnQueue | None = field(init=False)

    def __post_init__(self) -> None:
        entry = self.entry
        self.service_id = entry.service_id
        self.id = entry.member if entry.number else entry.service_id
        self.queue = entry.queue or entry.shares
        row, fields = self.own.row, self.entry.fields
        self.row = row
        self.target = fields if self.waiting is None else None
        self.leaves = self.waiting is None and fields is None
        self.identity = entry.identity if self.waiting is None else None
        self.stands = row is not None and row.identity == self.identity

    def wanted_by(self, holder: str, key: str) -> Waiting:
        """Why it waits: another member of the batch wants this claim too, and comes first."""
        kind, _, value = claim_text(key).partition(":")
        what = f"{'MAC' if kind == 'mac' else kind} {value}"
        if service_of_member(holder) == self.service_id:
            first = number_of_member(holder) or "1"
            return Waiting("devices-alike", f"device {first} of the service wants {what} too")
        return Waiting("claim-held", f"another service wants {what} too")

    def wait(self, why: Waiting) -> None:
        """Write nothing towards its entry; the first reason stays."""
        if self.waiting is None:
            self.waiting, self.target, self.identity = why, None, None
            self.leaves = self.stands = False

    def keep(self, fields: Mapping[str, str]) -> None:
        """Leave these fields of its row as they are until something else was read back."""
        if self.target is not None:
            self.target = {**self.target, **fields}

    @property
    def settled(self) -> tuple[Step, ...]:
        """What the rows beside its own wait for: the step after which that is as wanted."""
        return () if self.final is None else (self.final,)

    @property
    def is_current(self) -> bool:
        """Whether its row, tag included, is as wanted already and stays so throughout the plan."""
        row, target = self.own.row, self.target
        return (
            row is not None
            and target is not None
            and not (self.freed or self.own.tag_lost or row.dynamic)
            and target.items() <= row.fields.items()
        )

    def free_field(self, name: str) -> None:
        """Have the row hold a placeholder in this field before anything else."""
        is_device = name in DEVICE_FIELDS
        self.freed[name] = placeholder({name: ""}, self.id) if is_device else NO_ADDRESS

    def change(
        self, row: Lease, to: Mapping[str, str], after: Mapping[str, str] | None = None
    ) -> Set:
        """Set the fields that differ from the row as read, changed by `after`.

        Our tag is added where the row lacks it. The client id is cleared with the MAC: it would
        outlive its device, and make-static copies it into the row.
        """
        read = row.read
        held = {**read, **(after or {})}
        if row.dynamic or self.own.tag_lost:
            to = {**to, "comment": self._comment(row.comment)}
        fields = {name: value for name, value in to.items() if held.get(name, "") != value}
        if row.dynamic or ("mac-address" in fields and held.get("client-id", "")):
            fields["client-id"] = ""
        was = {name: read.get(name, "") for name in fields}
        return Set(0, self.service_id, row.id, fields, was, device=self.entry.number)

    def add(self, target: Mapping[str, str]) -> Add:
        """Add its row, without the empty fields: they are empty by default."""
        fields = {name: value for name, value in target.items() if value not in NO_DEVICE}
        fields["comment"] = self._comment("")
        return Add(0, self.service_id, fields, device=self.entry.number)

    def make_static(self, lease: Lease) -> MakeStatic:
        """Make its device's dynamic lease static as it is."""
        return MakeStatic(0, self.service_id, lease.id, was=lease.read, device=self.entry.number)

    def remove(self, row: Lease) -> Remove:
        """Remove its row, or a lease on its behalf."""
        return Remove(0, self.service_id, row.id, row.read, device=self.entry.number)

    def _comment(self, rest: str) -> str:
        return comment_for(self.installation, self.id, rest or self.entry.label)
