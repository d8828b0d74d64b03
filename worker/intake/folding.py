"""The fold of one service's events, and the commit that follows from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from contracts import ScheduleWithdrawn, names
from contracts.parse import MAX_CLOCK_SKEW
from worker.core.entry.brake import Cut, loss_of, ownership_change
from worker.core.entry.entry import claims_of, lacking
from worker.core.entry.wanted import in_sync, placed, wanted_entries, work_items_of
from worker.core.policy.policy import RouterPolicy
from worker.core.service.conflicts import Conflict
from worker.core.service.fold import Folded, fold, release
from worker.core.service.outcome import UNCHANGED, State
from worker.core.service.record import (
    PendingEvent,
    ServiceRecord,
    own_version,
    settle,
    settle_overtaken,
)
from worker.core.service.schedule import MAX_PENDING, Ended, Schedule, Scheduled, ended_of
from worker.core.service.scheduling import keep, scheduled_of, supersede, withdraw
from worker.core.service.version import Version
from worker.core.service.writes import differing, says_nothing_new, writes_of
from worker.intake.checks import ID_REUSED, CheckedEvent, microseconds
from worker.intake.report import EventRef, Report
from worker.store.records import ServiceCommit, Stored, short_hash


class Folding:
    """One service while its events are folded; nothing of it is true before its commit.

    `conflicts`, by source, are to be noted before that, and go by themselves if it fails.

    Args:
        stored: the record that is folded into, with its generation.
        policies: router -> policy.
        now_ms: Redis's time.
        last_read: when a whole router was last read (ms). What a service was last seen to hold
            there before that may be otherwise by now: an event that changes nothing is looked at
            on the router before it is said to be applied.
    """

    def __init__(
        self,
        stored: Stored,
        policies: Mapping[str, RouterPolicy],
        now_ms: int,
        last_read: Callable[[str], int] = lambda _router: 0,
    ) -> None:
        self.service_id = stored.record.service_id
        self.conflicts: dict[str, list[Conflict]] = {}
        self._before = stored
        self._record = stored.record
        self._policies = policies
        self._now_ms = now_ms
        self._last_read = last_read
        self._report = Report(self.service_id, now_ms)
        self._contents: dict[str, str] = {}
        self._lanes: set[str] = set()
        self._released = False
        self._loss = self._loss_before = loss_of(stored.record, policies)
        self._cut_by = ""

    def fold(self, events: Sequence[CheckedEvent], seen: Mapping[str, str]) -> "Folding":
        """Fold events in the order in which they came (any order gives the same registers).

        Args:
            events: of this service.
            seen: event key -> short content hash of those that were committed before.
        """
        for each in events:
            earlier = self._contents.get(each.key) or seen.get(each.key)
            content = short_hash(each.content)
            if earlier is not None and earlier != content:
                self._reject(each, ID_REUSED.reason, ID_REUSED.detail)
            elif earlier == content or self._record.schedule.knows(each.key):
                self._report.again(each.subject, "duplicate")
            else:
                self._contents[each.key] = content
                self._accept(each)
        return self

    def release(self) -> "Folding":
        """Let the scheduled events take effect whose time has come, in the order of their times."""
        self._released = True
        for each in self._record.schedule.due(self._now_ms):
            if each in self._record.schedule.pending:  # a cancellation ends older ones
                self._release(each)
        return self

    def commit(self) -> ServiceCommit:
        """All that follows from the fold, to be committed in one step."""
        record, overtaken = settle_overtaken(placed(self._record))
        for end in overtaken:
            self._report.correct(EventRef.of_pending(end.pending), end.outcome, "", f"by {end.by}")
        entries = wanted_entries(record, self._policies)
        work_items = work_items_of(record, entries, bulk=self._lanes == {names.QUEUE_BULK})
        if not work_items:
            record = self._end_without_router(record)
        changed = record != self._before.record
        indexed = self._released or self._before.record.schedule.pending or record.schedule.pending
        return ServiceCommit(
            service_id=self.service_id,
            generation=self._before.generation,
            record=record if changed else None,
            claims={r: claims_of(entry) for r, entry in entries.items()} if changed else {},
            work_items=work_items if changed else {},
            cut=self._cut() if changed else None,
            ownership_changes=ownership_change(self._before.record, record) if changed else {},
            due_ms=record.schedule.next_ms if indexed else None,
            events=self._report.events,
            outcomes=self._report.outcomes,
            counts=self._report.counts,
            dead_letters=self._report.dead_letters,
            lines=self._report.lines,
            heard=self._report.heard,
            names=_routers_of(record) - _routers_of(self._before.record) - self._policies.keys(),
        )

    def _cut(self) -> Cut:
        """Whether a working entry is to go away that was not before, and by whose event."""
        if self._loss is None:
            return Cut(None)
        return Cut(self._loss, self._cut_by, new=self._loss_before is None)

    def write_logs(self) -> None:
        """Log what was committed: only now is it true."""
        self._report.write_logs()

    def _accept(self, each: CheckedEvent) -> None:
        """See whether the source may speak of the service, and under which version."""
        record, source = self._record, each.source
        may_own = record.owner is None and "publish" in source.scopes
        if record.owner != each.event.source and not may_own and "override" not in source.scopes:
            owner = "another source" if source.isolated else f"source {record.owner}"
            self._reject(each, "not-owner", f"the service belongs to {owner}")
            return
        if isinstance(each.event, ScheduleWithdrawn):
            self._own(each, may_own=may_own)
            self._withdraw(each, each.event.data.withdraws)
        elif record.owner != each.event.source and not may_own:
            # The word of an operator. Its version is stamped in this commit and never again: it is
            # remembered even where it changes nothing.
            self._stamp(each)
        elif each.revision is None and each.as_of_ms:
            self._own(each, may_own=may_own)
            self._stamp(each)
        elif each.revision is None:
            detail = "the source counts revisions, but data.revision is missing"
            self._reject(each, "revision-required", detail)
        else:
            self._own(each, may_own=may_own)
            self._take(each, Version(record.epoch, each.revision, 0, each.digest))

    def _stamp(self, each: CheckedEvent) -> None:
        """Take an event that has no version of its own: it beats what was said before it.

        A clock that is ahead by more than is allowed must not win over all that is said until then.

        A row of a file speaks of a moment that may be long past, and what came after it stands.
        """
        if each.as_of_ms and self._record.last_event_ms > each.as_of_ms:
            came = f"an event that came at {_moment(self._record.last_event_ms)} is newer"
            detail = f"{came} than {_moment(each.as_of_ms)}, of which the file speaks"
            self._set_outcome(
                each, "superseded", "superseded", reason="newer-than-file", detail=detail
            )
            return
        own, beside = writes_of(each.event, each.source.unmanaged)
        latest = datetime.fromtimestamp(self._now_ms / 1000, UTC) + MAX_CLOCK_SKEW
        said = microseconds(min(each.event.asof or each.event.time, latest))
        version = own_version(self._record, each.digest, said, own.keys() | beside.keys())
        self._take(each, version, stamped=True)

    def _own(self, each: CheckedEvent, *, may_own: bool) -> None:
        if may_own:
            self._record = replace(self._record, owner=each.event.source)

    def _take(self, each: CheckedEvent, version: Version, *, stamped: bool = False) -> None:
        at_ms, schedule = each.subject.effective_at_ms, self._record.schedule
        if at_ms and (at_ms > self._now_ms or schedule.withdrawn_by(each.event.id) is not None):
            self._schedule(each, version)
        else:
            self._fold(each, version, stamped=stamped)

    def _fold(self, each: CheckedEvent, version: Version, *, stamped: bool) -> None:
        before, of = self._record, each.subject
        last_event_ms = each.as_of_ms or self._now_ms
        folded = fold(before, each.event, version, each.source.unmanaged, last_event_ms)
        self._record = folded.record
        self._note_cut(of)
        if not folded.wrote:
            self._log_late(each, version, folded, before)
        elif self._changes_nothing(before, folded):
            self._leave(of, "unchanged", version, each.content if stamped else None, brief=True)
        else:
            self._expect(of, version, folded.wrote)
            self._set_outcome(each, "accepted", "accepted")
            otherwise = sorted(differing(before, each.event) & folded.wrote)
            more = {"previous_differs": otherwise} if otherwise else {}
            self._report.line(of, "accepted", changed=sorted(folded.changed), **more)
            if otherwise:
                self._report.add_log("event.previous_differs", of, registers=otherwise)
        if folded.conflicts:
            disputed = tuple(sorted(folded.conflicts))
            conflict = Conflict(self.service_id, disputed, version.rank)
            self.conflicts.setdefault(of.source, []).append(conflict)
            registers = ", ".join(disputed)
            self._report.line(of, "revision-conflict", registers=registers)
            advice = "two events of one revision disagree: look at the source's counter"
            self._report.add_log("event.revision_conflict", of, registers=registers, advice=advice)
        self._supersede(of)

    def _log_late(
        self, each: CheckedEvent, version: Version, folded: Folded, before: ServiceRecord
    ) -> None:
        """The event wrote nothing: it had been said, or newer ones hold all that it says."""
        of = each.subject
        said = (held.event for held in before.registers.values() if held.version == version)
        same = next(said, None)
        holders = ", ".join(sorted(set(folded.overtaken.values())))
        if same == each.event.id:
            self._report.again(of, "duplicate")
        elif same is not None:
            detail = f"event {same} said the same under the same revision"
            self._report.set_outcome(of, "duplicate", "duplicate", detail=detail, brief=True)
        elif says_nothing_new(before, each.event, each.source.unmanaged):
            detail = f"by {holders}, with the same content"
            self._report.set_outcome(of, "unchanged", "superseded", detail=detail, brief=True)
        else:
            self._set_outcome(each, "superseded", "superseded", detail=f"by {holders}")
            self._report.line(of, "superseded", by=holders)

    def _note_cut(self, of: EventRef) -> None:
        """Note whether the working entry is to go away now, and whose event it is that takes it."""
        loss = loss_of(self._record, self._policies)
        if self._loss is None and loss is not None:
            self._cut_by = of.source
        self._loss = loss

    def _schedule(self, each: CheckedEvent, version: Version) -> None:
        """Keep an event for its time, unless it was withdrawn or superseded already."""
        if len(self._record.schedule.pending) >= MAX_PENDING:
            detail = f"{MAX_PENDING} events of the service are scheduled; withdraw some"
            self._reject(each, "too-many-scheduled", detail)
            return
        of = each.subject
        scheduled = scheduled_of(
            each.event,
            version,
            each.source.unmanaged,
            key=each.key,
            at_ms=of.effective_at_ms,
            now_ms=self._now_ms,
        )
        self._record, end = keep(self._record, scheduled, self._now_ms)
        if end is None:
            moment = _moment(of.effective_at_ms)
            self._set_outcome(each, "scheduled", "scheduled", detail=f"takes effect at {moment}")
            self._report.line(of, "scheduled", effective_at=moment)
        else:
            reason = "withdrawn" if end.how == "withdrawn" else ""
            self._set_outcome(each, "superseded", "superseded", reason=reason, detail=_by(end))
            self._report.line(of, end.how, by=end.by)

    def _release(self, scheduled: Scheduled) -> None:
        before, of = self._record, EventRef.of_scheduled(scheduled)
        said_us = scheduled.at_ms * 1000
        version = own_version(before, scheduled.version.digest, said_us, scheduled.own)
        folded = release(before, scheduled, version, self._now_ms)
        end = ended_of(scheduled, "released", "", self._now_ms)
        schedule = before.schedule.with_ended([end], self._now_ms)
        self._record = replace(folded.record, schedule=schedule)
        self._note_cut(of)
        router = self._record.router or ""
        if self._changes_nothing(before, folded):
            self._leave(of, "released", version)
        else:
            self._expect(of, version, folded.wrote & scheduled.own.keys())
            self._report.set_outcome(of, "released", "accepted", router=router)
        self._report.line(of, "released", changed=sorted(folded.changed))
        self._supersede(of)

    def _withdraw(self, each: CheckedEvent, event_ids: Sequence[str]) -> None:
        before, of = self._record.schedule, each.subject
        self._record, ends = withdraw(self._record, event_ids, each.event.id, self._now_ms)
        self._log_ended(before, ends)
        withdrawn = {end.event_id for end in ends if end.key}
        to_come = {end.event_id for end in ends if not end.key}
        too_late = {event_id: "" for event_id in event_ids if event_id not in withdrawn | to_come}
        too_late |= {e.event_id: e.how for e in before.ended if e.event_id in too_late}
        said = {
            "withdrawn": sorted(withdrawn),
            "not come yet": sorted(to_come),
            "left as it was": [f"{event_id} ({how})" for event_id, how in too_late.items()],
        }
        detail = "; ".join(f"{what}: {', '.join(ids)}" for what, ids in said.items() if ids)
        self._set_outcome(each, "applied", "applied", detail=detail)
        self._report.line(of, "withdrawal", events=", ".join(event_ids))

    def _supersede(self, of: EventRef) -> None:
        """What was just folded may end what was scheduled before it."""
        before = self._record.schedule
        if not before.pending:
            return
        self._record, ends = supersede(self._record, of.event_id, self._now_ms)
        self._log_ended(before, ends)

    def _log_ended(self, before: Schedule, ends: Sequence[Ended]) -> None:
        waited = {each.key: each for each in before.pending}
        for end in ends:
            if end.key:
                of = EventRef.of_scheduled(waited[end.key])
                reason = "withdrawn" if end.how == "withdrawn" else ""
                self._report.correct(of, "superseded", reason, _by(end))
                self._report.line(of, end.how, by=end.by)

    def _changes_nothing(self, before: ServiceRecord, folded: Folded) -> bool:
        return (
            not folded.changed
            and not before.pending
            and folded.record.status != "incomplete"
            and in_sync(before, self._policies)
        )

    def _leave(
        self,
        of: EventRef,
        count: str,
        version: Version,
        content: str | None = None,
        *,
        brief: bool = False,
    ) -> None:
        """The event changes nothing: it is applied, if need be once that was seen on the router."""
        router = self._record.router or ""
        at = self._record.placements.get(router)
        if at is not None and self._last_read(router) > at.seen_ms:
            self._expect(of, version, frozenset(), names.QUEUE_BULK)
            self._report.set_outcome(
                of, count, "accepted", router=router, content=content, brief=brief
            )
        else:
            self._report.set_outcome(
                *(of, count, "applied"),
                reason=UNCHANGED,
                router=router,
                content=content,
                brief=brief,
            )

    def _expect(
        self,
        of: EventRef,
        version: Version,
        registers: frozenset[str],
        lane: names.Lane | None = None,
    ) -> None:
        """The event is outstanding until a router confirms; `lane`: another than it came by."""
        pending = PendingEvent(
            key=of.key,
            event_id=of.event_id,
            source=of.source,
            type=of.type,
            registers=tuple(sorted(registers)),
            version=version,
            accepted_at_ms=of.accepted_at_ms or self._now_ms,
            lane=lane or of.lane or names.QUEUE_EVENTS,
        )
        self._record = replace(self._record, pending=(*self._record.pending, pending))
        self._lanes.add(pending.lane)

    def _end_without_router(self, record: ServiceRecord) -> ServiceRecord:
        """No router is concerned: events of an incomplete service wait, of a cancelled one end."""
        missing = lacking(record)
        if missing:
            for each in record.pending:
                detail = f"{missing}: nothing is written to a router"
                self._report.correct(EventRef.of_pending(each), "waiting", "incomplete", detail)
            return record
        record, settled = settle(record)
        for end in settled:
            reason = "" if end.by else "on-no-router"
            of, detail = EventRef.of_pending(end.pending), f"by {end.by}" if end.by else ""
            self._report.correct(of, end.outcome, reason, detail)
        return record

    def _set_outcome(
        self, each: CheckedEvent, count: str, state: State, *, reason: str = "", detail: str = ""
    ) -> None:
        """The word on an event that came, and that is remembered."""
        self._report.set_outcome(
            each.subject,
            count,
            state,
            reason=reason,
            detail=detail,
            router=self._record.router or "",
            content=each.content,
        )

    def _reject(self, each: CheckedEvent, reason: str, detail: str) -> None:
        """Dead-letter an event; where its id was used before, the first one's outcome stands."""
        of, reused = each.subject, reason == ID_REUSED.reason
        dead_letter = f"{each.key}.{short_hash(each.content)}" if reused else each.key
        self._report.add_dead_letter(of, dead_letter, reason, detail, each.raw)
        if reused:
            self._report.reject_beside(of, reason, detail)
        else:
            # It is not remembered: after a person put things right it may be sent again.
            self._report.set_outcome(of, "rejected", "rejected", reason=reason, detail=detail)


def _routers_of(record: ServiceRecord) -> set[str]:
    """The routers that a record wants, now or later."""
    writes = [said for each in record.schedule.pending for said in (each.own, each.beside)]
    later = {str(said["router"]) for said in writes if said.get("router")}
    return later | ({record.router} if record.router else set())


def _by(end: Ended) -> str:
    return f"by {end.by}" if end.by else "by a newer event about the same"


def _moment(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z").replace(".000Z", "Z")
