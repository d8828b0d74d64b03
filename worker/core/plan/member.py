"""One service of a batch while it is planned, and the writes to its row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.core.entry.entry import Entry, placeholder_mac
from worker.core.plan.own_row import OwnRow
from worker.core.plan.phases import Step
from worker.core.rows.operations import Add, MakeStatic, Remove, Set, Waiting
from worker.core.rows.ownership import comment_for
from worker.core.rows.rows import NO_ADDRESS, Lease, is_same


@dataclass(eq=False, slots=True)
class Member:
    """What is known and decided about one service.

    Attributes:
        entry: what the router must hold for it.
        installation: ours, for the tag.
        own: its row, if it has one.
        waiting: why nothing is written towards its entry; None: it is written.
        blocked_by: the fields whose wanted values other services' rows hold now, with those.
        freed: placeholders that its own row must hold first, so that others can be written.
        before: removals of dynamic leases on its address, and of rows that landed late.
        free: the step that writes `freed`.
        takes: the first step that needs the blocked fields.
        final: the step after which its row is as wanted.
        in_place: whether its row has the MAC, address and server of its entry already.
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
    in_place: bool = field(init=False)

    def __post_init__(self) -> None:
        row, fields = self.own.row, self.entry.fields
        self.in_place = row is not None and fields is not None and is_same(row.fields, fields)

    @property
    def id(self) -> str:
        """The service's id."""
        return self.entry.service_id

    @property
    def row(self) -> Lease | None:
        """Its own row."""
        return self.own.row

    @property
    def leaves(self) -> bool:
        """Whether its row is to be removed."""
        return self.waiting is None and self.entry.fields is None

    @property
    def target(self) -> Mapping[str, str] | None:
        """The fields that its row should have; None: it waits, or its row is removed."""
        return self.entry.fields if self.waiting is None else None

    @property
    def stands(self) -> bool:
        """Whether its row has the MAC, address and server of its target already."""
        return self.in_place and self.waiting is None

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
        is_mac = name == "mac-address"
        self.freed[name] = placeholder_mac(self.id) if is_mac else NO_ADDRESS

    def change(
        self, row: Lease, to: Mapping[str, str], after: Mapping[str, str] | None = None
    ) -> Set:
        """Set the fields that differ from the row as read, changed by `after`.

        Our tag is added where the row lacks it. The client id is cleared with the MAC: it would
        outlive its device, and make-static copies it into the row.
        """
        read = {**row.fields, "comment": row.comment}
        held = {**read, **(after or {})}
        if row.dynamic or self.own.tag_lost:
            to = {**to, "comment": self._comment(row.comment)}
        fields = {name: value for name, value in to.items() if held.get(name, "") != value}
        if row.dynamic or ("mac-address" in fields and held.get("client-id", "")):
            fields["client-id"] = ""
        was = {name: read.get(name, "") for name in fields}
        return Set(0, self.id, row.id, fields, was)

    def add(self, target: Mapping[str, str]) -> Add:
        """Add its row, without the empty fields: they are empty by default."""
        fields = {name: value for name, value in target.items() if value}
        fields["comment"] = self._comment("")
        return Add(0, self.id, fields)

    def make_static(self, lease: Lease) -> MakeStatic:
        """Make its device's dynamic lease static as it is."""
        return MakeStatic(0, self.id, lease.id, was={**lease.fields, "comment": lease.comment})

    def remove(self, row: Lease) -> Remove:
        """Remove its row, or a lease on its behalf."""
        return Remove(0, self.id, row.id, {**row.fields, "comment": row.comment})

    def _comment(self, rest: str) -> str:
        return comment_for(self.installation, self.id, rest or self.entry.label)
