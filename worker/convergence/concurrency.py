"""Who may work on a router when: one worker by its lock, a process within limits, bulk last.

A router that does not answer holds a thread until its deadline, so routers that are not known to
answer get a quarter of the threads. A router that answered lately is proven; one that failed not.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.compute_gate import ComputeGate, Turn
from worker.core.policy.circuit import BackOff
from worker.core.rows.rows import Identity
from worker.errors import LockLost
from worker.store.batches import MOST_BULK
from worker.store.routers import Routers

PROVEN_S: Final = 300.0
"""A router that answered is proven for so long."""
UNPROVEN_SHARE: Final = 4
"""One thread in so many is for routers that are not proven."""
_RENEWALS_A_LOCK: Final = 4


class RouterLock:
    """Holds one router for one worker: renewed on progress; its loss ends the pass at once.

    Args:
        routers: the store's side.
        router: its name.
        lock_id: random, of this pass alone.
        clock: monotonic seconds.
    """

    def __init__(
        self, routers: Routers, router: str, lock_id: str, clock: Callable[[], float]
    ) -> None:
        self.router = router
        self.lock_id = lock_id
        self._routers = routers
        self._clock = clock
        self._began = self._renewed = clock()
        self._renew_after_s = routers.lock_ms / 1000 / _RENEWALS_A_LOCK

    def held_s(self) -> float:
        """For how long it is held, the time to acquire it included."""
        return self._clock() - self._began

    def progress(self) -> None:
        """Renew the lock when a quarter of its time is over.

        Raises:
            LockLost: another worker has the router: write nothing more.
        """
        if self._clock() - self._renewed >= self._renew_after_s:
            self.renew()

    def renew(self) -> None:
        """Renew the lock now.

        Raises:
            LockLost: another worker has the router: write nothing more.
        """
        began = self._clock()
        if not self._routers.renew(self.router, self.lock_id):
            raise LockLost(self.router)
        self._renewed = began

    def begin_writing(
        self,
        services: Collection[str],
        taken: AbstractSet[str],
        adds: Mapping[str, Sequence[Identity]] | None = None,
    ) -> frozenset[str]:
        """Renew the lock now and note the services that are about to be written.

        Args:
            services: their ids.
            taken: services that were taken by their work items; others stand in their way.
            adds: service -> leases that are about to be added for it.

        Returns:
            Those taken that the brake holds by now: then none is noted.

        Raises:
            LockLost: another worker has the router: write nothing more.
            NotReplicated: the next primary may not know what is about to be written.
        """
        began = self._clock()
        ours = taken & set(services)
        others = [service for service in services if service not in ours]
        braked = self._routers.begin_writing(self.router, self.lock_id, ours, others, adds)
        if braked is None:
            raise LockLost(self.router)
        self._renewed = began
        return braked


class Permit:
    """Permission to work on one router; it may become proven meanwhile."""

    def __init__(self, limiter: "ConcurrencyLimiter", router: str, *, proven: bool) -> None:
        self._limiter = limiter
        self._router = router
        self._proven = proven

    def proven(self) -> None:
        """The router answered: it no longer takes the place of an unproven one."""
        self._limiter.note(self._router, up=True)
        if not self._proven:
            self._proven = True
            self._limiter.give_back()

    def failed(self) -> None:
        """The router failed."""
        self._limiter.note(self._router, up=False)

    def end(self) -> None:
        """The pass is over."""
        if not self._proven:
            self._limiter.give_back()


class ConcurrencyLimiter:
    """Gives permits to the threads of one process.

    Args:
        threads: of the process.
        clock: monotonic seconds.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = max(1, threads // UNPROVEN_SHARE)
        self._clock = clock
        self._lock = threading.Lock()
        self._proven: dict[str, float] = {}

    @contextmanager
    def permit(self, router: str) -> Iterator[Permit | None]:
        """A permit for a pass; None: too many unproven routers are at work, try again later."""
        permit = self._permit(router)
        try:
            yield permit
        finally:
            if permit is not None:
                permit.end()

    def _permit(self, router: str) -> Permit | None:
        with self._lock:
            proven = self._proven.get(router, 0.0) > self._clock()
            if not proven:
                if not self._free:
                    return None
                self._free -= 1
        return Permit(self, router, proven=proven)

    def give_back(self) -> None:
        """Free the place of an unproven router."""
        with self._lock:
            self._free += 1

    def note(self, router: str, *, up: bool) -> None:
        """Remember that a router answered, or failed."""
        with self._lock:
            if up:
                self._proven[router] = self._clock() + PROVEN_S
            else:
                self._proven.pop(router, None)


IDLE_S: Final = 0.003
"""Another pass begins when no pass has computed for so long: few routers that answer at once are
locked at a time, and slow ones are waited for together."""
IDLE_BESIDE_LIVE_S: Final = 0.03
"""The same while live events come: they wait for each router that a bulk pass has locked."""
LIVE_FOR_S: Final = 2.0
"""Live events count as coming for so long after the last one."""
MOST_BESIDE_LIVE: Final = 10
"""Bulk work items of one batch while live events come."""


def _at_once(work: Callable[[], None]) -> None:
    work()


class Bulk:
    """The routers that wait for their bulk pass, each once.

    Args:
        start: runs work in another thread; by default in the caller's.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        start: Callable[[Callable[[], None]], object] = _at_once,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._clock = clock
        self._live_until = clock()
        self._gate = ComputeGate(self._idle_s, clock)
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._ended = False

    def add(self, router: str, one_pass: Callable[[str, Turn], None]) -> None:
        """Run `one_pass` when it is the router's turn, unless the router waits for it already."""
        with self._lock:
            if router in self._waiting:
                return
            self._waiting.add(router)
        self._start(lambda: self._run(router, one_pass))

    def _run(self, router: str, one_pass: Callable[[str, Turn], None]) -> None:
        with self._gate.turn() as turn:
            with self._lock:
                self._waiting.discard(router)
            if not self._ended:
                one_pass(router, turn)

    def live_came(self) -> None:
        """Note that a live event was worked on: bulk passes slow down for a moment."""
        self._live_until = self._clock() + LIVE_FOR_S

    def most(self) -> int:
        """The number of bulk work items that a batch may have now."""
        return MOST_BESIDE_LIVE if self.is_beside_live() else MOST_BULK

    def _idle_s(self) -> float:
        return IDLE_BESIDE_LIVE_S if self.is_beside_live() else IDLE_S

    def is_beside_live(self) -> bool:
        """Whether live events come: then a pass ends with its batch, so that few run at once."""
        return self._clock() < self._live_until

    def end(self) -> None:
        """Begin no more passes: their work items stay due, and another worker finds them."""
        self._ended = True


class TimeLimits(NamedTuple):
    """How long things may wait.

    Attributes:
        recheck_ms: until a service is checked again that waits for a person to change a router.
        alert_ms: a service that has waited for so long is logged as an error, once.
    """

    recheck_ms: int = 60_000
    alert_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class PassLimits:
    """Bounds of a pass.

    Attributes:
        batch_services: services of one batch.
        time_box_s: a pass ends then, and notifies a worker if more is due.
        back_off: how long routers are left alone that fail or refuse.
        time_limits: how long services may wait.
        report_every_ms: between two reports of what was changed on a router by hand.
    """

    batch_services: int = 500
    time_box_s: float = 20.0
    back_off: BackOff = field(default_factory=BackOff)
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    report_every_ms: int = 3_600_000
