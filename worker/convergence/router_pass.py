"""Use case 2: make one router match what is wanted: lease, read, plan, write, read back.

A pass never replays anything: each round reads the rows of its services and plans from what it
read, so the read-back of one round's writes is the next round's read, and a service is confirmed by
a plan that has nothing left to write.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, assert_never

import structlog

from worker.compute_gate import ComputeGate, Turn
from worker.convergence.batch import BatchRunner
from worker.convergence.batch_item import TimeLimits, bare_item
from worker.convergence.bulk import Bulk
from worker.convergence.circuit_reporter import CircuitReporter
from worker.convergence.conclude import confirmed, waiting
from worker.convergence.concluder import Concluder, PassStatistics
from worker.convergence.concurrency import ConcurrencyLimiter, Place
from worker.convergence.drift_report import make_report
from worker.convergence.faults import NEWER_MS, Faults
from worker.convergence.refusals import MASS_REFUSAL, PROBE
from worker.convergence.router_lock import RouterLock
from worker.convergence.safety_checks import make_sure
from worker.core.entry.entry import wanted_router
from worker.core.policy.applied_policy import AppliedPolicy
from worker.core.policy.circuit import INTERNAL_ERROR, RECOVERY_S, TAKES_NO_WRITES, BackOff
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting
from worker.core.service.record import ServiceRecord
from worker.core.storage_format import UnknownFormatError
from worker.errors import (
    LeasewireError,
    LockLost,
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
"""A router that finds no free slot comes again then, or with the next sweep."""
NEXT_AFTER_S: Final = 0.25
"""Passes of routers that have much to do let another router's begin so often."""


@dataclass(frozen=True, slots=True)
class PassLimits:
    """Bounds of a pass.

    Attributes:
        batch_services: services of one batch.
        time_box_s: a pass ends then, and rings again if there is more.
        back_off: how long routers are left alone that fail or refuse.
        time_limits: how long services may wait.
        report_every_ms: between two reports of what was changed on a router by hand.
    """

    batch_services: int = 500
    time_box_s: float = 20.0
    back_off: BackOff = field(default_factory=BackOff)
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    report_every_ms: int = 3_600_000


class _Pass(NamedTuple):
    """What one pass works with, from the moment that the router is ours."""

    acquired: Acquired
    lock: RouterLock
    circuit: CircuitReporter
    statistics: PassStatistics
    faults: Faults
    turn: Turn
    began: float
    is_bulk: bool


