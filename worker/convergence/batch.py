"""Runs the batches of a pass in rounds: claim, read, plan, write, until nothing is left to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from worker.convergence.batch_item import Attempts, BatchItem
from worker.convergence.concluder import Concluder
from worker.convergence.confirm import SWITCHED_OFF, WARNINGS, confirmed, switched_off
from worker.convergence.gather import Gatherer
from worker.convergence.make_effective import MakeEffective
from worker.convergence.observe import observe
from worker.convergence.pool_rows import give_others
from worker.convergence.safety_checks import check_rows
from worker.convergence.unclear_clients import unclear_after
from worker.convergence.writing import Answers, write
from worker.core.effect.means import means_of
from worker.core.entry.short_lease import with_explicit_time
from worker.core.full_read.row_owners import FEW
from worker.core.plan.in_flight import added_rows, placements_to_note
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import (
    IDENTIFYING,
    Add,
    MakeStatic,
    Operation,
    Set,
    Waiting,
    WritePlan,
)
from worker.core.rows.rows import LEASES, RowKey
from worker.store.batches import Conclusion, WorkItem
from worker.store.commits import ServiceCommit
from worker.store.records import Stored

log = structlog.get_logger(__name__)

MAX_STALE: Final = 3
"""Reads in a row that were old when their write arrived: then the service waits."""
MAX_WRITES: Final = 2
"""Successful writes after which a field that still differs does not stick."""


class BatchRunner:
    """Runs the batches of one pass.

    Args:
        policy: of the router.
        concluder: concludes the services.
        was_read: called when rows of the router were read first.
    """

    def __init__(
        self, policy: RouterPolicy, concluder: Concluder, was_read: Callable[[], None]
    ) -> None:
        self._store = concluder.store
        self._session = concluder.session
        self._policy = policy
        self._was_read = was_read
        self._lock = concluder.lock
        self._router = concluder.lock.router
        self._gatherer = Gatherer(policy, concluder)
        self.concluder = concluder
        self._effect = replace(concluder.effect, means=means_of(policy, concluder.effect.facts))
        self._effective = MakeEffective(policy, concluder, self._effect.means)
        self._taken: set[str] = set()
        self._duplicates: frozenset[RowKey] = frozenset()
        self._rows_checked = self._has_read = False

    def run(self, work_items: Sequence[WorkItem], now_ms: int) -> None:
        """Work on the services of a batch until each is confirmed, waits or failed.

        A service that changes meanwhile keeps its work item, and is checked again.

        Raises:
            RouterBlocked: also when too many were refused with the same message (`mass-refusal`).
        """
        self.concluder.now_ms = now_ms
        self.concluder.statistics.services += len(work_items)
        self._taken = {work_item.service_id for work_item in work_items}
        just_taken = True
        for group in self.concluder.faults.groups(work_items):
            if self._policy.mode == "observe":
                prerequisites = self.concluder.prerequisites
                observed = observe(self._gatherer, prerequisites, self._policy, group, now_ms)
                self.concluder.conclude(observed)
                continue
            self._run_group(self._gatherer.items(group), just_taken=just_taken)
            just_taken = False
        if self.concluder.refusals:
            self.concluder.raise_mass_refusal()

    def _run_group(self, group: Sequence[BatchItem], *, just_taken: bool) -> None:
        self.concluder.begin(group)
        items = self._postpone_missing(self._gatherer.claim(group, just_taken=just_taken))
        while items:
            items = self._run_round(items)

    def _postpone_missing(self, items: dict[str, BatchItem]) -> dict[str, BatchItem]:
        """Postpone services for which the router lacks something; warn of, or fail, misfits."""
        conclusions, left = [], {}
        for service_id, item in items.items():
            missing, misfit = self.concluder.prerequisites.check(item)
            if missing is not None:
                conclusions.append(self.concluder.wait(item, missing))
                give_others(self._store, [(item, missing)])
            elif misfit is not None and self._policy.on_misfit == "refuse":
                conclusions.append(self.concluder.fail(item, misfit.kind, misfit.detail))
            else:
                left[service_id] = item if misfit is None else replace(item, warning=misfit)
        if conclusions:
            self.concluder.prerequisites.log_missing(self.concluder.now_ms)
            self.concluder.conclude(conclusions)
        return left

    def _run_round(self, items: dict[str, BatchItem]) -> dict[str, BatchItem]:
        """Read, plan and write once; returns the services that must be read back."""
        before = items.keys()
        gathered = self._gatherer.close(items, self._duplicates)
        items = gathered.items
        if not self._has_read:
            self._has_read = True
            self._was_read()
        joined = items.keys() - before
        self.concluder.attempts |= {service_id: Attempts() for service_id in joined}
        self.concluder.statistics.services += len(joined)
        made = plan(gathered.wanted, gathered.index, self._policy)
        self._duplicates = made.duplicates
        unclear = self.concluder.unclear_clients
        if unclear is not None or any(item.entry.bindings for item in items.values()):
            self.concluder.unclear_clients = unclear_after(unclear or {}, items, made.notes)
        self._check_rows_if_lost(items, made)
        items = self._with_warnings(items, made)
        waiting = [(items[name], why) for name, why in made.waiting.items()]
        items = self._conclude_done(items, made)
        if waiting:
            give_others(self._store, waiting, gathered.index)
        if items:
            items = self._note_placements(items, made)
        if not items:
            return items
        logins = items if self._effective.ends_sessions else {}
        adds = added_rows(made, {name: item.entry.fields for name, item in logins.items()})
        braked = self._lock.begin_writing(items.keys(), self._taken, adds)
        if braked:  # since it was taken: planned again without it, and its work item stays held
            self._taken -= braked
            return {name: item for name, item in items.items() if name not in braked}
        for service_id in adds.keys() & items.keys():
            self.concluder.attempts[service_id].added += adds[service_id]
        return self._after_writing(items, self._write(items, made))

    def _check_rows_if_lost(self, items: Mapping[str, BatchItem], made: WritePlan) -> None:
        """Check all rows before the first write if our rows are gone, or others wrote them.

        That is, if fewer than half of our rows are there, or if several services of which nothing
        was written here have a row already that would change.
        """
        attempts = self.concluder.attempts
        unwritten = {name: item for name, item in items.items() if not attempts[name].wrote}
        if self._rows_checked or not unwritten:
            return
        placed = {name for name, item in unwritten.items() if item.at.written}
        new = {
            name
            for name, item in unwritten.items()
            if item.at.written is None
            and (item.work_item.sent is None or item.work_item.sent_again)
        }
        leases = [write for write in made.operations if write.menu == LEASES]
        added = {write.service_id for write in leases if isinstance(write, Add | MakeStatic)}
        moved = {
            write.service_id
            for write in leases
            if isinstance(write, Set) and write.fields.keys() & IDENTIFYING
        }
        few_gone = len(placed & added) * 2 <= len(placed)
        if few_gone and len(new & moved - added) <= FEW:
            return
        self._rows_checked = True
        check_rows(self._store, self._session, self._policy, self._lock)
        # What is confirmed was read after that.
        self.concluder.now_ms = self._store.records.now_ms()

    def _with_warnings(self, items: dict[str, BatchItem], made: WritePlan) -> dict[str, BatchItem]:
        """The items with what the plan warns of; everything that it notes is logged."""
        warned = dict(items)
        for note in made.notes:
            item = items.get(note.service_id)
            if item is not None and note.kind in WARNINGS and item.entry.fields is not None:
                before = warned[note.service_id].warning
                if before is None or before.kind != SWITCHED_OFF:  # for it an event may wait
                    warned[note.service_id] = replace(item, warning=note)
            log.warning(
                "plan.note",
                router=self._router,
                service_id=note.service_id,
                kind=note.kind,
                detail=note.detail,
            )
        log.debug(
            "plan.computed" if made.operations else "plan.empty",
            router=self._router,
            reason=made.reason,
            operations=len(made.operations),
            phases=len(made.phases),
            waiting=len(made.waiting),
        )
        return warned

    def _conclude_done(self, items: dict[str, BatchItem], made: WritePlan) -> dict[str, BatchItem]:
        """Confirm what needs no write, postpone what waits; returns those to be written."""
        concluder = self.concluder
        busy = {operation.service_id for operation in made.operations}
        conclusions: list[Conclusion] = []
        left: dict[str, BatchItem] = {}
        done: list[BatchItem] = []
        for service_id, item in items.items():
            why, attempts = made.waiting.get(service_id), concluder.attempts[service_id]
            if why is not None and service_id not in busy:
                postpone = concluder.give_way if item.gives_way else concluder.wait
                conclusions.append(postpone(item, why))
            elif service_id not in busy and item.warning and (off := switched_off(item)):
                conclusions.append(concluder.wait(item, off))
            elif service_id not in busy:
                done.append(item)
            elif attempts.writes >= MAX_WRITES and (why is None or item.entry.devices):
                conclusions.append(concluder.does_not_stick(item, made))
            else:
                left[service_id] = item
        if done or conclusions:
            self._confirm(done, made, conclusions)
        return left

    def _confirm(
        self, items: Sequence[BatchItem], made: WritePlan, others: Sequence[Conclusion]
    ) -> None:
        """Confirm services, and have their changes act at once where the router allows it.

        The plan `made` found their rows as wanted; `others` are stored with their conclusions.
        """
        now_ms, effective = self.concluder.now_ms, self._effective
        cut = [item for item in items if effective.needs_cut(item)]
        uncut = [item for item in items if item not in cut] if cut else items
        confirmed_now = [self._confirmed(item, made) for item in uncut]
        concluded = self.concluder.conclude([*others, *confirmed_now])
        if cut:  # last, as it may take seconds
            remarks = effective.cut(cut, now_ms)
            confirmed_now = [
                self._confirmed(item, made, remarks.get(item.service_id, "")) for item in cut
            ]
            concluded |= self.concluder.conclude(confirmed_now)
        if self._effect.facts.reconfigure:  # some DHCP server there can
            effective.reconfigure([item for item in items if item.service_id in concluded], now_ms)

    def _confirmed(self, item: BatchItem, made: WritePlan, remark: str = "") -> Conclusion:
        attempts = self.concluder.attempts[item.service_id]
        return confirmed(
            item,
            self.concluder.now_ms,
            made.listed,
            attempts.wrote,
            attempts.touched,
            bindings=made.bindings.get(item.service_id, ()),
            effect=self._effect,
            remark=remark,
        )

    def _note_placements(
        self, items: dict[str, BatchItem], made: WritePlan
    ) -> dict[str, BatchItem]:
        """Note what becomes ours before it is written, where no tag alone says it."""
        noted = placements_to_note(made, {name: item.at for name, item in items.items()})
        if not noted:
            return items
        commits = []
        for service_id, placement in noted.items():
            stored = items[service_id].work_item.stored
            placements = {**stored.record.placements, self._router: placement}
            record = stored.record._replace(placements=placements)
            commits.append(ServiceCommit(service_id, stored.generation, record))
        result = self._store.records.commit(commits, self.concluder.now_ms)
        left = dict(items)
        for commit, done in zip(commits, result.done, strict=True):
            item = left.pop(commit.service_id)
            if done and commit.record is not None:
                stored = Stored(result.generation, commit.record)
                work_item, at = item.work_item._replace(stored=stored), noted[commit.service_id]
                left[commit.service_id] = replace(item, work_item=work_item, at=at)
            # else the record changed meanwhile: its work item stays, and is taken again
        return left

    def _with_explicit_time(self, item: BatchItem, refused: Operation) -> BatchItem | None:
        """No source says that every version takes an empty lease time; it must not stay short."""
        fields = refused.fields if isinstance(refused, Set) else {}
        entry = with_explicit_time(item.entry, item.at.short, fields)
        if entry is None:
            return None
        log.warning("lease_time.not_cleared", router=self._router, service_id=item.service_id)
        return replace(item, entry=entry)

    def _write(self, items: dict[str, BatchItem], made: WritePlan) -> Answers:
        """Write what was planned."""
        self.concluder.in_flight |= items
        answers = Answers()
        try:
            write(self._session, self._lock, made, items.keys(), answers)
        finally:
            self.concluder.answered(answers)
        if self._effective.ends_sessions:
            self._effective.end_given_up(items, answers.applied)
        return answers

    def _after_writing(self, items: dict[str, BatchItem], answers: Answers) -> dict[str, BatchItem]:
        """Conclude services that were refused; returns those that must be read back."""
        concluder = self.concluder
        conclusions: list[Conclusion] = []
        left: dict[str, BatchItem] = {}
        refused_before = len(concluder.refusals)
        refused_first = sorted(items, key=lambda service_id: service_id not in answers.refused)
        for service_id in refused_first:
            item, attempts = items[service_id], concluder.attempts[service_id]
            message = "a row in the way"
            if service_id in answers.refused:
                operation, refusal = answers.refused[service_id]
                message = refusal.message
                if (explicit := self._with_explicit_time(item, operation)) is not None:
                    left[service_id] = explicit
                    continue
                conclusion = concluder.after_refusal(item, operation, refusal)
                if conclusion is not None:
                    conclusions.append(conclusion)
                    continue
            elif service_id in answers.applied:
                attempts.writes += 1
            elif len(concluder.refusals) == refused_before:
                # Its operation was not sent because another's failed: that counts as an old read,
                # unless the other gives way from now on.
                attempts.stale += 1
            if attempts.stale >= MAX_STALE:
                why = Waiting("row-in-the-way", f"three reads in a row were old: {message}")
                conclusions.append(self.concluder.wait(item, why))
            else:
                left[service_id] = item
        if conclusions:
            self.concluder.prerequisites.log_missing(self.concluder.now_ms)
            self.concluder.conclude(conclusions)
        return left
