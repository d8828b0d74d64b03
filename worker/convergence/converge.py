"""Use case 2: make one router match what is wanted: lease, read, plan, write, read back.

Called by the task `leasewire.converge`. A pass never replays anything: each round reads the rows
of its services and plans from what it read, so the read-back of one round's writes is the next
round's read, and a service is confirmed by a plan that has nothing left to write.
"""

import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from worker.convergence.endings import Look, Patience, waiting
from worker.convergence.first_contact import make_sure
from worker.convergence.hold import Hold
from worker.convergence.refusals import MASS_REFUSAL, PROBE
from worker.convergence.round import Rounds, Tally
from worker.core.applied_policy import AppliedPolicy
from worker.core.entry import Entry
from worker.core.operations import Waiting
from worker.core.policy import RouterPolicy
from worker.errors import LeaseLost, RouterBlocked, RouterUnreachable
from worker.ports import RouterSession, RouterSessions
from worker.store.routers import Acquired, PolicyDiffers, RouterState
from worker.store.store import Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PassLimits:
    """Bounds of a pass.

    Attributes:
        batch_services: services of one batch.
        time_box_s: a pass ends then, and rings again if there is more.
        backoff_first_s: wait after the first failure; doubles, with full jitter.
        backoff_cap_s: longest wait for a router that is out of reach.
        blocked_retry_s: between looks at a router that refuses us.
        patience: how long services may wait.
    """

    batch_services: int = 500
    time_box_s: float = 20.0
    backoff_first_s: float = 1.0
    backoff_cap_s: float = 300.0
    blocked_retry_s: float = 300.0
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Converge:
    """Makes routers match, one pass of one router at a time.

    Attributes:
        store: the store.
        sessions: opens sessions to routers.
        policies: router -> policy; a router that is missing here is unknown: its services wait.
        ring_router: sends the message that a router has due marks.
        limits: bounds of a pass.
        clock: monotonic seconds.
    """

    store: Store
    sessions: RouterSessions
    policies: Mapping[str, RouterPolicy]
    ring_router: Callable[[str], None]
    limits: PassLimits = field(default_factory=PassLimits)
    clock: Callable[[], float] = time.monotonic

    def run(self, router: str) -> None:
        """One pass.

        It does nothing when another worker or a person holds the router, when it is parked, or
        when another policy than this worker's was applied to it.
        """
        token = secrets.token_hex(8)
        began = self.clock()
        policy = self.policies.get(router)
        applied = AppliedPolicy.of(policy, "first use") if policy else None
        acquired = self.store.routers.acquire(router, token, self.limits.batch_services, applied)
        if isinstance(acquired, PolicyDiffers):
            self._tell_policy_differs(router, acquired)
            return
        if acquired is None:
            return
        hold = Hold(self.store.routers, router, token, self.clock)
        tally = Tally()
        try:
            if router in self.policies:
                self._converge(acquired, hold, tally, began)
            else:
                self._put_off_unknown(acquired, hold)
        except LeaseLost:
            log.warning("router.lease_lost", router=router)
        except RouterBlocked as error:
            self._park_blocked(hold, acquired.state, error)
        except RouterUnreachable as error:
            self._park_unreachable(hold, acquired.state, error)
        finally:
            elapsed_ms = round((self.clock() - began) * 1000)
            log.info("router.pass_ended", router=router, elapsed_ms=elapsed_ms, **tally.fields())

    def _converge(self, acquired: Acquired, hold: Hold, tally: Tally, began: float) -> None:
        router = hold.router
        if not acquired.marks:
            self._release(hold)
            return
        session = self.sessions.open(router)
        try:
            make_sure(self.store, session, self.policies[router].installation, hold)
            self._work(session, acquired, hold, tally=tally, began=began)
        except BaseException:
            session.close()
            raise
        self.sessions.give_back(router, session)

    def _work(
        self, session: RouterSession, acquired: Acquired, hold: Hold, *, tally: Tally, began: float
    ) -> None:
        router, limits = hold.router, self.limits
        # A router that refused so many is up again only when a few got through.
        probing = acquired.state.cause == MASS_REFUSAL
        if not probing:
            self._tell_up(router, acquired)
        rounds = Rounds(
            self.store,
            session,
            self.policies[router].held_in(session.entries),
            hold,
            tally=tally,
            patience=limits.patience,
        )
        now_ms, marks = acquired.now_ms, acquired.marks
        if probing:
            marks = marks[:PROBE]
        try:
            while marks:
                rounds.run(marks, now_ms)
                in_time = self.clock() - began < limits.time_box_s
                if probing:
                    self._tell_up(router, acquired)
                elif len(marks) < limits.batch_services or not in_time:
                    rounds.settle()
                probing = False
                batch = self.store.routers.next_batch(
                    router, hold.token, limits.batch_services if in_time else 0
                )
                if not batch.held and batch.ring:
                    self.ring_router(router)
                now_ms, marks = batch.now_ms, batch.marks
        except RouterUnreachable:
            rounds.lost()
            raise

    def _tell_up(self, router: str, acquired: Acquired) -> None:
        if acquired.state.state != "up":
            self.store.routers.set_up(router)
            log.info(
                "router.recovered",
                router=router,
                was=acquired.state.state,
                down_ms=acquired.now_ms - acquired.state.since_ms,
            )

    def _release(self, hold: Hold) -> None:
        batch = self.store.routers.next_batch(hold.router, hold.token, 0)
        if batch.ring:
            self.ring_router(hold.router)

    def _tell_policy_differs(self, router: str, found: PolicyDiffers) -> None:
        if found.state.state != "policy-changed":  # told once
            log.error(
                "router.policy_changed",
                router=router,
                advice=f"see `leasewire routers apply {router}`; its services wait until then",
            )

    def _put_off_unknown(self, acquired: Acquired, hold: Hold) -> None:
        """No policy names this router: its services wait until the inventory does."""
        detail = f"router {hold.router!r} is not in the inventory: add it, or correct the event"
        ids = [mark.service_id for mark in acquired.marks]
        before = self.store.routers.waiting(hold.router, ids)
        why, patience = Waiting("unknown-router", detail), self.limits.patience
        ends = []
        for mark in acquired.marks:
            entry = Entry(mark.service_id, None)
            look = Look(mark, hold.router, entry, None, before=before.get(mark.service_id))
            ends.append(waiting(look, why, acquired.now_ms, patience))
        self.store.routers.conclude(hold.router, hold.token, ends)
        if len(before) < len(ends):  # told when more wait than before
            log.warning("router.unknown", router=hold.router, services=len(ends))
        self._release(hold)

    def _park_unreachable(self, hold: Hold, was: RouterState, error: RouterUnreachable) -> None:
        attempts = was.attempts + 1 if was.state == "unreachable" else 1
        ceiling = min(
            self.limits.backoff_cap_s, self.limits.backoff_first_s * 2 ** min(attempts - 1, 30)
        )
        # Full jitter, so that a thousand routers behind one link do not come back in step.
        wait_s = max(0.1, random.uniform(0, ceiling))  # noqa: S311 - no secret hangs on it
        self._park(
            hold, was, RouterState("unreachable", attempts=attempts, words=error.words), wait_s
        )
        log.warning(
            "router.unreachable",
            router=hold.router,
            reason=error.words,
            attempt=attempts,
            next_in_s=round(wait_s, 1),
        )

    def _park_blocked(self, hold: Hold, was: RouterState, error: RouterBlocked) -> None:
        attempts = was.attempts + 1 if was.state == "blocked" else 1
        state = RouterState("blocked", attempts=attempts, cause=error.cause, words=error.words)
        self._park(hold, was, state, self.limits.blocked_retry_s)
        log.error(
            "router.blocked",
            router=hold.router,
            cause=error.cause,
            reason=error.words,
            advice=error.advice,
        )

    def _park(self, hold: Hold, was: RouterState, state: RouterState, wait_s: float) -> None:
        since_ms = was.since_ms if was.state == state.state else self.store.records.now_ms()
        self.store.routers.park(
            hold.router,
            hold.token,
            round(wait_s * 1000),
            RouterState(
                state=state.state,
                since_ms=since_ms,
                attempts=state.attempts,
                cause=state.cause,
                words=state.words,
            ),
        )
