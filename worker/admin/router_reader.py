"""Reads routers in the background for people at a console: few at a time, and once for all of them.

A result is kept for a short time. Nothing is written to a router.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from time import monotonic
from typing import Final, Literal, NamedTuple

import structlog

from worker.admin.router_reading import RouterReading, read_now
from worker.background_thread import BackgroundThread
from worker.core.policy.router_check import CheckLine
from worker.errors import LeasewireError
from worker.inventory import Inventory
from worker.routeros.check import check_router
from worker.routeros.sessions import Sessions
from worker.settings import Settings
from worker.store.store import Store

log = structlog.get_logger("console")

What = Literal["read", "check"]

AT_ONCE: Final = 4
MOST_ASKED: Final = 40
"""Routers that may wait to be read."""
KEPT_S: Final = 300.0
FAILURE_KEPT_S: Final = 20.0
"""A router that could not be read is tried again sooner."""
MOST_ROWS: Final = 60_000
"""Lines and rows of all kept results: some 40 MB."""
_STOP_S: Final = 5.0


class Checked(NamedTuple):
    """The result of a check of a router: when (ms), and its lines."""

    at_ms: int
    lines: list[CheckLine]
    error: str = ""
    size: int = 1


Result = RouterReading | Checked


class TooMany(LeasewireError):  # noqa: N818 - says what happened
    """So many routers wait to be read that no other is taken now."""


@dataclass(slots=True)
class _Kept:
    """A result, the time of its end by the monotonic clock, and whether another read runs."""

    result: Result | None = None
    until_s: float = 0.0
    running: threading.Event | None = None


class Found(NamedTuple):
    """What is known of a router now; `running`: it is being read."""

    result: Result | None
    running: bool


class RouterReader(BackgroundThread):
    """Reads and checks routers for all viewers; safe for many threads.

    Args:
        store: the store.
        inventory: gives the inventory as it is now.
        settings: for the time limits.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        inventory: Callable[[], Inventory],
        settings: Settings,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__("router-reader", _STOP_S)
        self._store = store
        self._inventory = inventory
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[What, str], _Kept] = {}
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._open: set[Sessions] = set()

    def work(self) -> None:
        """Hand what is asked to a few threads."""
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="router-reader")
        for job in iter(self._asked.get, None):
            pool.submit(job)
        pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """End all reads: their connections are reset."""
        self._asked.put(None)
        with self._lock:
            running = list(self._open)
        for sessions in running:
            sessions.close_all()

    def look(self, what: What, router: str) -> Found:
        """What was found lately; if nothing was, a read is asked for.

        Raises:
            TooMany: too many wait.
        """
        with self._lock:
            kept = self._kept.get((what, router))
            fresh = kept is not None and kept.result is not None and kept.until_s > self._clock()
            if kept is None or not (fresh or kept.running):
                kept = self._ask(what, router, even_if_away=False)
            return Found(kept.result, kept.running is not None)

    def again(self, what: What, router: str) -> None:
        """Ask for a new read, unless one runs.

        Raises:
            TooMany: too many wait.
        """
        with self._lock:
            kept = self._kept.get((what, router))
            if kept is None or kept.running is None:
                self._ask(what, router, even_if_away=True)

    def wait(self, what: What, router: str, time_limit_s: float) -> Result | None:
        """The result of a read that begins now; None: it takes longer.

        Raises:
            TooMany: too many wait.
        """
        ends_s = self._clock() + time_limit_s
        running = self._running(what, router)
        if running is not None and not running.wait(time_limit_s):  # it may have begun before
            return None
        with self._lock:
            kept = self._kept.get((what, router))
            if kept is None or kept.running is None:
                kept = self._ask(what, router, even_if_away=True)
            running = kept.running
        if running is not None and not running.wait(ends_s - self._clock()):
            return None
        return kept.result

    def _running(self, what: What, router: str) -> threading.Event | None:
        with self._lock:
            kept = self._kept.get((what, router))
            return None if kept is None else kept.running

    def _ask(self, what: What, router: str, *, even_if_away: bool) -> _Kept:
        """Have a router read; called with the lock."""
        if sum(kept.running is not None for kept in self._kept.values()) >= MOST_ASKED:
            raise TooMany(f"{MOST_ASKED} routers wait to be read: try again in a moment")
        kept = self._kept.setdefault((what, router), _Kept())
        kept.running = threading.Event()
        self._asked.put(lambda: self._do(what, router, even_if_away=even_if_away))
        return kept

    def _do(self, what: What, router: str, *, even_if_away: bool) -> None:
        result = self._try(what, router, even_if_away=even_if_away)
        failed = bool(result.error)
        with self._lock:
            kept = self._kept[what, router]
            kept.result = result
            kept.until_s = self._clock() + (FAILURE_KEPT_S if failed else KEPT_S)
            if kept.running is not None:
                kept.running.set()
            kept.running = None
            self._forget(keep=kept)

    def _try(self, what: What, router: str, *, even_if_away: bool) -> Result:
        """Read or check a router; any failure is a result."""
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
                return read_now(self._store, inventory, sessions, router, even_if_away=even_if_away)
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

    def _forget(self, keep: _Kept) -> None:
        """Drop results that are over, and the oldest while there are too many rows."""
        now_s = self._clock()
        idle = sorted(
            (
                (kept.until_s, key)
                for key, kept in self._kept.items()
                if kept.running is None and kept is not keep
            ),
        )
        rows = sum(kept.result.size for kept in self._kept.values() if kept.result)
        for until_s, key in idle:
            result = self._kept[key].result
            size = result.size if result else 0
            if until_s < now_s or rows > MOST_ROWS:
                del self._kept[key]
                rows -= size
