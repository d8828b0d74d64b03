"""Converges one router in one pass: lock, read, plan, write, read back, release.

A pass never replays anything: each round reads the rows of its services and plans from what it
read. So the read-back of one round's writes is the next round's read, and a service is confirmed by
a plan that has nothing left to write.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final, assert_never

import structlog

from worker.compute_gate import ComputeGate, Turn
from worker.convergence.batch import BatchRunner
from worker.convergence.circuit_reporter import CircuitReporter
from worker.convergence.concluder import Concluder, PassStatistics
from worker.convergence.concurrency import Bulk, ConcurrencyLimiter, PassLimits, Permit, RouterLock
from worker.convergence.drift_report import make_report, try_report
from worker.convergence.faults import NEWER_MS, FaultyServices
from worker.convergence.safety_checks import make_sure
from worker.convergence.unknown_router import postpone_unknown
from worker.convergence.writing import MASS_REFUSAL, PROBE
from worker.core.policy.address_pool import NO_POOLS, AddressPools
from worker.core.policy.circuit import INTERNAL_ERROR, RECOVERY_S, TAKES_NO_WRITES
from worker.core.policy.policy import RouterPolicy
from worker.core.storage_format import UnknownFormatError
from worker.errors import (
    LockLost,
    NotReplicated,
    OutcomeUnknown,
    Postponed,
    RouterBlocked,
    RouterBusy,
    RouterUnreachable,
    StoreUnavailable,
)
from worker.ports import RouterSession, RouterSessions
from worker.store.batches import (
    Acquired,
    Acquisition,
    BulkOnly,
    Busy,
    PolicyDiffers,
    WorkItem,
    unread,
)
from worker.store.store import Store

log = structlog.get_logger()

POSTPONE_MS: Final = 500
"""A router without a permit is tried again then, or with the next sweep."""
NEXT_AFTER_S: Final = 0.25
"""Passes of routers that have much to do let another router's pass begin so often."""


@dataclass(frozen=True, slots=True)
class Converge:
    """Converges routers, one pass of one router at a time.

    Attributes:
        store: the store.
        sessions: opens sessions with routers.
        policies: router -> policy; a router that is missing here is unknown: its services wait.
        limits: bounds of a pass.
        limiter: which routers may be worked on at once.
        bulk: runs the passes of routers where only bulk work is due.
        gate: of the other passes.
        clock: monotonic seconds.
        pools: of the inventory.
    """

    store: Store
    sessions: RouterSessions
    policies: Mapping[str, RouterPolicy]
    limits: PassLimits = field(default_factory=PassLimits)
    limiter: ConcurrencyLimiter = field(default_factory=lambda: ConcurrencyLimiter(threads=128))
    bulk: Bulk = field(default_factory=Bulk)
    gate: ComputeGate = field(default_factory=lambda: ComputeGate(time_limit_s=NEXT_AFTER_S))
    clock: Callable[[], float] = time.monotonic
    pools: AddressPools = NO_POOLS

    def run(self, router: str) -> None:
        """Run one pass.

        It does nothing when the router is busy or another policy than this worker's was applied to
        it. When too many unproven routers are at work, the router is tried again in a moment. When
        only bulk work is due, a bulk pass does it.
        """
        with self.gate.turn() as turn:
            only_bulk = self._run(router, turn, is_bulk=False)
        if only_bulk:
            self.bulk.add(router, self._run_bulk)

    def _run_bulk(self, router: str, turn: Turn) -> None:
        self._run(router, turn, is_bulk=True)

    def _run(self, router: str, turn: Turn, *, is_bulk: bool) -> bool:
        """Lock the router and work on it; returns whether only bulk work is due."""
        with self.limiter.permit(router) as permit:
            if permit is None:
                self.store.routers.postpone(router, POSTPONE_MS)
                return False
            lock = RouterLock(self.store.routers, router, secrets.token_hex(8), self.clock)
            acquired = self._acquire(lock, permit, is_bulk=is_bulk)
            match acquired:
                case Acquired():
                    if acquired.work_items and not is_bulk:
                        self.bulk.live_came()
                    circuit = CircuitReporter(
                        self.store, lock, permit, acquired, self.limits.back_off
                    )
                    faults = FaultyServices(
                        self.store, lock, acquired.memory, self.limits.time_limits
                    )
                    RouterPass(self, lock, circuit, acquired, faults, turn, is_bulk).run()
                case Busy():
                    pass
                case PolicyDiffers(before):
                    if before.state != "policy-changed":  # logged once
                        advice = f"its services wait: see `leasewire routers apply {router}`"
                        log.error("router.policy_changed", router=router, advice=advice)
                case BulkOnly():
                    return True
                case _:
                    assert_never(acquired)
            return False

    def _acquire(self, lock: RouterLock, permit: Permit, *, is_bulk: bool) -> Acquisition:
        router = lock.router
        policy = self.policies.get(router)
        try:
            return self.store.routers.acquire(
                router,
                lock.lock_id,
                self.limits.batch_services,
                policy.offered if policy else ("", ""),
                with_bulk=is_bulk,
                most_bulk=self.bulk.most(),
            )
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the router is locked, whatever is unreadable
            found = unread(self.store.views.state(router))
            circuit = CircuitReporter(self.store, lock, permit, found, self.limits.back_off)
            circuit.failed_here(error)
            return Busy()  # its circuit is open now


