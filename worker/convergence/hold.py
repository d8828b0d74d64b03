"""Holding a router: the lease is renewed on progress, and its loss ends everything at once."""

from collections.abc import Callable, Collection

from worker.errors import LeaseLost
from worker.store.routers import Routers

_RENEWALS_A_LEASE = 4


class Hold:
    """The lease of one worker on one router.

    Args:
        routers: the store's side.
        router: its name.
        token: random, of this pass alone.
        clock: monotonic seconds.
    """

    def __init__(
        self, routers: Routers, router: str, token: str, clock: Callable[[], float]
    ) -> None:
        self.router = router
        self.token = token
        self._routers = routers
        self._clock = clock
        self._renewed = clock()
        self._renew_after_s = routers.lease_ms / 1000 / _RENEWALS_A_LEASE

    def progress(self) -> None:
        """Renew when a quarter of the lease is over.

        Raises:
            LeaseLost: another worker has the router: write nothing more.
        """
        if self._clock() - self._renewed >= self._renew_after_s:
            self.renew()

    def renew(self, in_flight: Collection[str] = ()) -> None:
        """Renew now, and note services whose writes are about to be under way.

        Raises:
            LeaseLost: another worker has the router: write nothing more.
        """
        began = self._clock()
        if not self._routers.renew(self.router, self.token, in_flight):
            raise LeaseLost(self.router)
        self._renewed = began
