"""Concludes the services of a pass, and finds whose fault refused and lost writes are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from worker.convergence.batch_item import Attempts, BatchItem
from worker.convergence.conclude import failed, held_back, waiting
from worker.convergence.concurrency import RouterLock, TimeLimits
from worker.convergence.faults import FaultyServices
from worker.convergence.prerequisites import MissingPrerequisites
from worker.convergence.writing import MASS_REFUSAL, Answers, Refusals, RefusedWrite
from worker.core.effect.rungs import RouterEffect
from worker.core.entry.wanted import KINDS
from worker.core.rows.operations import (
    Operation,
    Remove,
    Set,
    Waiting,
    WritePlan,
    describe,
    for_device,
)
from worker.core.rows.rows import LEASES, MenuPath
from worker.errors import LockLost, RouterBlocked
from worker.ports import Refusal, RouterSession
from worker.store.batches import Conclusion, WorkItem
from worker.store.router_memory import Known
from worker.store.store import Store

log = structlog.get_logger(__name__)

MAX_UNKNOWN: Final = 3
"""Refusals with an unknown message: then the service fails."""
MAX_LOSSES_ALONE: Final = 3
"""Connections lost while a service was the only one in flight: then it is the culprit."""
MOST_SLOW: Final = 10
"""Doublings of the time for a write; the session stops at half of the lock's time anyway."""
HELD_BACK_MS: Final = 20_000
"""A refused service is checked again then, should the pass end before the cause is known."""
CONCLUDED_A_CALL: Final = 50
"""Services of one script call: a larger one would block Redis for others."""


@dataclass(slots=True)
class PassStatistics:
    """What a pass did: the fields of its closing log line."""

    services: int = 0
    operations: int = 0
    confirmed: int = 0
    waiting: int = 0
    failed: int = 0
    refused: int = 0