@dataclass(slots=True)
class RouterPass:
    """One locked visit to one router.

    Attributes:
        parts: that all passes share.
        lock: on the router.
        circuit: of the router.
        acquired: what is known of the router.
        faults: services that may have made a pass fail.
        turn: at the compute gate.
        is_bulk: bulk work is done too.
        statistics: of what is done.
        is_reported: a report of the router is made, if one was asked for.
    """

    parts: Converge
    lock: RouterLock
    circuit: CircuitReporter
    acquired: Acquired
    faults: FaultyServices
    turn: Turn
    is_bulk: bool
    statistics: PassStatistics = field(default_factory=PassStatistics)
    is_reported: bool = False

    def run(self) -> None:
        """Work on the router; whatever happens, it is released, or its circuit opens."""
        try:
            self._work_or_release()
        except StoreUnavailable:
            raise
        except UnknownFormatError as error:
            log.warning("router.left_to_newer_worker", router=self.lock.router, reason=str(error))
            self._release(NEWER_MS)
        except Exception as error:  # noqa: BLE001 - a bug must not hold up a router
            try:
                self.faults.failed(error)
            finally:
                self.circuit.failed_here(error)
        finally:
            elapsed_ms = round(self.lock.held_s() * 1000)
            log.info(
                "router.pass_ended",
                router=self.lock.router,
                elapsed_ms=elapsed_ms,
                **asdict(self.statistics),
            )

    def _work_or_release(self) -> None:
        try:
            if self.lock.router in self.parts.policies:
                self._work()
            else:
                limits = self.parts.limits.time_limits
                postpone_unknown(self.parts.store, self.lock, self.acquired, limits)
        except LockLost:
            log.warning("router.lock_lost", router=self.lock.router)
        except RouterBusy:
            log.warning("router.busy", router=self.lock.router)
            self._release(POSTPONE_MS)
            self._keep_report_due()
        except Postponed:
            self._release(round(RECOVERY_S * 1000))
        except RouterBlocked as error:
            self.circuit.blocked(error)
            self._keep_report_due()
        except RouterUnreachable as error:
            self.circuit.unreachable(error)
            self._keep_report_due()

    def _keep_report_due(self) -> None:
        if self.acquired.report_due and not self.is_reported:  # customers may wait for it
            self.parts.store.full_reads.ask_again(self.lock.router)

    def _release(self, wait_ms: int) -> None:
        """Release the router as it was, to be tried again in a moment."""
        self.parts.store.fleet.release(self.lock.router, self.lock.lock_id)
        self.parts.store.routers.postpone(self.lock.router, wait_ms)

    def _work(self) -> None:
        """Open a session, make sure that the router may be written, and run its batches."""
        acquired, sessions, router = self.acquired, self.parts.sessions, self.lock.router
        now_ms = acquired.now_ms
        work_items = self.faults.readable(acquired.work_items, now_ms)
        if not (work_items or self.circuit.state.open or acquired.report_due):
            after = self.circuit.after()
            if not self.parts.store.routers.next_batch(router, self.lock.lock_id, 0, after).more:
                self.circuit.drained()
            return
        session = sessions.open(router, self.turn)
        try:
            read_fully = self._make_sure(session)
            if acquired.report_due and not self._report(session):
                session.close()  # what it was about to answer is not known
                session = sessions.open(router, self.turn)
                read_fully |= self._make_sure(session)
            self.is_reported = True
            if read_fully or acquired.report_due:  # what is confirmed now is read after that
                now_ms = self.parts.store.records.now_ms()
                memory = replace(acquired.memory, effect=self.parts.store.memory.effect(router))
                self.acquired = replace(acquired, memory=memory)
            self._run_batches(session, work_items, now_ms)
        except BaseException:
            session.close()
            raise
        sessions.give_back(router, session)

    def _make_sure(self, session: RouterSession) -> bool:
        policy = self.parts.policies[self.lock.router]
        return make_sure(self.parts.store, session, policy, self.lock, self.acquired)

    def _report(self, session: RouterSession) -> bool:
        policy, every_ms = self.parts.policies[self.lock.router], self.parts.limits.report_every_ms
        parts = (self.parts.store, session, policy, self.lock, every_ms, self.parts.pools)
        return try_report(self.lock.router, lambda: make_report(*parts))

    def _run_batches(self, session: RouterSession, work_items: list[WorkItem], now_ms: int) -> None:
        circuit, statistics, full = self.circuit, self.statistics, self.acquired.full
        # Most routers are up again when they are read. One that refused many, or with which a pass
        # failed, is up again only when a few services succeed; one that took no writes when it
        # takes one. A probe checks a few services.
        refused_many = circuit.state.cause in (MASS_REFUSAL, INTERNAL_ERROR)
        took_none = circuit.state.cause == TAKES_NO_WRITES
        few = 1 if took_none else PROBE
        concluder = Concluder(
            self.parts.store,
            session,
            self.lock,
            statistics=statistics,
            time_limits=self.parts.limits.time_limits,
            known=self.acquired.memory,
            faults=self.faults,
            after_many=circuit.state.cause == MASS_REFUSAL,
        )
        policy = self.parts.policies[self.lock.router].held_in(session.entries)
        was_read = (lambda: None) if refused_many or took_none else circuit.answered
        runner = BatchRunner(policy, concluder, was_read)
        try:
            while True:
                is_probe = len(work_items) > few and circuit.state.open
                if is_probe:
                    work_items = concluder.least_suspected(work_items)[:few]
                runner.run(work_items, now_ms)
                if not (took_none and is_probe) or concluder.others_wrote():
                    circuit.answered()
                circuit.worked(statistics.services, statistics.operations)
                states = circuit.after()
                # Not beside live events: in the end each router with a backlog would be locked, and
                # all of them would be slow.
                gives_way = self.is_bulk and self.parts.bulk.is_beside_live()
                in_time = not gives_way and self.lock.held_s() < self.parts.limits.time_box_s
                if not is_probe and not (full and in_time):
                    concluder.end()
                batch = self.parts.store.routers.next_batch(
                    self.lock.router,
                    self.lock.lock_id,
                    self.parts.limits.batch_services if in_time else 0,
                    states,
                    most_bulk=self.parts.bulk.most() if self.is_bulk else 0,
                )
                now_ms, full = batch.now_ms, batch.full
                if not batch.work_items:
                    break
                work_items = self.faults.readable(batch.work_items, now_ms)
        except NotReplicated as error:  # nothing was asked of the router: its session stays
            log.warning("store.not_replicated", router=self.lock.router, reason=str(error))
            self._release(POSTPONE_MS)
            return
        except (RouterUnreachable, LockLost) as error:
            if not concluder.taken_over() and isinstance(error, RouterUnreachable):
                self._judge(error, concluder)
            raise
        if not batch.more:
            circuit.drained()

    def _judge(self, error: RouterUnreachable, concluder: Concluder) -> None:
        """Suspect the services in flight; raise if it is the router, which takes no writes."""
        in_vain = concluder.connection_lost()
        if isinstance(error, OutcomeUnknown):
            others_wrote = concluder.others_wrote()
            if self.circuit.takes_no_writes(others_wrote=others_wrote) or in_vain:
                concluder.wait_longer()
                message = f"takes no writes: several in a row got no answer ({error.message})"
                raise RouterUnreachable(error.router, message, TAKES_NO_WRITES) from error
