"""The lock of one pass on one router: renewed on progress; its loss ends the pass at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from worker.core.rows.rows import Identity
from worker.errors import LockLost
from worker.store.routers import Routers

_RENEWALS_A_LOCK: Final = 4


class RouterLock:
    """Holds one router for one worker.

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
