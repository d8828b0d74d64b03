"""Changes the circuit of a router as it fails or answers, and opens and resolves its alerts.

An alert is stored before the state that follows from it: a worker that dies in between leaves an
alert that the next pass resolves.
"""

import random
from dataclasses import replace
from typing import Final

import structlog

from worker.convergence.concurrency import Permit, RouterLock
from worker.core.alerting.alerts import AWAY, AlertKind
from worker.core.policy import circuit
from worker.core.policy.circuit import (
    INTERNAL_ERROR,
    LOGIN_REFUSED,
    RECOVERY_S,
    UP,
    BackOff,
    RouterState,
)
from worker.core.storage_format import in_a_line
from worker.errors import OutcomeUnknown, RouterBlocked, RouterUnreachable
from worker.store.batches import Acquired
from worker.store.store import Store

log = structlog.get_logger()

REBUILD: Final = "rebuild"
"""Why a router is blocked that lost many rows of ours."""


class CircuitReporter:
    """The circuit of one router during one pass.

    Args:
        store: the store.
        lock: on the router.
        permit: of the pass.
        acquired: what is known of the router so far.
        back_off: how long it is left alone.

    Attributes:
        state: of the router.
    """

    def __init__(
        self, store: Store, lock: RouterLock, permit: Permit, acquired: Acquired, back_off: BackOff
    ) -> None:
        was = acquired.state
        self._store = store
        self._lock = lock
        self._router = lock.router
        self._permit = permit
        self._back_off = back_off
        self.state = was
        self._before = was.drained, was.written
        self._answered = False
        # A worker binds a serial and reads rows only after a login.
        self._login_worked = acquired.serial is not None or acquired.booted_ms is not None

    def answered(self) -> None:
        """A read succeeded: close the circuit; the work that waited is drained from now on."""
        if not self._answered:
            self._answered = True
            self._permit.proven()
        was = self.state
        if was.state == "up":
            return
        now_ms = self._store.records.now_ms()
        self._drop_unsent_alerts()
        self._note(circuit.answered(was, now_ms) if was.open else UP)
        log.info(
            "router.recovered",
            router=self._router,
            was=was.state,
            down_ms=now_ms - (was.away_since_ms or was.since_ms),
        )

    def worked(self, services: int, writes: int) -> None:
        """Note what was done in this pass so far."""
        if self.state.away_since_ms:
            drained, written = self._before
            self.state = replace(self.state, drained=drained + services, written=written + writes)

    def after(self) -> tuple[RouterState, RouterState] | None:
        """The states after a good pass if nothing is due, and if more is; None: unchanged."""
        return None if self.state == UP else (UP, circuit.draining(self.state))

    def drained(self) -> None:
        """Nothing is due any more: resolve the alerts of the outage."""
        was = self.state
        if not was.away_since_ms:
            return
        self._store.full_reads.rebuilt(self._router)
        away_ms = was.since_ms - was.away_since_ms
        done = f"{was.drained} services checked, {was.written} writes"
        for kind in AWAY:
            text = f"back after {_duration(away_ms)}: {done}"
            self._store.alerts.resolve(kind, self._router, text)
        log.info(
            "router.drained",
            router=self._router,
            down_ms=away_ms,
            services=was.drained,
            operations=was.written,
        )

    def unreachable(self, error: RouterUnreachable) -> None:
        """The connection, the login or a read failed, or a write got no answer."""
        self._permit.failed()
        if isinstance(error, OutcomeUnknown):
            self._lost_write(error)
            return
        now_ms = self._store.records.now_ms()
        state = circuit.failed(self.state, error.message, now_ms, error.cause)
        wait_s = self._wait_s(error, self._back_off.unreachable_s(state.attempts, _share()))
        if self.state.state == "blocked":
            self._store.alerts.resolve("router-blocked", self._router, "unreachable now")
        self._store.alerts.open("router-down", self._router, self._describe(error.message))
        self._open_circuit(state, wait_s)
        log.warning(
            "router.circuit_opened" if state.attempts == 1 else "router.unreachable",
            router=self._router,
            reason=error.message,
            attempt=state.attempts,
            next_in_s=round(wait_s, 1),
        )

    def takes_no_writes(self, *, others_wrote: bool) -> bool:
        """Whether the router, and no service, is the cause of a lost write.

        Args:
            others_wrote: another write was answered in this pass.
        """
        if others_wrote:
            self.state = circuit.answered_a_write(self.state)
        return circuit.takes_no_writes(self.state)

    def blocked(self, error: RouterBlocked) -> None:
        """The router refuses us, or may be another router."""
        self._permit.failed()
        now_ms = self._store.records.now_ms()
        if (
            error.cause == LOGIN_REFUSED
            and self._login_worked
            and circuit.doubts_refusal(self.state, now_ms)
        ):
            self._open_circuit(circuit.refused_once(self.state, error.message, now_ms), RECOVERY_S)
            log.warning("router.login_refused_once", router=self._router, reason=error.message)
            return
        state = circuit.refused(self.state, error.cause, error.message, now_ms)
        if self.state.state == "unreachable":
            self._store.alerts.resolve("router-down", self._router, "it answers, but refuses us")
        message = self._describe(f"{error.cause}: {error.message}. {error.advice}")
        kind: AlertKind = "rebuild" if error.cause == REBUILD else "router-blocked"
        self._store.alerts.open(kind, self._router, message)
        by_us = error.cause == INTERNAL_ERROR  # the cause is found by trying again soon
        attempts, share = state.attempts, _share()
        back_off = self._back_off
        self._open_circuit(
            state,
            back_off.unreachable_s(attempts, share) if by_us else back_off.refused_s(share),
        )
        log.error(
            "router.blocked",
            router=self._router,
            cause=error.cause,
            reason=error.message,
            advice=error.advice,
        )

    @staticmethod
    def _wait_s(error: RouterUnreachable, wait_s: float) -> float:
        return max(wait_s, RECOVERY_S) if error.failed else wait_s

    def failed_here(self, error: Exception) -> None:
        """An unexpected exception ended the pass: log it and release the router."""
        advice = "A bug: please report the traceback in the log. The router is tried again"
        try:
            self.blocked(RouterBlocked(self._router, INTERNAL_ERROR, in_a_line(error), advice))
        finally:
            log.error("router.pass_failed", router=self._router, advice=advice, exc_info=error)

    def _lost_write(self, error: OutcomeUnknown) -> None:
        state = circuit.lost_write(self.state, error.message)
        wait_s = self._wait_s(error, self._back_off.lost_write_s(state.attempts, _share()))
        if state.open:  # it had refused many, and may do so still
            wait_s = self._back_off.refused_s(_share())
        self._open_circuit(state, wait_s)
        log.warning(
            "router.write_lost",
            router=self._router,
            reason=error.message,
            attempt=state.attempts,
            next_in_s=round(wait_s, 1),
        )

    def _drop_unsent_alerts(self) -> None:
        """Resolve alerts that nobody was notified of; the others end when the work is drained."""
        for kind in AWAY:
            alert = self._store.alerts.find(kind, self._router)
            if alert is not None and not alert.notified:
                self._store.alerts.resolve(kind, self._router)

    def _describe(self, message: str) -> str:
        queued = self._store.views.router(self._router).backlog
        return f"{message} (waiting services: {queued})"

    def _note(self, state: RouterState) -> None:
        self._store.routers.set_state(self._router, self._lock.lock_id, state)
        self.state = state

    def _open_circuit(self, state: RouterState, wait_s: float) -> None:
        self._store.routers.open_circuit(
            self._router, self._lock.lock_id, round(wait_s * 1000), state
        )
        self.state = state


def _share() -> float:
    return random.random()  # noqa: S311 - not for a secret


def _duration(ms: int) -> str:
    """As `42 s`, `12 min` or `3 h 5 min`."""
    minutes = ms // 60_000
    if not minutes:
        return f"{ms // 1000} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
