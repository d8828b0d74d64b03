"""Folds the events of one service, and builds the commit that follows from them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

from contracts.events import ScheduleWithdrawn
from contracts.parse import MAX_CLOCK_SKEW
from worker.core.policy.policy import RouterPolicy
from worker.core.service.conflicts import Conflict
from worker.core.service.event_ref import Version
from worker.core.service.fold import Folded, fold, release
from worker.core.service.outcome import State
from worker.core.service.own_version import own_version
from worker.core.service.record import ServiceRecord
from worker.core.service.schedule import (
    MAX_PENDING,
    NOTHING_SCHEDULED,
    Scheduled,
    as_said,
    ended_of,
)
from worker.core.service.scheduling import keep, scheduled_of, withdraw
from worker.core.service.writes import changes_nothing, differing, writes_of
from worker.core.storage_format import rfc3339
from worker.intake.checks import ID_REUSED, CheckedEvent, microseconds
from worker.intake.draft import CommitDraft, ended_by
from worker.store.records import Stored
from worker.store.store import Store


class Folding:
    """One service while its events are folded, into the draft of a commit.

    `stored`: the record to fold into; the others as of `CommitDraft`.
    """

    def __init__(
        self,
        stored: Stored,
        policies: Mapping[str, RouterPolicy],
        now_ms: int,
        last_read: Callable[[str], int] = lambda _router: 0,
        lease_times_s: Callable[[str], Mapping[str, int]] = lambda _router: {},
    ) -> None:
        self.service_id = stored.record.service_id
        self._now_ms = now_ms
        self._draft = CommitDraft(stored, policies, now_ms, last_read, lease_times_s)
        self._report = self._draft.report
        self._contents: dict[str, str] = {}

    def fold(self, events: Sequence[CheckedEvent], seen: Mapping[str, str]) -> CommitDraft:
        """Fold events in the order in which they came (any order gives the same registers).

        `seen`: event key -> short content hash of events that were committed before.
        """
        for event in events:
            self._report.lane = event.lane
            self._report.by[event.ref.key] = event.by
            earlier = self._contents.get(event.ref.key) or seen.get(event.ref.key)
            waiting = self._draft.record.schedule
            if earlier is not None and earlier != event.content:
                self._reject(event, ID_REUSED.reason, ID_REUSED.detail)
            elif earlier is not None or (
                waiting is not NOTHING_SCHEDULED and waiting.knows(event.ref.key)
            ):
                self._report.came_again(event.ref, "duplicate")
            else:
                self._contents[event.ref.key] = event.content
                self._accept(event)
        return self._draft

    def release(self) -> CommitDraft:
        """Let the scheduled events that are due take effect, in the order of their times."""
        self._draft.released = True
        for scheduled in self._draft.record.schedule.due(self._now_ms):
            if scheduled in self._draft.record.schedule.pending:  # a cancellation ends older ones
                self._release(scheduled)
        return self._draft

    def reassign(self, pool: str) -> CommitDraft:
        """Have the values of pools looked up again: the service waits for one of this pool."""
        self._draft.reassigns, self._draft.waited_for = True, frozenset({pool})
        return self._draft

    def _accept(self, event: CheckedEvent) -> None:
        """Check whether the source may change the service, and with which version."""
        record, source = self._draft.record, event.source
        may_own = record.owner is None and "publish" in source.scopes
        is_owner = record.owner == event.ref.source
        if not (is_owner or may_own) and "override" not in source.scopes:
            owner = "another source" if source.isolated else f"source {record.owner}"
            self._reject(event, "not-owner", f"the service belongs to {owner}")
            return
        if may_own:
            self._draft.record = record._replace(owner=event.ref.source)
        if isinstance(event.event, ScheduleWithdrawn):
            self._withdraw(event, event.event.data.withdraws)
        elif not (is_owner or may_own):
            # An operator's event gets its version in this commit and never again: it is
            # remembered even if it changes nothing.
            self._take_unversioned(event)
        elif event.revision is None and event.as_of_ms:
            self._take_unversioned(event)
        elif event.revision is None:
            self._draft.record = record
            detail = "the source counts revisions, but data.revision is missing"
            self._reject(event, "revision-required", detail)
        else:
            self._take(event, Version(record.epoch, event.revision, 0, event.digest))

    def _take_unversioned(self, event: CheckedEvent) -> None:
        """Take an event that has no version of its own: it beats all earlier events.

        A clock that is too far ahead must not win over all events until then.

        A row of a file is as old as the file: events that came after that stand.
        """
        if event.as_of_ms and self._draft.record.last_event_ms > event.as_of_ms:
            came = f"an event that came at {_moment(self._draft.record.last_event_ms)} is newer"
            detail = f"{came} than {_moment(event.as_of_ms)}, the time of the file"
            self._set_outcome(event, "superseded", reason="newer-than-file", detail=detail)
            return
        own, beside = writes_of(event.event, event.source.unmanaged)
        latest = datetime.fromtimestamp(self._now_ms / 1000, UTC) + MAX_CLOCK_SKEW
        said_us = microseconds(min(event.event.asof or event.event.time, latest))
        version = own_version(self._draft.record, event.digest, said_us, own.keys() | beside.keys())
        self._take(event, version, unversioned=True)

    def _take(self, event: CheckedEvent, version: Version, *, unversioned: bool = False) -> None:
        at_ms, schedule = event.effective_at_ms, self._draft.record.schedule
        if at_ms and (at_ms > self._now_ms or schedule.withdrawn_by(event.ref.id) is not None):
            self._schedule(event, version)
        else:
            self._fold(event, version, unversioned=unversioned)

    def _fold(self, event: CheckedEvent, version: Version, *, unversioned: bool) -> None:
        before, ref = self._draft.record, event.ref
        last_event_ms = event.as_of_ms or self._now_ms
        folded = fold(before, event.event, version, event.source.unmanaged, last_event_ms)
        self._draft.record = folded.record
        if "router" in folded.changed and before.router:
            self._draft.named.add(before.router)
        elif "router" in folded.overtaken:
            own, beside = writes_of(event.event, event.source.unmanaged)
            self._draft.named.add(str({**own, **beside}["router"]))
        self._draft.update_loss(ref)
        if not folded.wrote:
            self._fold_late(event, version, folded, before)
        elif self._draft.changes_nothing(before, folded):
            content = event.content if unversioned else None
            self._draft.leave_unchanged(ref, "unchanged", version, content, brief=True)
        else:
            self._draft.add_pending(ref, version, folded.wrote)
            differs = sorted(differing(before, event.event) & folded.wrote)
            self._set_outcome(event, "accepted")
            more = {"previous_differs": differs} if differs else {}
            self._report.add_line(ref, "accepted", changed=sorted(folded.changed), **more)
            if differs:
                self._report.add_log("event.previous_differs", ref, registers=differs)
        if folded.conflicts:
            disputed = tuple(sorted(folded.conflicts))
            conflict = Conflict(self.service_id, disputed, version[:-1])
            self._draft.conflicts.setdefault(ref.source, []).append(conflict)
            registers = ", ".join(disputed)
            self._report.add_line(ref, "revision-conflict", registers=registers)
            advice = "two events of one revision disagree: check the source's counter"
            self._report.add_log("event.revision_conflict", ref, registers=registers, advice=advice)
        self._draft.supersede_scheduled(ref)

    def _fold_late(
        self, event: CheckedEvent, version: Version, folded: Folded, before: ServiceRecord
    ) -> None:
        """The event wrote nothing: it came before, or newer ones hold all its registers."""
        ref = event.ref
        events = (held.event for held in before.registers.values() if held.version == version)
        same = next(events, None)
        holders = ", ".join(sorted(set(folded.overtaken.values())))
        if same == ref.id:
            self._report.came_again(ref, "duplicate")
        elif same is not None:
            detail = f"event {same} said the same under the same revision"
            self._report.set_outcome(ref, "duplicate", detail=detail, brief=True)
        elif changes_nothing(before, event.event, event.source.unmanaged):
            detail = f"by {holders}, with the same content"
            self._report.set_outcome(
                ref, "superseded", count="unchanged", detail=detail, brief=True
            )
        else:
            self._set_outcome(event, "superseded", detail=f"by {holders}")
            self._report.add_line(ref, "superseded", by=holders)

    def _schedule(self, event: CheckedEvent, version: Version) -> None:
        """Schedule an event, unless it was withdrawn or superseded already."""
        if len(self._draft.record.schedule.pending) >= MAX_PENDING:
            detail = f"{MAX_PENDING} events of the service are scheduled; withdraw some"
            self._reject(event, "too-many-scheduled", detail)
            return
        at_ms, unmanaged = event.effective_at_ms, event.source.unmanaged
        live = event.ref._replace(bulk=False)  # its release is one event, and no import
        scheduled = scheduled_of(event.event, live, at_ms, version, unmanaged)
        self._draft.record, end = keep(self._draft.record, scheduled, self._now_ms)
        if end is None:
            moment = _moment(at_ms)
            detail = f"takes effect at {moment}"
            self._set_outcome(event, "scheduled", detail=detail, effective_at_ms=at_ms)
            self._report.add_line(event.ref, "scheduled", effective_at=moment)
        else:
            reason = "withdrawn" if end.how == "withdrawn" else ""
            self._set_outcome(event, "superseded", reason=reason, detail=ended_by(end))
            self._report.add_line(event.ref, end.how, by=end.by)

    def _release(self, scheduled: Scheduled) -> None:
        before, event = self._draft.record, scheduled.event
        said_us = scheduled.at_ms * 1000
        version = own_version(before, scheduled.version.digest, said_us, as_said(scheduled.own))
        folded = release(before, scheduled, version, self._now_ms)
        end = ended_of(scheduled, "released", "", self._now_ms)
        schedule = before.schedule.with_ended([end], self._now_ms)
        self._draft.record = folded.record._replace(schedule=schedule)
        self._draft.update_loss(event)
        router = self._draft.row_router
        if self._draft.changes_nothing(before, folded):
            self._draft.leave_unchanged(event, "released", version)
        else:
            self._draft.add_pending(event, version, folded.wrote & scheduled.own.keys())
            self._report.set_outcome(event, "accepted", count="released", router=router)
        self._report.add_line(event, "released", changed=sorted(folded.changed))
        self._draft.supersede_scheduled(event)

    def _withdraw(self, event: CheckedEvent, event_ids: Sequence[str]) -> None:
        before = self._draft.record.schedule
        self._draft.record, ends = withdraw(
            self._draft.record, event_ids, event.ref.id, self._now_ms
        )
        self._draft.report_ended(before, ends)
        withdrawn = {end.event_id for end in ends if end.key}
        to_come = {end.event_id for end in ends if not end.key}
        too_late = {event_id: "" for event_id in event_ids if event_id not in withdrawn | to_come}
        too_late |= {e.event_id: e.how for e in before.ended if e.event_id in too_late}
        results = {
            "withdrawn": sorted(withdrawn),
            "not come yet": sorted(to_come),
            "left as it was": [f"{event_id} ({how})" for event_id, how in too_late.items()],
        }
        detail = "; ".join(f"{result}: {', '.join(ids)}" for result, ids in results.items() if ids)
        self._set_outcome(event, "applied", detail=detail)
        self._report.add_line(event.ref, "withdrawal", events=", ".join(event_ids))

    def _set_outcome(
        self,
        event: CheckedEvent,
        state: State,
        *,
        reason: str = "",
        detail: str = "",
        effective_at_ms: int = 0,
    ) -> None:
        """Set the outcome of an event that came, and remember its content."""
        self._report.set_outcome(
            event.ref,
            state,
            reason=reason,
            detail=detail,
            router=self._draft.row_router,
            effective_at_ms=effective_at_ms,
            content=event.content,
        )

    def _reject(self, event: CheckedEvent, reason: str, detail: str) -> None:
        """Dead-letter an event; if its id was used before, the first event's outcome stands."""
        ref, reused = event.ref, reason == ID_REUSED.reason
        dead_letter = f"{ref.key}.{event.content}" if reused else ref.key
        self._report.add_dead_letter(ref, dead_letter, reason, detail, event.raw)
        if reused:
            self._report.reject_reused(ref, reason, detail)
        else:
            # Its content is not remembered: once the cause is corrected it may be sent again.
            self._report.set_outcome(ref, "rejected", reason=reason, detail=detail)


def folding_with(
    store: Store, policies: Mapping[str, RouterPolicy], now_ms: int
) -> Callable[[Stored], Folding]:
    """Return what makes a folding; the store is asked at most once about a router."""
    last_read = cache(store.full_reads.last_ms)
    lease_times_s = cache(lambda router: store.memory.effect(router).lease_times_s)
    return lambda stored: Folding(stored, policies, now_ms, last_read, lease_times_s)


def _moment(ms: int) -> str:
    return rfc3339(ms).replace(".000Z", "Z")
