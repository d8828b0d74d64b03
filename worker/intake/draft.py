"""The record and the report of one service while its events are folded, up to the commit."""

from collections.abc import Callable, Mapping, Sequence

from worker.core.entry.brake import Cut, loss_of, ownership_change, standing
from worker.core.entry.short_lease import shortened, with_lease_time
from worker.core.entry.wanted import in_sync, placed, wanted_entries, with_rows_at, work_items_of
from worker.core.policy.policy import RouterPolicy
from worker.core.service.conflicts import Conflict
from worker.core.service.event_ref import EventRef, Version
from worker.core.service.fold import Folded
from worker.core.service.history import line_to_json
from worker.core.service.outcome import UNCHANGED, State
from worker.core.service.record import ServiceRecord, lacking, settle, settle_overtaken
from worker.core.service.record_parts import PendingEvent, Placement
from worker.core.service.schedule import Ended, Schedule, calendar_changes
from worker.core.service.scheduling import supersede
from worker.core.service.writes import OF_CLIENT
from worker.intake.report import CommitReport
from worker.store.commits import GivenBack, ServiceCommit, TakenValue
from worker.store.records import Stored


class CommitDraft:
    """A commit of one service as it grows; nothing of it is true before it is committed.

    Args:
        last_read: when a whole router was last read (ms). The rows of a service that were read
            before that may have changed: then an event that changes nothing is applied only after
            the router was read again.
        lease_times_s: of a router's DHCP servers, in seconds.

    Attributes:
        report: what is said of events.
        released: scheduled events take effect by it.
        reassigns: values of pools are not the service's for sure: Redis is asked.
        waited_for: pools for which it waits without its record saying so.
        named: routers that its events name, but for the last of them.
        conflicts: by source; stored before the commit, and removed later if it fails.
        take, give_back, pool_waits: see `ServiceCommit`.
    """

    def __init__(
        self,
        before: Stored,
        policies: Mapping[str, RouterPolicy],
        now_ms: int,
        last_read: Callable[[str], int],
        lease_times_s: Callable[[str], Mapping[str, int]],
    ) -> None:
        self.before = before
        self.record = before.record
        self.report = CommitReport(before.record.service_id, now_ms)
        self.now_ms = now_ms
        self.released = False
        self.reassigns = False
        self.waited_for: frozenset[str] = frozenset()
        self.named: set[str] = set()
        self.conflicts: dict[str, list[Conflict]] = {}
        self.take: Sequence[TakenValue] = ()
        self.give_back: Sequence[GivenBack] = ()
        self.pool_waits: Sequence[tuple[str, int]] = ()
        self._policies = policies
        self._last_read = last_read
        self.lease_times_s = lease_times_s
        self._has_live = self._has_bulk = self._only_lease_time = False
        self._loss = self._loss_before = loss_of(before.record, policies)
        self._loss_source = ""

    def add_pending(self, event: EventRef, version: Version, registers: frozenset[str]) -> None:
        """Keep the event pending until a router confirms it.

        Its MAC decides what becomes of it: that it made the DHCPv6 client unknown may outlast the
        MAC, where a source leaves the client to others.
        """
        if "mac" in registers:
            registers -= OF_CLIENT
        event = event._replace(accepted_at_ms=event.accepted_at_ms or self.now_ms)
        pending = PendingEvent(event, tuple(sorted(registers)), version)
        self.record = self.record._replace(pending=(*self.record.pending, pending))
        self._has_bulk |= event.bulk
        self._has_live |= not event.bulk

    def changes_nothing(self, before: ServiceRecord, folded: Folded) -> bool:
        """Whether an event that was just folded leaves all as it is on the router."""
        return (
            not folded.changed
            and not before.pending
            and folded.record.status != "incomplete"
            and in_sync(before, self._policies)
        )

    def leave_unchanged(
        self,
        event: EventRef,
        count: str,
        version: Version,
        content: str | None = None,
        *,
        brief: bool = False,
    ) -> None:
        """The event changes nothing: it is applied, if need be after the router was read."""
        router = self.row_router
        at = self.record.placements.get(router)
        state: State = "applied"
        if at is not None and self._last_read(router) > at.seen_ms:
            self.add_pending(event._replace(bulk=True), version, frozenset())
            state = "accepted"
        reason = UNCHANGED if state == "applied" else ""
        self.report.set_outcome(
            event, state, count=count, reason=reason, router=router, content=content, brief=brief
        )

    def supersede_scheduled(self, event: EventRef) -> None:
        """End the scheduled events that this event, which was just folded, supersedes."""
        before = self.record.schedule
        if not before.pending:
            return
        self.record, ends = supersede(self.record, event.id, self.now_ms)
        self.report_ended(before, ends)

    def report_ended(self, before: Schedule, ends: Sequence[Ended]) -> None:
        """Set the outcomes of scheduled events that ended."""
        scheduled = {waiting.event.key: waiting.event for waiting in before.pending}
        for end in ends:
            if end.key:
                event = scheduled[end.key]
                reason = "withdrawn" if end.how == "withdrawn" else ""
                self.report.change_outcome(event, "superseded", reason, ended_by(end))
                self.report.add_line(event, end.how, by=end.by)

    def update_loss(self, event: EventRef) -> None:
        """Update whether the working entry is to go now, and by the event of which source."""
        loss = loss_of(self.record, self._policies)
        if self._loss is None and loss is not None:
            self._loss_source = event.source
        self._loss = loss

    @property
    def row_router(self) -> str:
        """The router that should hold its row; empty: none is known yet."""
        return with_rows_at(self.record, self._policies).row_router or ""

    @property
    def changes_record(self) -> bool:
        """Whether the record is another than before: else nothing of pools is committed."""
        return self.record != self.before.record

    def reconsider_loss(self) -> None:
        """Compare again, once it is known which address the service has."""
        self._loss = loss_of(self.record, self._policies)

    def commit(self) -> ServiceCommit:
        """Build the commit: all that follows from the fold, in one step."""
        before, report = self.before.record, self.report
        record, overtaken = settle_overtaken(self._placed())
        record, shortens_ms, indexed = self._with_lease_time(record)
        for end in overtaken:
            report.change_outcome(end.pending.event, end.outcome, "", f"by {end.by}")
        entries = wanted_entries(record, self._policies)
        moved = record.rows_at != before.rows_at
        bulk = not self._has_live and (self._has_bulk or self._only_lease_time or moved)
        work_items = work_items_of(record, entries, bulk=bulk)
        if "address" in record.unassigned and record.address is None:
            self._wait_for_pool(record)
        elif not work_items:
            record = self._end_without_router(record)
        changed = record != before
        if record.assigned:
            report.name_assigned(record.assigned_values)
        return ServiceCommit(
            service_id=before.service_id,
            generation=self.before.generation,
            record=record if changed else None,
            claims={r: entry.claims for r, entry in entries.items()} if changed else {},
            work_items=work_items if changed else {},
            cut=self._cut() if changed else None,
            ownership_changes=ownership_change(before, record) if changed else {},
            names=record.named_routers(before) - self._policies.keys(),
            calendar=calendar_changes(before.schedule, record.schedule)
            if record.schedule is not before.schedule
            else [],
            due_ms=min(filter(None, (record.schedule.next_ms, shortens_ms)), default=0)
            if indexed
            else None,
            events=report.events,
            outcomes=report.outcomes,
            counts=report.counts,
            dead_letters=report.dead_letters,
            lines=report.lines,
            source_counts=report.source_counts,
            take=self.take,
            give_back=self.give_back,
            pool_waits=self.pool_waits,
        )

    def _placed(self) -> ServiceRecord:
        """The record with its placements.

        A service that is over when its row becomes known may have that row, and one that moved
        may have one at each router that its events named: Redis lost what it knew, and they came
        again, in any order. Its record does not say then which address a pool gave it.
        """
        record, before = placed(self.record, self._policies), self.before.record
        is_over = record.status == "cancelled"
        may_have = {self._policies[r].user_manager or r for r in self.named & self._policies.keys()}
        may_have.discard(record.row_router or "")
        was_over = before.is_given_address and before.status == "cancelled"
        if is_over and not (before.is_complete or was_over):
            may_have.add(record.row_router or "")
        if record.is_complete or (is_over and record.is_given_address):
            looked_at = dict.fromkeys(sorted(may_have & self._policies.keys()), Placement(None))
            record = record._replace(placements={**looked_at, **record.placements})
        return record

    def _wait_for_pool(self, record: ServiceRecord) -> None:
        """Without an address nothing is written for it; its events wait."""
        why = record.unassigned["address"]
        for pending in record.pending:
            self.report.change_outcome(pending.event, "waiting", why.reason, why.detail)

    def _with_lease_time(self, record: ServiceRecord) -> tuple[ServiceRecord, int, bool]:
        """Shorten the lease time ahead of scheduled events, or put it back.

        Returns:
            The record, when to decide again (ms; 0: not before the next event), and whether the
            service belongs into the index of scheduled events, or did. An ordinary event costs
            nothing here.
        """
        before = self.before.record
        short = any(at.short for at in record.placements.values())
        if not (self.released or before.schedule.pending or record.schedule.pending or short):
            return record, 0, False
        lease_times_s = self.lease_times_s(record.router) if record.router else {}
        decided, next_ms = with_lease_time(record, self._policies, lease_times_s, self.now_ms)
        if decided is not record:
            self._only_lease_time = True
            detail = shortened(decided) or "put back"
            what = {"router": record.router, "detail": detail}
            self.report.lines.append(line_to_json(self.now_ms, "lease time", what))
        return decided, next_ms, True

    def _cut(self) -> Cut:
        """Whether a working entry is to go that was not before, and by whose event."""
        if self._loss is None:
            return Cut(None)
        if self._loss_before is None:
            return Cut(self._loss, self._loss_source, new=True)
        stands = standing(self.record.placements[self._loss.router])
        return Cut(self._loss, self._loss_source, stands=stands)

    def _end_without_router(self, record: ServiceRecord) -> ServiceRecord:
        """No router is concerned: events of an incomplete service wait, of a cancelled one end."""
        missing = lacking(record)
        if missing:
            detail = f"{missing}: nothing is written to a router"
            for pending in record.pending:
                self.report.change_outcome(pending.event, "waiting", "incomplete", detail)
            return record
        record, settled = settle(record)
        for end in settled:
            reason, detail = ("", f"by {end.by}") if end.by else ("on-no-router", "")
            self.report.change_outcome(end.pending.event, end.outcome, reason, detail)
        return record


def ended_by(end: Ended) -> str:
    """Name the event that ended a scheduled one."""
    return f"by {end.by}" if end.by else "by a newer event about the same"
