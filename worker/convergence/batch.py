"""The rounds of a pass over one batch: claim, read, close, plan, write, until nothing is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from worker.convergence.conclude import (
    WARNINGS,
    BatchItem,
    TimeLimits,
    confirmed,
    failed,
    held_back,
    switched_off,
    waiting,
)
from worker.convergence.culprits import Culprits
from worker.convergence.faults import Faults
from worker.convergence.gather import Gathering
from worker.convergence.observe import observe
from worker.convergence.prerequisites import MissingPrerequisites
from worker.convergence.refusals import MASS_REFUSAL, Refusals, Refused
from worker.convergence.router_lock import RouterLock
from worker.convergence.safety_checks import check_rows
from worker.convergence.writing import Answers, describe, write
from worker.core.full_read.row_owners import FEW
from worker.core.plan.in_flight import added_leases, to_note
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting, WritePlan, is_new_row, moved_rows
from worker.core.rows.rows import MenuPath, RowKey
from worker.core.service.record import Placement
from worker.errors import LockLost, RouterBlocked
from worker.ports import Refusal, RouterSession
from worker.store.batches import Conclusion, WorkItem
from worker.store.records import ServiceCommit, Stored
from worker.store.router_memory import Known
from worker.store.store import Store

log = structlog.get_logger(__name__)

MAX_STALE: Final = 3
"""Reads that were old when their write arrived, in a row: then the service waits."""
MAX_WRITES: Final = 2
"""Successful writes after which a field that still differs does not stick."""
MAX_UNKNOWN: Final = 3
"""Refusals in words that we do not know: then the service is given up."""
MOST_SLOW: Final = 10
"""Doublings of the time for a write; the session stops at half of the lease anyway."""
HELD_BACK_MS: Final = 20_000
"""What was refused is looked at again then, should the pass end before it is known why."""
CONCLUDED_A_CALL: Final = 50
"""Services of one script call: a larger one would hold up everybody's Redis."""


