"""The sweep: a thread in every worker that notifies workers of work that was left behind.

It also releases scheduled events, and once a minute one worker's sweep does the maintenance of the
store. There is no scheduler process and no leader.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from worker.core.entry.wanted import REMOVAL
from worker.core.rows.rows import Identity
from worker.core.storage_format import UnknownFormatError
from worker.errors import StoreRefused, StoreUnavailable, UnreadableStoreError
from worker.runtime.tasks import log_unavailable
from worker.store.heartbeat import Heartbeat, Seen
from worker.store.store import Store
from worker.watching.periodic_thread import PeriodicThread

log = structlog.get_logger()

EVERY_S = 1.0
_SENT_AGAIN_S = 600.0
"""For so long services that Redis lost are waited for: publishers send them again."""
_WAITS_PART = 0.1
"""Of the time since then, until they are asked for again: each second first, once a minute last."""


@dataclass(slots=True)
class Sweep:
    """Finds, each second, late journal entries, and routers with due work items and no worker.

    Attributes:
        store: the store.
        grace_ms: how long a journal entry may wait for its message.
        heartbeat: of this worker.
        orphaned: whether the supervisor is gone; then this process ends itself.
        release: releases the scheduled events that are due.
        maintain: one round of maintenance.
        login_changed: whether the login of Redis was changed since the start. If so, this process
            ends itself once Redis refuses the old login; its successor reads the new one.
        check_keys: checks the keys of a Redis that was restarted; an exception ends this process.
        clock: monotonic seconds.
    """

    store: Store
    grace_ms: int
    heartbeat: Heartbeat
    orphaned: Callable[[], bool]
    release: Callable[[], None] = lambda: None
    maintain: Callable[[], None] = lambda: None
    login_changed: Callable[[], bool] = lambda: False
    check_keys: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    _thread: PeriodicThread = field(init=False)
    _logged: type[StoreUnavailable] | None = None
    _came_back: Seen | None = None
    _unknown: dict[str, Mapping[str, Sequence[Identity]]] = field(default_factory=dict)
    _lost_at: float = 0.0
    _ask_at: float = 0.0

    def __post_init__(self) -> None:
        """Make the thread."""
        self._thread = PeriodicThread("sweep", self._round, EVERY_S)

    def start(self) -> None:
        """Begin, and start the thread.

        Raises:
            UnreadableStoreError: the store has a format that this version does not read.
        """
        self.begin()
        self._thread.start()

    def begin(self) -> None:
        """Give signs of life before the first event: the worker is known.

        What it writes before its first round is checked too if Redis loses it.
        """
        with suppress(StoreUnavailable):  # the first round logs it
            self.heartbeat.give()
            self.store.signs.give()

    def stop(self) -> None:
        """Stop after the current round."""
        self._thread.stop()
        self.heartbeat.end()

    def once(self) -> None:
        """Do one round."""
        self.heartbeat.give()
        self.store.format.raise_if_all_read()
        self._check_redis()
        swept = self.store.routers.sweep(self.grace_ms)
        if swept.set_back_from_ms:
            self._set_back(swept.set_back_from_ms)
        for part, do in (
            ("schedule", self.release),
            ("maintenance", self.maintain),
            ("maintenance", self.store.maintenance.run),
        ):
            try:
                do()
            except UnknownFormatError as error:
                # A worker of a newer version is running too, and does it.
                log.warning("sweep.left_to_newer", part=part, reason=str(error))

    def _check_redis(self) -> None:
        seen = self.store.signs.give()
        if seen is not Seen.SAME and self._came_back is not Seen.ROLLED_BACK:
            self._came_back = seen
        if self._came_back is not None:  # also from a round in which Redis failed again
            self.check_keys()
            self._recheck(rolled_back=self._came_back is Seen.ROLLED_BACK)
            self._came_back = None
        elif self._unknown and self._may_ask():
            self._queue_known(self._unknown)
        self.store.routers.handled.forget_old()

    def _may_ask(self) -> bool:
        """Whether services that Redis lost are asked for now."""
        now = self.clock()
        waited = now - self._lost_at
        if now < self._ask_at or waited > _SENT_AGAIN_S:
            return False
        self._ask_at = now + waited * _WAITS_PART
        return True

    def _recheck(self, *, rolled_back: bool) -> None:
        """Check again what this worker wrote and concluded last, because Redis may have lost it.

        The routers have those writes, the records may not. Rows of services that Redis no longer
        knows stay: the BSS must send these services again, and then they are checked too. One that
        is activated and cancelled by the same commit would have no work there else.
        """
        services = self.store.routers.handled.lately()
        queued = self._queue_known(services)
        unknown = sum(map(len, self._unknown.values()))
        self._lost_at = self._ask_at = self.clock()
        if queued or unknown or rolled_back:
            log.warning("redis.came_back", rolled_back=rolled_back, queued=queued, unknown=unknown)
        if rolled_back:
            self.store.pools.distrust_written()
            message = (
                "Redis lost its last writes: publishers that run send their last events again, "
                "let the BSS send the events of the others; services that were confirmed in the "
                "last minutes are checked again"
            )
            self.store.alerts.open("redis-rolled-back", "", message)

    def _queue_known(self, services_at: Mapping[str, Mapping[str, Sequence[Identity]]]) -> int:
        """Have those services checked that Redis knows, and keep the others for later rounds.

        `services_at` has, by router and service, the rows that were added for it.

        Returns:
            How many are checked.
        """
        queued, self._unknown = 0, {}
        for router, services in services_at.items():
            known = self.store.records.known_whole(services)
            # New customers do not wait for that.
            self.store.routers.add_work(router, known, REMOVAL, closely=True, added=services)
            queued += len(known)
            if unknown := {name: services[name] for name in services.keys() - set(known)}:
                self._unknown[router] = unknown
        return queued

    def _set_back(self, from_ms: int) -> None:
        by_s = (from_ms - self.store.records.now_ms()) // 1000
        message = (
            f"the clock of Redis's host went back by {by_s} s: times were set back with it, and "
            "work goes on; check that NTP runs there, and whether another server took over"
        )
        # The alert comes first: this worker may die while it sets times back.
        self.store.alerts.open("clock-went-back", "", message)
        if self.store.maintenance.set_back(from_ms, self.store.routers.lock_ms):
            log.error("clock.went_back", seconds=by_s, advice=message)

    def _round(self) -> None:
        if self.orphaned():
            log.warning("worker.orphaned", advice="the supervisor is gone: this worker ends")
            self._end_process()
            return
        try:
            self.once()
            self._logged = None
        except StoreUnavailable as error:
            if self._logged is not type(error):
                log_unavailable(error, "sweep")
            self._logged = type(error)
            if isinstance(error, StoreRefused) and self.login_changed():
                log.warning("worker.login_changed", reason="Redis password changed; restarting")
                self._end_process()
        except UnreadableStoreError as error:  # all others were upgraded while it was away
            log.error("worker.too_old", problems=error.problems, advice="this worker ends")  # noqa: TRY400 - the problems say more than a traceback
            self._end_process()
        except BaseException:
            # A worker without a sweep would look healthy and lose its safety net: restart it.
            log.exception("sweep.failed")
            self._end_process()

    def _end_process(self) -> None:
        self._thread.stop()
        os.kill(os.getpid(), signal.SIGTERM)
