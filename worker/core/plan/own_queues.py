"""The services' own simple queues, and the moves between them and the rates of leases.

A rate that is in force goes only once its successor was read back: a lease keeps its rate until the
queue is read as wanted, and the queue stays until the router is read to limit the lease. So both
moves take two rounds.
"""

from collections import defaultdict
from collections.abc import Sequence

from worker.core.plan.member import Member
from worker.core.rows.operations import Add, Move, PlanDraft, Remove, Set, Step, Waiting
from worker.core.rows.queues import OwnQueue, QueueRow, queue_fields, queue_name
from worker.core.rows.row_index import RowIndex
from worker.core.rows.rows import QUEUES, comment_for, parse_tag

_RATE = "rate-limit"


class OwnQueues:
    """The queues of one read.

    A queue may be added only if the whole menu was read.
    """

    def __init__(self, index: RowIndex, draft: PlanDraft) -> None:
        self._index = index
        self._draft = draft
        self._own: dict[str, QueueRow] = {}  # by service, as all that follow
        self._added: dict[str, Step] = {}
        self._sharing: dict[str, list[Member]] = defaultdict(list)
        self._settled: set[str] = set()

    def find(self, member: Member) -> None:
        """Find the queue of a service; while it is not as wanted, its lease keeps its rate."""
        self._sharing[member.service_id].append(member)
        if not member.entry.number:
            self._find_row(member)
        held = member.row.fields.get(_RATE, "") if member.row is not None else ""
        if member.queue is not None and held and not self.stands(member):
            member.keep({_RATE: held})

    def _find_row(self, member: Member) -> None:
        rows = self._index.queues_of.get(member.id)
        if not rows:
            return
        name = queue_name(self._index.installation, member.id)
        own = next((row for row in rows if row.queue == name), rows[0])
        for row in rows:
            if row is not own:
                self._draft.leave_alone(member.id, row.key, row.name)
        self._own[member.id] = own
        if own.disabled:
            detail = f"{own.name} was switched off by hand: the service has no limit of its own"
            self._draft.note(member.id, "queue-disabled", detail)

    def add(self, member: Member) -> list[Step]:
        """Add the queue that a service lacks, before its lease: a device never has no limit."""
        queue, service_id = member.queue, member.service_id
        if queue is None or service_id in self._own:
            return []
        if service_id in self._added:
            return [self._added[service_id]]
        fields = queue_fields(queue, queue_name(self._index.installation, service_id))
        fields["comment"] = comment_for(self._index.installation, service_id)
        behind = self._index.queue_order.next_to(queue)
        if behind is not None:
            fields["place-before"] = behind.id
        self._added[service_id] = self._draft.step(Add(0, service_id, fields, menu=QUEUES))
        return [self._added[service_id]]

    def settle(self, member: Member, bound: Sequence[str] | None = ()) -> None:
        """Change, move or remove the queue of a service, once its lease is as wanted.

        `bound` are the IPv6 prefixes that its device has now; None: its bindings are written first.
        """
        own, queue = self._own.get(member.service_id), member.queue
        if own is None:
            return
        if member.entry.number:  # it is changed for the first device, unless that one waits
            if queue is not None and member.target is not None:
                self._change(member, own, queue)
        elif member.leaves:
            self._remove(member, own)
        elif member.target is not None and queue is None:
            self._leave(member, own, bound)
        elif member.target is not None and queue is not None:
            self._change(member, own, queue)

    def stands(self, member: Member) -> bool:
        """Whether the queue of a service was read as wanted."""
        own, queue = self._own.get(member.service_id), member.queue
        if own is None or queue is None or own.disabled:
            return False
        return not self._differing(member, own, queue)

    def _differing(self, member: Member, own: QueueRow, queue: OwnQueue) -> dict[str, str]:
        """What must be set so that a queue is as wanted and has the service's tag."""
        name = queue_name(self._index.installation, member.service_id)
        wanted = queue_fields(queue, name)
        fields = {name: value for name, value in wanted.items() if own.fields[name] != value}
        tag = parse_tag(own.comment)
        if tag is None or tag[:2] != (self._index.installation, member.service_id):
            rest = own.comment if tag is None else ""
            fields["comment"] = comment_for(self._index.installation, member.service_id, rest)
        return fields

    def _change(self, member: Member, own: QueueRow, queue: OwnQueue) -> None:
        if member.service_id in self._settled:
            return
        self._settled.add(member.service_id)
        fields = self._differing(member, own, queue)
        change = move = None
        if fields:
            was = {name: own.read[name] for name in fields}
            set_ = Set(0, member.service_id, own.id, fields, was, menu=QUEUES)
            change = self._draft.step(set_, *member.settled)
        if own.place >= 0 and self._index.queue_order.has_no_anchor(queue):
            detail = f"there is no queue to stand {queue.place}: its own stands first instead"
            self._draft.note(member.id, "queue-place", detail)
        if self._index.queue_order.is_misplaced(own, queue):
            behind = self._index.queue_order.next_to(queue)
            before = "" if behind is None else behind.id
            to = Move(0, member.service_id, own.id, before, queue.place, own.read)
            move = self._draft.step(to, *member.settled)
        else:
            self._note_shadows(member, own, queue)
        if change is not None and move is not None:
            # While it has its parent, no queue beside that can take its packets.
            first, then = (change, move) if queue.parent else (move, change)
            then.needs.append(first)

    def _note_shadows(self, member: Member, own: QueueRow, queue: OwnQueue) -> None:
        for row in self._index.queue_order.shadows(queue, own.place):
            if row.dynamic:
                detail = f"{row.name} stands before its own queue, so that its limit is in force"
                self._draft.note(member.id, "lease-queue", detail)
            else:
                detail = f"{row.name} of others stands before its own queue and takes its packets"
                self._draft.note(member.id, "queue-shadowed", detail)

    def _leave(self, member: Member, own: QueueRow, bound: Sequence[str] | None) -> None:
        """Remove the queue of a service whose limit is its leases', if the router has that."""
        members, held = self._sharing[member.service_id], self._index.held
        limited: set[str] = set()  # of no device that has no packets
        for each in members:
            row, rate = each.row, (each.target or {}).get(_RATE, "")
            if each.leaves or (each.target is not None and not rate):
                continue
            if row is None or bound is None or not each.is_current:
                return  # its lease is written first, and read back
            limited |= {*bound}
            if held is None or row.id in held:
                limited.add(f"{(held or {}).get(row.id) or row.address}/32")
        for queue in self._index.queues:
            if queue.dynamic:
                limited -= set(queue.target.split(","))
        if not limited:
            self._remove(member, own)
        else:
            detail = f"{own.name} stays until the router has made the queue of its lease"
            self._draft.wait(member.id, Waiting("lease-has-no-queue", detail))

    def _remove(self, member: Member, own: QueueRow) -> None:
        remove = Remove(0, member.service_id, own.id, own.read, menu=QUEUES)
        self._draft.step(remove, *member.settled)
