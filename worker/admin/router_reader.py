"""Reads and checks routers in the background for people at a console.

Nothing is written to a router.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Literal, NamedTuple

import structlog

from worker.admin.background_reads import BackgroundReads
from worker.admin.router_reading import RouterReading, read_now
from worker.core.policy.router_check import CheckLine
from worker.errors import LeasewireError
from worker.inventory import Inventory
from worker.routeros.check import check_router
from worker.routeros.sessions import Sessions
from worker.settings import Settings
from worker.store.store import Store

log = structlog.get_logger("console")

What = Literal["read", "check"]

KEPT_S: Final = 300.0
FAILURE_KEPT_S: Final = 20.0
"""A router that could not be read is tried again sooner."""
MOST_ROWS: Final = 60_000
"""Lines and rows of all kept results: some 40 MB."""


class Checked(NamedTuple):
    """The result of a check of a router: when (ms), and its lines."""

    at_ms: int
    lines: list[CheckLine]
    error: str = ""
    size: int = 1


Result = RouterReading | Checked


class RouterReader(BackgroundReads[tuple[What, str], Result]):
    """Reads and checks routers by name for all viewers."""

    def __init__(
        self,
        store: Store,
        inventory: Callable[[], Inventory],
        settings: Settings,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(
            "router", most=MOST_ROWS, kept_s=KEPT_S, failure_kept_s=FAILURE_KEPT_S, clock=clock
        )
        self._store = store
        self._inventory = inventory
        self._settings = settings
        self._open: set[Sessions] = set()

    def stop(self) -> None:
        """End all reads: their connections are reset."""
        super().stop()
        with self._lock:
            running = list(self._open)
        for sessions in running:
            sessions.close_all()

    def read(self, key: tuple[What, str], *, again: bool) -> Result:
        """Read or check a router; `again` also one that workers cannot reach."""
        what, router = key
        try:
            inventory = self._inventory()
            if what == "check":
                now_ms = self._store.records.now_ms()
                now = datetime.fromtimestamp(now_ms / 1000, UTC)
                return Checked(now_ms, check_router(inventory.routers[router], self._settings, now))
            sessions = Sessions(inventory, self._settings)
            with self._lock:
                self._open.add(sessions)
            try:
                return read_now(self._store, inventory, sessions, router, even_if_away=again)
            finally:
                with self._lock:
                    self._open.discard(sessions)
        except LeasewireError as error:
            message, cause = str(error), "failed"
        except Exception:
            log.exception("router.read_failed", router=router)
            message, cause = "a bug of Leasewire: see the log of the gateway", "internal-error"
        if what == "check":
            return Checked(0, [], message)
        return RouterReading(error={"cause": cause, "message": message})
