"""One IPv6 binding of a service of a batch while it is planned."""

from dataclasses import dataclass, field

from worker.core.plan.member import Member
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Step, Waiting
from worker.core.rows.rows import BindingRow


@dataclass(eq=False, slots=True)
class MemberBinding:
    """One binding of a service while it is planned.

    Attributes:
        wanted: with its client as far as known; None: the service has no such binding.
        noted: as it was last written, or noted before that.
        tag_lost: the row has no tag any more, but is as noted.
        source: the dynamic row that becomes its row.
        waiting: why nothing is written for it; None: it is written.
        ends: dynamic rows that must go first.
        blocked_by: bindings of ours whose rows must go first.
        freed: the step that removes its row so that others can be written.
        takes: the first step that needs what others hold.
        final: the step after which it holds nothing that it should not.
    """

    member: Member
    ia: str
    wanted: OwnBinding | None = None
    noted: OwnBinding | None = None
    row: BindingRow | None = None
    tag_lost: bool = False
    source: BindingRow | None = None
    waiting: Waiting | None = None
    ends: list[BindingRow] = field(default_factory=list)
    blocked_by: "list[MemberBinding]" = field(default_factory=list)
    freed: Step | None = None
    takes: Step | None = None
    final: Step | None = None

    @property
    def key(self) -> str:
        """What identifies it in the plan."""
        return f"{self.member.id} {self.ia}"

    @property
    def target(self) -> OwnBinding | None:
        """What is to be written; None: no row, or nothing can be written now."""
        wanted = self.wanted
        if self.waiting is not None or self.member.target is None or wanted is None:
            return None
        return wanted if wanted.is_known else None

    @property
    def leaves(self) -> bool:
        """Whether its row is to be removed: it is not wanted, or was that of another device."""
        settled = self.waiting is None and (self.member.leaves or self.member.target is not None)
        return settled and self.target is None

    @property
    def waits(self) -> bool:
        """Whether its row stays as it is."""
        return self.target is None and not self.leaves

    @property
    def has_client(self) -> bool:
        """Whether its row is of the wanted client already."""
        row, target = self.row, self.target
        return row is not None and target is not None and row.client == target.client

    @property
    def asked(self) -> OwnBinding | None:
        """The binding as its entry has it, with what events state of the client."""
        return next((own for own in self.member.entry.bindings if own.ia == self.ia), None)

    def forget_client(self) -> None:
        """Take no client, but leave the one that was learned for this device."""
        asked, noted = self.asked, self.noted
        if asked is not None and noted is not None and noted.mac == asked.mac:
            asked = asked._replace(duid=noted.duid, iaid=noted.iaid)
        self.wanted, self.source = asked, None
