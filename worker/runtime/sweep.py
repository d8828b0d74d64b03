"""The sweep: a thread in every worker that rings for what was left behind. No beat, no leader.

It also lets scheduled events take effect, and once a minute one of them does the upkeep of the
store.
"""

import os
import signal
import threading
from collections.abc import Callable

import structlog

from worker.core.storage_format import UnknownFormatError
from worker.errors import StoreRefused, StoreUnavailable
from worker.runtime.tasks import log_unavailable
from worker.store.heartbeat import Seen
from worker.store.store import Store

log = structlog.get_logger()

EVERY_S = 1.0
_QUEUED_AT_ONCE = 200
"""Services of one script call: a larger one would hold up everybody's Redis."""


class Sweep:
    """Looks each second for late journal entries and for routers with due marks and no holder.

    Args:
        store: the store.
        grace_ms: how long a journal entry may wait for its message.
        name: of this worker, for its sign of life.
        orphaned: says whether the supervisor is gone: then this process ends itself.
        release: lets scheduled events take effect whose time has come.
        look: one round of the lookout.
        outdated: says whether the login of Redis is another by now: then this process ends itself
            once Redis refuses the one it has, and the next one reads it.
        came_back: looks at a Redis that was started anew; what it raises ends this process.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        store: Store,
        grace_ms: int,
        name: str,
        orphaned: Callable[[], bool],
        *,
        release: Callable[[], None] = lambda: None,
        look: Callable[[], None] = lambda: None,
        outdated: Callable[[], bool] = lambda: False,
        came_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._grace_ms = grace_ms
        self._name = name
        self._orphaned = orphaned
        self._release = release
        self._look = look
        self._outdated = outdated
        self._check = came_back
        self._stop = threading.Event()
        self._notified: type[StoreUnavailable] | None = None
        self._came_back: Seen | None = None

    def start(self) -> None:
        """Run in a thread of its own until the process ends."""
        threading.Thread(target=self._run, name="sweep", daemon=True).start()

    def stop(self) -> None:
        """End after the round under way."""
        self._stop.set()

    def once(self) -> None:
        """One round."""
        self._store.views.sign_of_life(self._name)
        self._see_that_nothing_is_lost()
        swept = self._store.routers.sweep(self._grace_ms)
        if swept.set_back_from_ms:
            self._set_back(swept.set_back_from_ms)
        for part, do in (
            ("schedule", self._release),
            ("maintenance", self._look),
            ("maintenance", self._store.maintenance.run),
        ):
            try:
                do()
            except UnknownFormatError as error:
                # A newer worker runs beside this one, and does it.
                log.warning("sweep.left_to_newer", part=part, reason=str(error))

    def _see_that_nothing_is_lost(self) -> None:
        seen = self._store.signs.give(self._name)
        if seen is not Seen.SAME and self._came_back is not Seen.ROLLED_BACK:
            self._came_back = seen
        if self._came_back is not None:  # also that of a round in which Redis went away again
            self._check()
            self._recheck(rolled_back=self._came_back is Seen.ROLLED_BACK)
            self._came_back = None
        self._store.routers.forget_concluded()

    def _recheck(self, *, rolled_back: bool) -> None:
        """Redis may lack what this worker concluded last: routers are as that says, records not.

        Of services that it does not know any more the rows stay: the BSS has to say them again.
        """
        queued = unknown = 0
        for router, services in self._store.routers.concluded_lately().items():
            there = self._store.records.known(services)
            known = [each for each in services if each in there]
            queued, unknown = queued + len(known), unknown + len(services) - len(known)
            for at in range(0, len(known), _QUEUED_AT_ONCE):
                part = known[at : at + _QUEUED_AT_ONCE]
                self._store.routers.work_item(router, part, closely=True)
        if queued or unknown or rolled_back:
            log.warning("redis.came_back", rolled_back=rolled_back, queued=queued, unknown=unknown)
        if rolled_back:
            message = (
                "Redis lost what was written to it last: let the BSS send the events of the last "
                "minutes again; services that were finished within them are looked at once more"
            )
            self._store.alerts.begin("redis-rolled-back", "", message)

    def _set_back(self, from_ms: int) -> None:
        by_s = (from_ms - self._store.records.now_ms()) // 1000
        message = (
            f"the clock of Redis's host went back by {by_s} s: work goes on as if no time had gone "
            "by; see that NTP runs there, and whether another server took over"
        )
        self._store.alerts.begin("clock-went-back", "", message)  # first: whoever does this may die
        if self._store.clock.set_back(from_ms):
            log.error("clock.went_back", seconds=by_s, advice=message)

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY_S):
                if self._orphaned():
                    log.warning(
                        "worker.orphaned", advice="the supervisor is gone: this worker ends"
                    )
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                self._round()
        except BaseException:
            # A worker without a sweep would look healthy and lose its net: end, to be restarted.
            log.exception("sweep.failed")
            os.kill(os.getpid(), signal.SIGTERM)
            raise

    def _round(self) -> None:
        try:
            self.once()
            self._notified = None
        except StoreUnavailable as error:
            if self._notified is not type(error):
                log_unavailable(error, "sweep")
            self._notified = type(error)
            if isinstance(error, StoreRefused) and self._outdated():
                log.warning("worker.outdated", advice="the password is another: it is read anew")
                os.kill(os.getpid(), signal.SIGTERM)
                self._stop.set()