class Concluder:
    """Concludes the services of one pass.

    Args:
        store: the store.
        session: with the router.
        lock: on the router.
        statistics: counts what is done.
        time_limits: how long things may wait.
        known: memory of earlier passes.
        faults: services that may have made a pass fail, or lost the connection.
        after_many: the router was blocked because it refused many: a service that is still refused
            although others succeed now fails.

    Attributes:
        prerequisites: what the router lacks.
        unclear_clients: service -> why its DHCPv6 client cannot be told; None: no service there has
            IPv6.
        kind: of the router's entries.
        now_ms: Redis's time, as conclusions say it.
        attempts: what the batch tried, by service.
        effect: what is known of when changes act there.
        no_search_before_ms: its tracked connections are not searched before.
        in_flight: services that were written and are not concluded.
        culprits: services that may have lost the connection.
        refusals: of this pass.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pass
        self,
        store: Store,
        session: RouterSession,
        lock: RouterLock,
        *,
        statistics: PassStatistics,
        time_limits: TimeLimits,
        known: Known,
        faults: FaultyServices,
        after_many: bool = False,
    ) -> None:
        self.store = store
        self.session = session
        self.lock = lock
        self._router = lock.router
        self.statistics = statistics
        self._time_limits = time_limits
        self._slow = known.slow
        if known.slow:
            session.wait_longer(known.slow)
        self.faults = faults
        self.prerequisites = MissingPrerequisites(store.memory, self._router, session, known)
        self.unclear_clients = self._unclear_before = known.unclear_clients
        self._after_many = after_many
        self.kind = KINDS[session.entries]
        self.effect = RouterEffect(known.effect, acted=known.acted)
        self.no_search_before_ms = known.no_search_before_ms
        self._written: set[str] = set()
        self._took: dict[MenuPath, set[str]] = {}
        self.now_ms = 0
        self.attempts: dict[str, Attempts] = {}
        self.in_flight: dict[str, BatchItem] = {}
        self.culprits = faults.culprits
        self.refusals = Refusals()

    def begin(self, items: Sequence[BatchItem]) -> None:
        """Begin a group of services: nothing was tried for them yet, as they are now."""
        kept = {n: at for n, at in self.attempts.items() if n in self.in_flight or at.changed}
        begun = {item.service_id: kept.get(item.service_id, Attempts()) for item in items}
        again = {n: replace(at, stale=0, writes=0, changed=False) for n, at in begun.items()}
        self.attempts = kept | again

    def conclude(self, conclusions: Sequence[Conclusion]) -> set[str]:
        """Store conclusions; returns the services that had not changed meanwhile.

        Raises:
            LockLost: another worker has the router: write nothing more.
        """
        unchanged: set[str] = set()
        for start in range(0, len(conclusions), CONCLUDED_A_CALL):
            if start:
                self.lock.progress()
            chunk = conclusions[start : start + CONCLUDED_A_CALL]
            results = self.store.routers.conclude(self._router, self.lock.lock_id, chunk)
            if results is None:
                raise LockLost(self._router)
            pairs = zip(chunk, results, strict=True)
            unchanged.update(end.work_item.service_id for end, result in pairs if result)
        self.statistics.confirmed += sum(end.result == "confirmed" for end in conclusions)
        concluded = {conclusion.work_item.service_id for conclusion in conclusions}
        for service_id in concluded:
            self.in_flight.pop(service_id, None)
            if service_id in self.attempts:
                self.attempts[service_id].changed = service_id not in unchanged
        self.faults.excuse(concluded)
        return unchanged

    def wait(self, item: BatchItem, why: Waiting) -> Conclusion:
        """Postpone a service."""
        return self._wait(item, why, wrote=self._wrote(item))

    def fail(self, item: BatchItem, reason: str, detail: str) -> Conclusion:
        """Dead-letter a service."""
        return self._fail(item, reason, detail, wrote=self._wrote(item))

    def give_way(self, item: BatchItem, why: Waiting) -> Conclusion:
        """Postpone a service that gave way: it is checked once more for its own sake.

        If it was refused in this pass, it was checked for its own sake already.
        """
        wrote = self._wrote(item)
        refused = self.refusals.gave_way(item, wrote=wrote)
        wait_ms = HELD_BACK_MS if refused else 1
        return held_back(refused or item, why.detail, self.now_ms, wait_ms, wrote=wrote)

    def does_not_stick(self, item: BatchItem, made: WritePlan) -> Conclusion:
        """Dead-letter a service whose row still differs after it was written."""
        own = [op for op in made.operations if op.service_id == item.service_id]
        detail = "written twice and still not so: " + "; ".join(map(describe, own))
        return self.fail(item, "does-not-stick", detail)

    def after_refusal(
        self, item: BatchItem, operation: Operation, refusal: Refusal
    ) -> Conclusion | None:
        """What a refusal means for the service; None: read and plan again."""
        log.warning(
            "operation.refused",
            router=self._router,
            service_id=item.service_id,
            operation=describe(operation),
            kind=refusal.kind,
            reason=refusal.message,
        )
        match refusal.kind:
            case "stale":
                self.attempts[item.service_id].stale += 1
                return None
            case "waiting":
                return self.wait(item, self.prerequisites.reported(item, refusal.message))
            case "not-permitted":
                raise RouterBlocked(
                    self._router,
                    "not-permitted",
                    refusal.message,
                    "give our user's group the policies read, write and api",
                )
            case "refused" | "unknown-words":
                known, wrote = refusal.kind == "refused", self._wrote(item)
                refused = RefusedWrite(
                    item, operation.menu, refusal.message, operation.device, known, wrote
                )
                item = self.refusals.hold_back(refused)
                return held_back(item, refusal.message, self.now_ms, HELD_BACK_MS, wrote=wrote)

    def answered(self, answers: Answers) -> None:
        """Note the router's answers to a plan."""
        self.statistics.operations += answers.operations
        self.statistics.refused += len(answers.refused)
        self._written |= answers.applied.keys()
        if self.culprits:
            self.culprits.answered(answers.applied.keys())
        for service_id, operations in answers.applied.items():
            attempts = self.attempts[service_id]
            attempts.wrote += [describe(operation) for operation in operations]
            attempts.touched |= {operation.menu for operation in operations}
            for operation in operations:
                if not isinstance(operation, Remove):
                    self._took.setdefault(operation.menu, set()).add(service_id)
            changes = (each for each in operations if isinstance(each, Set | Remove))
            attempts.found += [each.was for each in changes if each.menu == LEASES]

    def raise_mass_refusal(self) -> None:
        """Block the router if it refused too many services with the same message."""
        views = self.store.views
        mass = self.refusals.mass(self._took, lambda: views.router(self._router).services)
        if mass is not None:
            message, count = mass
            raise RouterBlocked(
                self._router,
                MASS_REFUSAL,
                f"{count} services were refused with the same message, so the router or its policy "
                f"is the likely cause: {message}",
                "Check what the router lacks or forbids, and what its policy asks for. A few "
                "services are tried periodically; the others continue when these succeed",
            )

    def end(self) -> None:
        """At the end of a pass, conclude what was held back, and store what it found."""
        if self.refusals:
            refusals = [*self.refusals.values()]
            self.refusals.clear()
            self._conclude_refused(refusals)
        self.prerequisites.end()
        if self.unclear_clients is not None and self.unclear_clients != self._unclear_before:
            self.store.memory.note_unclear_clients(self._router, self.unclear_clients)

    def _conclude_refused(self, refusals: Sequence[RefusedWrite]) -> None:
        """Fail the services that were refused for a reason of their own."""
        conclusions = []
        self.faults.begin([refused.item.work_item for refused in refusals])
        for item, _, message, device, known, wrote in refusals:
            before, detail = item.before, for_device(device, message)
            tries = int(before.get("tries", 0)) + 1
            # After a mass refusal: others succeed by now.
            alone = self._after_many and bool(before.get("refused"))
            if known or alone or tries >= MAX_UNKNOWN:
                conclusions.append(self._fail(item, "operation-refused", detail, wrote=wrote))
            else:
                why = Waiting("router-says", detail)
                conclusions.append(self._wait(item, why, tries, wrote=wrote))
        self.conclude(conclusions)

    def least_suspected(self, work_items: Sequence[WorkItem]) -> list[WorkItem]:
        """The work items, first those that were not refused or lost at their last check."""

        def suspicion(work_item: WorkItem) -> tuple[bool, int]:
            refused = bool((work_item.before or {}).get("refused"))
            return refused, self.culprits.suspicion(work_item.service_id)

        return sorted(work_items, key=suspicion)

    def connection_lost(self) -> bool:
        """Suspect the services in flight; dead-letter a culprit.

        Returns:
            Whether it may as well be the router: a service lost the connection often enough to be
            the culprit, but since its first loss the router answered no other service's write.

        Raises:
            LockLost: nothing is dead-lettered then.
        """
        if not self.in_flight:
            return False
        conclusions = []
        suspects = self.culprits.failed(self.in_flight.keys())
        lost = {name: s.alone for name, s in suspects.items() if s.alone >= MAX_LOSSES_ALONE}
        culprits = [service_id for service_id in lost if self.culprits.is_to_blame(service_id)]
        for service_id in culprits:
            item = self.in_flight[service_id]
            detail = f"the connection was lost {lost[service_id]} times while it alone was written"
            wrote = self._wrote(item)
            conclusions.append(
                self._fail(item, "connection-lost", detail, defer_check=True, wrote=wrote)
            )
        self.conclude(conclusions)
        return len(culprits) < len(lost)

    def others_wrote(self) -> bool:
        """Whether any write was confirmed in this pass but those of services in flight now."""
        return not self._written <= self.in_flight.keys()

    def wait_longer(self) -> None:
        """From the next pass on, give the router twice the time to answer a write."""
        self._slow = min(self._slow + 1, MOST_SLOW)
        self.store.memory.note_slow(self._router, self._slow)

    def taken_over(self) -> bool:
        """If the lock is lost, have all services checked again that were written here.

        A worker that was stopped between the renewal of its lock and a write sends that write when
        it continues, and the next holder may have made its last check before. No record knows its
        rows then, and where Redis lost its last second no note either. Services that Redis lost
        meanwhile are checked when they are known again.

        Returns:
            Whether it is lost.
        """
        if not self.in_flight or self.store.routers.renew(self._router, self.lock.lock_id):
            return False
        known = self.store.records.known_whole(self.in_flight)
        if known:
            adds = {service_id: self.attempts[service_id].added for service_id in known}
            self.store.routers.leave_in_flight(self._router, self.lock.lock_id, known, adds)
        return True

    def _wrote(self, item: BatchItem) -> bool:
        return item.service_id in self.attempts and bool(self.attempts[item.service_id].wrote)

    def _wait(self, item: BatchItem, why: Waiting, tries: int = 0, *, wrote: bool) -> Conclusion:
        self.statistics.waiting += 1
        return waiting(item, why, self.now_ms, self._time_limits, tries, wrote=wrote)

    def _fail(
        self, item: BatchItem, reason: str, detail: str, *, wrote: bool, defer_check: bool = False
    ) -> Conclusion:
        self.statistics.failed += 1
        return failed(item, reason, detail, self.now_ms, defer_check=defer_check, wrote=wrote)