@dataclass(frozen=True, slots=True)
class Converge:
    """Makes routers match, one pass of one router at a time.

    Attributes:
        store: the store.
        sessions: opens sessions to routers.
        policies: router -> policy; a router that is missing here is unknown: its services wait.
        limits: bounds of a pass.
        slots: which routers may be worked on at once.
        bulk: runs the passes of routers where nothing but bulk is due.
        gate: of the other passes.
        clock: monotonic seconds.
    """

    store: Store
    sessions: RouterSessions
    policies: Mapping[str, RouterPolicy]
    limits: PassLimits = field(default_factory=PassLimits)
    slots: ConcurrencyLimiter = field(default_factory=lambda: ConcurrencyLimiter(threads=128))
    bulk: Bulk = field(default_factory=Bulk)
    gate: ComputeGate = field(default_factory=lambda: ComputeGate(time_limit_s=NEXT_AFTER_S))
    clock: Callable[[], float] = time.monotonic

    def run(self, router: str) -> None:
        """One pass.

        It does nothing when another worker or a person holds the router, when it is parked, when
        another policy than this worker's was applied to it, or when too many routers are at work
        of which it is not known that they answer: then it is put off for a moment. Bulk marks
        alone are left to a bulk pass.
        """
        with self.gate.turn() as turn:
            left = self._run(router, turn, is_bulk=False)
        if left:
            self.bulk.add(router, self._run_bulk)

    def _run_bulk(self, router: str, turn: Turn) -> None:
        self._run(router, turn, is_bulk=True)

    def _run(self, router: str, turn: Turn, *, is_bulk: bool) -> bool:
        """Returns whether nothing but bulk is due, which a pass that is not for it leaves alone."""
        with self.slots.take(router) as place:
            if place is None:
                self.store.routers.postpone(router, POSTPONE_MS)
                return False
            return self._take_and_work(router, place, turn, is_bulk=is_bulk)

    def _take_and_work(self, router: str, place: Place, turn: Turn, *, is_bulk: bool) -> bool:
        began = self.clock()
        lock = RouterLock(self.store.routers, router, secrets.token_hex(8), self.clock)
        acquired = self._acquire(lock, place, is_bulk=is_bulk)
        match acquired:
            case Acquired():
                self._visit(lock, place, turn, acquired, began, is_bulk=is_bulk)
            case Busy():
                pass
            case PolicyDiffers():
                self._log_policy_differs(router, acquired)
            case BulkOnly():
                return True
            case _:
                assert_never(acquired)
        return False

    def _acquire(self, lock: RouterLock, place: Place, *, is_bulk: bool) -> Acquisition:
        router = lock.router
        policy = self.policies.get(router)
        applied = AppliedPolicy.of(policy, "first use") if policy else None
        try:
            return self.store.routers.acquire(
                router,
                lock.lock_id,
                self.limits.batch_services,
                applied,
                with_bulk=is_bulk,
                most_bulk=self.bulk.most(),
            )
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the router is ours, whatever cannot be read
            found = unread(self.store.views.router(router).state)
            circuit = CircuitReporter(self.store, lock, place, found, self.limits.back_off)
            circuit.failed_here(error)
            return Busy()  # its circuit is open now

    def _visit(  # noqa: PLR0913 - the parts of a pass
        self,
        lock: RouterLock,
        place: Place,
        turn: Turn,
        acquired: Acquired,
        began: float,
        *,
        is_bulk: bool,
    ) -> None:
        router = lock.router
        if acquired.work_items and not is_bulk:
            self.bulk.live_came()
        circuit = CircuitReporter(self.store, lock, place, acquired, self.limits.back_off)
        statistics = PassStatistics()
        faults = Faults(self.store, lock, acquired.memory.faults, self.limits.time_limits)
        try:
            self._work_or_log(
                _Pass(acquired, lock, circuit, statistics, faults, turn, began, is_bulk)
            )
        except StoreUnavailable:
            raise
        except UnknownFormatError as error:
            log.warning("router.left_to_newer", router=router, reason=str(error))
            self._release(lock, NEWER_MS)
        except Exception as error:  # noqa: BLE001 - a bug must not hold a router with its services
            try:
                faults.failed(error)
            finally:
                circuit.failed_here(error)
        finally:
            elapsed_ms = round((self.clock() - began) * 1000)
            log.info(
                "router.pass_ended", router=router, elapsed_ms=elapsed_ms, **statistics.fields()
            )

    def _work_or_log(self, one: _Pass) -> None:
        lock, circuit = one.lock, one.circuit
        try:
            if lock.router in self.policies:
                self._converge(one)
            else:
                self._postpone_unknown(one)
        except LockLost:
            log.warning("router.lock_lost", router=lock.router)
        except RouterBusy:
            log.warning("router.busy", router=lock.router)
            self._release(lock, POSTPONE_MS)
        except Postponed:
            self._release(lock, round(RECOVERY_S * 1000))
        except RouterBlocked as error:
            circuit.blocked(error)
        except RouterUnreachable as error:
            circuit.unreachable(error)

    def _release(self, lock: RouterLock, wait_ms: int) -> None:
        """Give the router back as it was, for somebody to come again in a moment."""
        self.store.fleet.release(lock.router, lock.lock_id)
        self.store.routers.postpone(lock.router, wait_ms)

    def _converge(self, one: _Pass) -> None:
        acquired, lock, circuit = one.acquired, one.lock, one.circuit
        router = lock.router
        work_items = one.faults.readable(acquired.work_items, acquired.now_ms)
        if not work_items and not circuit.state.open and not acquired.asked:
            batch = self.store.routers.next_batch(router, lock.lock_id, 0, circuit.after())
            if not batch.more:
                circuit.drained()
            return
        session = self.sessions.open(router, one.turn)
        try:
            looked = make_sure(self.store, session, self.policies[router], lock, acquired)
            if acquired.asked and not self._reported(session, lock):
                session.close()  # nobody knows what it was about to answer
                session = self.sessions.open(router, one.turn)
                looked |= make_sure(self.store, session, self.policies[router], lock, acquired)
            if looked or acquired.asked:  # what is confirmed now was seen after that
                now_ms = self.store.records.now_ms()
                one = one._replace(acquired=replace(acquired, now_ms=now_ms))
            self._work(session, work_items, one)
        except BaseException:
            session.close()
            raise
        self.sessions.give_back(router, session)

    def _reported(self, session: RouterSession, lock: RouterLock) -> bool:
        """Make the report; where that fails by a bug, the services go on."""
        router, every_ms = lock.router, self.limits.report_every_ms
        try:
            make_report(self.store, session, self.policies[router], lock, every_ms)
        except UnknownFormatError as error:  # a newer worker reports it
            log.warning("router.left_to_newer", router=router, reason=str(error))
        except LeasewireError:
            raise
        except Exception:
            log.exception("report.failed", router=router, advice="a bug: please report this")
            return False
        return True

    def _work(self, session: RouterSession, work_items: list[WorkItem], one: _Pass) -> None:
        acquired, lock, circuit, statistics = one.acquired, one.lock, one.circuit, one.statistics
        router, limits = lock.router, self.limits
        # A router that refused so many, or with which a pass failed, is up again only when a few
        # got through, one that took no writes when it takes one; others when they are read. A probe
        # looks at a few services.
        refused_many = circuit.state.cause in (MASS_REFUSAL, INTERNAL_ERROR)
        took_none = circuit.state.cause == TAKES_NO_WRITES
        few = 1 if took_none else PROBE
        runner = BatchRunner(
            self.store,
            session,
            self.policies[router].held_in(session.entries),
            lock,
            statistics=statistics,
            time_limits=limits.time_limits,
            known=acquired.memory,
            faults=one.faults,
            was_read=(lambda: None) if refused_many or took_none else circuit.answered,
            after_many=circuit.state.cause == MASS_REFUSAL,
        )
        now_ms, full = acquired.now_ms, acquired.full
        try:
            while True:
                cut = circuit.state.open and len(work_items) > few
                if cut:
                    work_items = runner.concluder.least_suspected(work_items)[:few]
                runner.run(work_items, now_ms)
                if not (took_none and cut) or runner.concluder.others_wrote():
                    circuit.answered()
                circuit.worked(statistics.services, statistics.operations)
                in_time = self.clock() - one.began < limits.time_box_s
                # Else each router that has a backlog would be held in the end, all of them slowly.
                in_time = in_time and not (one.is_bulk and self.bulk.is_beside_live())
                if not cut and not (full and in_time):
                    runner.concluder.end()
                most = limits.batch_services if in_time else 0
                batch = self.store.routers.next_batch(
                    router,
                    lock.lock_id,
                    most,
                    circuit.after(),
                    most_bulk=self.bulk.most() if one.is_bulk else 0,
                )
                now_ms, full = batch.now_ms, batch.full
                if not batch.work_items:
                    break
                work_items = one.faults.readable(batch.work_items, now_ms)
        except (RouterUnreachable, LockLost) as error:
            if not runner.concluder.taken_over() and isinstance(error, RouterUnreachable):
                whole = _of_the_router(error, runner.concluder, circuit)
                if whole is not None:
                    raise whole from error
            raise
        if not batch.more:
            circuit.drained()

    def _log_policy_differs(self, router: str, found: PolicyDiffers) -> None:
        if found.state.state != "policy-changed":  # told once
            log.error(
                "router.policy_changed",
                router=router,
                advice=f"see `leasewire routers apply {router}`; its services wait until then",
            )

    def _postpone_unknown(self, one: _Pass) -> None:
        """No policy names this router: its services wait until the inventory does.

        Of a name that nobody ever knew, a typing error, nothing was ever written: who does not
        want it any more has no row there.
        """
        acquired, lock = one.acquired, one.lock
        was_known = self.store.fleet.knows(lock.router)
        detail = (
            f"router {lock.router!r} is not in the inventory that the workers read: add it and "
            "restart them, or correct the event"
        )
        before = [
            work_item.before for work_item in acquired.work_items if work_item.before is not None
        ]
        why, time_limits = Waiting("unknown-router", detail), self.limits.time_limits
        ends = []
        waits = 0
        for work_item in acquired.work_items:
            item = bare_item(work_item, lock.router)
            if (
                not was_known
                and work_item.unread is None
                and _leaves_nothing(work_item.stored.record, lock.router)
            ):
                ends.append(confirmed(item, acquired.now_ms))
            else:
                ends.append(waiting(item, why, acquired.now_ms, time_limits))
                waits += 1
        self.store.routers.conclude(lock.router, lock.lock_id, ends)
        if len(before) < waits:  # told when more wait than before
            log.warning("router.unknown", router=lock.router, services=waits)
        self.store.routers.next_batch(lock.router, lock.lock_id, 0)


def _leaves_nothing(record: ServiceRecord, router: str) -> bool:
    placement = record.placements.get(router)
    written = placement is not None and (placement.written is not None or placement.listed)
    return wanted_router(record) != router and not written


def _of_the_router(
    error: RouterUnreachable, concluder: Concluder, circuit: CircuitReporter
) -> RouterUnreachable | None:
    """Judge who was in flight; what to raise instead where it is the router that is to blame."""
    in_vain = concluder.connection_lost()
    if not isinstance(error, OutcomeUnknown):
        return None
    takes_none = circuit.takes_no_writes(others_wrote=concluder.others_wrote())
    if not (takes_none or in_vain):
        return None
    concluder.wait_longer()
    message = f"takes no writes: several in a row got no answer ({error.message})"
    return RouterUnreachable(error.router, message, TAKES_NO_WRITES)
