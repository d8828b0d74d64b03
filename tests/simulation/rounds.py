"""Checks that each worker whose last round Redis lost opens the alert about it.

By docs/how-to/handle-alerts.md: the sweep opens the alert within a second or two.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.simulation import logs
from tests.simulation.redis_side import TimedServer
from tests.simulation.scheduler import Scheduler
from tests.simulation.tasks import Process
from worker.core.alerting.alerts import alert_name
from worker.errors import StoreUnavailable
from worker.store.keys import Keys

_ALERT: Final = alert_name("redis-rolled-back", "")


@dataclass
class Rounds:
    """The rounds of all sweeps.

    Args:
        server: in which they leave signs of life.
        scheduler: says whose round it is.
        prefix: of all keys.
    """

    server: TimedServer
    scheduler: Scheduler
    prefix: str
    _began_at: dict[Process, int] = field(default_factory=dict)
    _lost: set[Process] = field(default_factory=set)

    def do(self, once: Callable[[], None]) -> None:
        """Let whoever's turn it is do a round; the first one after a loss tells of it."""
        task, server = self.scheduler.current, self.server
        assert task is not None
        process, written, starts = task.process, server.written, server.starts
        is_known = server.known_former is None
        tells = is_known and process in self._lost
        try:
            once()
        except StoreUnavailable:
            if not server.away:  # its sign may be there without its knowing
                self._lost.discard(process)
            raise
        if tells and process in self._lost:
            self._lost.discard(process)
            with server.client() as client:
                if not client.hexists(Keys(self.prefix).alerts, _ALERT):
                    logs.BUGS.append(f"{process.name} does not tell that Redis lost its round")
        if is_known and server.starts == starts:
            self._began_at[process] = written

    def begin(self, begin: Callable[[], None]) -> None:
        """Let whoever's turn it is give its first sign; unless something fails it counts too."""
        task = self.scheduler.current
        assert task is not None
        before = (self.server.starts, None, False, len(self.scheduler.faults))
        begin()
        server = self.server
        known = (server.starts, server.known_former, server.away, len(self.scheduler.faults))
        if known == before:
            self._began_at[task.process] = server.written  # right behind its sign

    def forget(self) -> None:
        """Redis lost its end: whatever a round wrote that began later is gone."""
        kept = self.server.written
        self._lost = {process for process, at in self._began_at.items() if at > kept}
        self._began_at.clear()