@dataclass(slots=True)
class PassStatistics:
    """What a pass did, for its closing log line."""

    services: int = 0
    operations: int = 0
    applied: int = 0
    waiting: int = 0
    failed: int = 0
    refused: int = 0

    def fields(self) -> dict[str, int]:
        """As log fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Rounds:
    """Works through batches of one held router.

    Args:
        store: the store.
        session: to the router; whoever made it closes it when this raises.
        policy: of the router.
        lock: the lease.
        statistics: counts what is done.
        time_limits: how long things may wait.
        known: memory of earlier passes.
        faults: who may have made a pass fail.
        was_read: called whenever rows of the router were read.
        after_many: the router was blocked as it refused many: who is refused still though others
            get through is given up.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pass
        self,
        store: Store,
        session: RouterSession,
        policy: RouterPolicy,
        lock: RouterLock,
        *,
        statistics: PassStatistics,
        time_limits: TimeLimits,
        known: Known,
        faults: Faults,
        was_read: Callable[[], None],
        after_many: bool = False,
    ) -> None:
        self._store = store
        self._session = session
        self._policy = policy
        self._hold = lock
        self._statistics = statistics
        self._time_limits = time_limits
        self._was_read = was_read
        self._after_many = after_many
        self._router = lock.router
        self._now_ms = 0
        self._duplicates: frozenset[RowKey] = frozenset()
        self._culprits = Culprits(store.memory, self._router, known.suspects)
        self._prerequisites = MissingPrerequisites(store.memory, self._router, session, known)
        self._faults = faults
        self._refusals = Refusals()
        self._gathering = Gathering(
            store,
            session,
            policy,
            lock,
            prerequisites=self._prerequisites,
            refusals=self._refusals,
            faults=faults,
        )
        self._in_flight: dict[str, BatchItem] = {}
        self._wrote: set[str] = set()
        self._slow = known.slow
        if self._slow:
            session.wait_longer(self._slow)
        self._taken: set[str] = set()
        self._sure = False

    def run(self, work_items: Sequence[WorkItem], now_ms: int) -> None:
        """Look at the services of a batch until each is confirmed, waits or is given up.

        A service of which something is said meanwhile keeps its mark, and is looked at again.

        Raises:
            RouterBlocked: also when too many were refused with the same words (`mass-refusal`).
        """
        self._now_ms = now_ms
        self._statistics.services += len(work_items)
        self._taken = {work_item.service_id for work_item in work_items}
        for some in self._faults.apart(work_items):
            if self._policy.mode == "observe":
                self._conclude(
                    observe(self._gathering, self._prerequisites, self._policy, some, now_ms)
                )
                continue
            for items in self._culprits.apart(self._gathering.items(some)):
                self._work(self._postpone_missing(self._gathering.claim(items)))
        mass = self._refusals.mass(lambda: self._store.views.router(self._router).services)
        if mass is not None:
            message, count = mass
            raise RouterBlocked(
                self._router,
                MASS_REFUSAL,
                f"{count} services were refused with the same words: {message}",
                "So many at once are hardly wrong themselves: see what the router lacks or forbids,"
                " or what its policy asks for. A few services are tried now and then; all go on "
                "when they get through",
            )

    def least_doubted(self, work_items: Sequence[WorkItem]) -> list[WorkItem]:
        """The marks, those first whose services were not refused or lost at their last look."""

        def failed_check(work_item: WorkItem) -> tuple[bool, int]:
            refused = bool((work_item.before or {}).get("refused"))
            return refused, self._culprits.failed_check(work_item.service_id)

        return sorted(work_items, key=failed_check)

    def wrote(self) -> bool:
        """Whether any write was confirmed in this pass, but for those of who is in flight now."""
        return not self._wrote <= self._in_flight.keys()

    def wait_longer(self) -> None:
        """From the next pass on the router has twice the time to answer a write."""
        self._slow = min(self._slow + 1, MOST_SLOW)
        self._store.memory.note_slow(self._router, self._slow)

    def settle(self) -> None:
        """Give up what was refused for a reason of its own; to be called when a pass ends."""
        ends = []
        refused = self._refusals.take()
        self._faults.begin([each.item.work_item for each in refused])
        for item, _, message, known in refused:
            before = item.before or {}
            tries = int(before.get("tries", 0)) + 1
            # After a mass refusal: others get through by now.
            alone = self._after_many and bool(before.get("refused"))
            if known or alone or tries >= MAX_UNKNOWN:
                ends.append(self._give_up(item, "operation-refused", message))
            else:
                ends.append(self._wait(item, Waiting("router-says", message), tries))
        self._conclude(ends)
        self._prerequisites.end()

    def lost(self) -> bool:
        """The connection went: remember who was in flight; who is it for sure is given up.

        Returns:
            Whether it may as well be the router: no other service's write was answered since one
            of them was lost first, who would be given up else.

        Raises:
            LockLost: nothing is given up then.
        """
        if not self._in_flight:
            return False
        ends = []
        lost = self._culprits.lost(self._in_flight.keys())
        sure = {who: times for who, times in lost.items() if self._culprits.is_to_blame(who)}
        for service_id, times in sure.items():
            item, detail = self._in_flight[service_id], f"the connection was lost {times} times"
            self._statistics.failed += 1
            detail += " while it alone was written"
            ends.append(failed(item, "connection-lost", detail, self._now_ms, rest_check=True))
        self._conclude(ends)
        return len(sure) < len(lost)

    def taken_over(self) -> bool:
        """If the lease is lost, have all looked at again for which something was written here.

        Who was stopped between the lease's renewal and a write sends that write when it goes on,
        and the next holder may have looked for the last time before.

        Returns:
            Whether it is lost.
        """
        written = sorted(self._in_flight)
        if not written or self._store.routers.renew(self._router, self._hold.lock_id):
            return False
        self._store.routers.work_item(self._router, written)
        return True

    def _postpone_missing(self, items: dict[str, BatchItem]) -> dict[str, BatchItem]:
        """Let those wait for which the router lacks something; warn of, or refuse, misfits."""
        ends, left = [], {}
        for service_id, item in items.items():
            missing = self._prerequisites.of(item)
            if missing is not None:
                ends.append(self._wait(item, missing))
            elif item.warning is not None and self._policy.on_misfit == "refuse":
                ends.append(self._give_up(item, item.warning.kind, item.warning.detail))
            else:
                left[service_id] = item
        self._prerequisites.tell(self._now_ms)
        self._conclude(ends)
        return left

    def _work(self, items: dict[str, BatchItem]) -> None:
        while items:
            before = len(items)
            items, rows, unknown = self._gathering.close(items)
            self._was_read()
            self._statistics.services += len(items) - before
            wanted = [self._gathering.wanted(item) for item in items.values()]
            made = plan(wanted, rows, self._policy, self._duplicates, unknown)
            self._duplicates = made.duplicates
            self._failed_check(items, made)
            self._tell(made, items)
            items = self._end_what_is_done(items, made)
            items = self._remember(items, made)
            braked: frozenset[str] = frozenset()
            if items:
                braked = self._hold.begin_writing(items.keys(), self._taken, added_leases(made))
            if braked:  # since it was taken: planned anew without it, and its mark stays held
                self._taken -= braked
                items = {name: item for name, item in items.items() if name not in braked}
            elif items:
                items = self._write(items, made)

    def _failed_check(self, items: Mapping[str, BatchItem], made: WritePlan) -> None:
        """Look at all rows first where our rows are gone, or were written by somebody else.

        Where fewer than half of them are there; or where several services of which nothing was
        written here have one already that is to become another.
        """
        placed = {name for name, item in items.items() if item.written and not item.wrote}
        made_anew = {each.service_id for each in made.operations() if is_new_row(each)}
        new = {
            name
            for name, item in items.items()
            if item.written is None and item.work_item.sent is None and not item.wrote
        }
        few_gone = len(placed & made_anew) * 2 <= len(placed)
        few_of_others = len(new & moved_rows(made) - made_anew) <= FEW
        if self._sure or (few_gone and few_of_others):
            return
        self._sure = True
        check_rows(self._store, self._session, self._policy, self._hold)
        self._now_ms = self._store.records.now_ms()  # what is confirmed was seen after that

    def _end_what_is_done(
        self, items: dict[str, BatchItem], made: WritePlan
    ) -> dict[str, BatchItem]:
        """Confirm what needs no write, postpone what waits; returns those to be written."""
        busy = {operation.service_id for operation in made.operations()}
        ends: list[Conclusion] = []
        left: dict[str, BatchItem] = {}
        for service_id, item in items.items():
            why = made.waiting.get(service_id)
            if why is not None and service_id not in busy:
                ends.append((self._step_aside if item.gives_way else self._wait)(item, why))
            elif service_id not in busy and (off := switched_off(item)) is not None:
                ends.append(self._wait(item, off))
            elif service_id not in busy:
                ends.append(confirmed(item, self._now_ms, made.listed[service_id]))
            elif why is None and item.writes >= MAX_WRITES:
                ends.append(self._does_not_stick(item, made))
            else:
                left[service_id] = item
        self._conclude(ends)
        return left

    def _remember(self, items: dict[str, BatchItem], made: WritePlan) -> dict[str, BatchItem]:
        """Note what comes to be ours before it is written, where a tag alone does not say it."""
        known = {each: Placement(item.written, item.listed) for each, item in items.items()}
        noted = to_note(made, known)
        commits = []
        for service_id, at in noted.items():
            stored = items[service_id].work_item.stored
            placements = {**stored.record.placements, self._router: at}
            record = replace(stored.record, placements=placements)
            commits.append(ServiceCommit(service_id, stored.generation, record))
        result = self._store.records.commit(commits, self._now_ms)
        left = dict(items)
        for commit, through in zip(commits, result.done, strict=True):
            item = left.pop(commit.service_id)
            if through and commit.record is not None:
                stored = Stored(result.generation, commit.record)
                item.work_item = item.work_item._replace(stored=stored)
                item.written, item.listed, _ = noted[commit.service_id]
                left[commit.service_id] = item
            # else something was said of it meanwhile: its mark stands, and is taken again
        return left

    def _write(self, items: dict[str, BatchItem], made: WritePlan) -> dict[str, BatchItem]:
        """Write what was planned; returns those that are to be read back."""
        self._in_flight |= items
        answers = Answers()
        try:
            write(self._session, self._hold, made, items.keys(), answers)
        finally:
            self._statistics.operations += answers.operations
            self._statistics.refused += len(answers.refused)
            self._refusals.went_through(answers.applied)
            self._wrote |= answers.applied.keys()
            self._culprits.answered(answers.applied.keys())
            for service_id, applied in answers.applied.items():
                items[service_id].wrote += [describe(each) for each in applied]
                items[service_id].touched |= {each.menu for each in applied}
        return self._after_writing(items, answers)

    def _after_writing(self, items: dict[str, BatchItem], answers: Answers) -> dict[str, BatchItem]:
        ends: list[Conclusion] = []
        left: dict[str, BatchItem] = {}
        refused, so_far = answers.refused, len(self._refusals)
        for service_id, item in sorted(items.items(), key=lambda each: each[0] not in refused):
            result = refused.get(service_id)
            refusal = result.refusal if result is not None else None
            if result is None or refusal is None:
                # An operation that was not sent for another's sake counts as an old read, unless
                # that one gives way from now on.
                item.writes += service_id in answers.applied
                gives_way = len(self._refusals) > so_far
                item.stale += service_id not in answers.applied and not gives_way
            else:
                log.warning(
                    "operation.refused",
                    router=self._router,
                    service_id=service_id,
                    operation=describe(result.operation),
                    kind=refusal.kind,
                    reason=refusal.message,
                )
                end = self._after_refusal(item, result.operation.menu, refusal)
                if end is not None:
                    ends.append(end)
                    continue
            if item.stale >= MAX_STALE:
                message = refusal.message if refusal else "a row in the way"
                why = Waiting("row-in-the-way", f"three reads in a row were old: {message}")
                ends.append(self._wait(item, why))
            else:
                left[service_id] = item
        self._prerequisites.tell(self._now_ms)
        self._conclude(ends)
        return left

    def _after_refusal(
        self, item: BatchItem, menu: MenuPath, refusal: Refusal
    ) -> Conclusion | None:
        """What a refusal means for the service; None: read and plan again."""
        match refusal.kind:
            case "stale":
                item.stale += 1
                return None
            case "waiting":
                return self._wait(item, self._prerequisites.notified(item, refusal.message))
            case "not-permitted":
                raise RouterBlocked(
                    self._router,
                    "not-permitted",
                    refusal.message,
                    "give our user's group the policies read, write and api",
                )
            case "refused" | "unknown-words":
                known = refusal.kind == "refused"
                self._refusals.hold_back(Refused(item, menu, refusal.message, known))
                return held_back(item, refusal.message, self._now_ms, HELD_BACK_MS)

    def _wait(self, item: BatchItem, why: Waiting, tries: int = 0) -> Conclusion:
        self._statistics.waiting += 1
        return waiting(item, why, self._now_ms, self._time_limits, tries)

    def _step_aside(self, item: BatchItem, why: Waiting) -> Conclusion:
        """Who gave way is looked at once more for its own sake, unless it was so in this pass."""
        wait_ms = HELD_BACK_MS if self._refusals.gave_way(item) else 1
        return held_back(item, why.detail, self._now_ms, wait_ms)

    def _give_up(self, item: BatchItem, reason: str, detail: str) -> Conclusion:
        self._statistics.failed += 1
        return failed(item, reason, detail, self._now_ms)

    def _does_not_stick(self, item: BatchItem, made: WritePlan) -> Conclusion:
        mine = [o for o in made.operations() if o.service_id == item.work_item.service_id]
        detail = "written twice and still not so: " + "; ".join(describe(each) for each in mine)
        return self._give_up(item, "does-not-stick", detail)

    def _conclude(self, ends: Sequence[Conclusion]) -> None:
        for start in range(0, len(ends), CONCLUDED_A_CALL):
            self._hold.progress()
            chunk = ends[start : start + CONCLUDED_A_CALL]
            if self._store.routers.conclude(self._router, self._hold.lock_id, chunk) is None:
                raise LockLost(self._router)
        concluded = {end.work_item.service_id for end in ends}
        for service_id in concluded:
            self._in_flight.pop(service_id, None)
        self._culprits.clear(concluded)
        self._faults.clear(concluded)

    def _tell(self, made: WritePlan, items: Mapping[str, BatchItem]) -> None:
        for note in made.notes:
            item = items.get(note.service_id)
            if item is not None and note.kind in WARNINGS and item.entry.fields is not None:
                item.warning = note
            log.warning(
                "plan.note",
                router=self._router,
                service_id=note.service_id,
                kind=note.kind,
                detail=note.detail,
            )
        operations = sum(len(phase) for phase in made.phases)
        log.debug(
            "plan.computed" if operations else "plan.empty",
            router=self._router,
            reason=made.reason,
            operations=operations,
            phases=len(made.phases),
            waiting=len(made.waiting),
        )
