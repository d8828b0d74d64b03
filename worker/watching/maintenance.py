"""What the sweep looks after besides: canaries, and alerts: those that lasted, and untrue ones."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from worker.core.alerting.alerts import AWAY
from worker.core.entry.brake import HELD_MESSAGE
from worker.core.full_read.unknown_devices import KINDS_OF_WATCH
from worker.core.policy.policy import RouterPolicy
from worker.store.store import Store
from worker.watching.backlogs import Backlogs

log = structlog.get_logger()

SILENT_MS: Final = 30_000
"""A canary that waits so long is begun to be told of: tasks are bounded well below."""
CLOCK_NOTIFIED_MS: Final = 3_600_000
"""For so long it is told that Redis's clock, or Redis itself, went back."""


class Maintenance:
    """In every worker; what is to be done once is claimed in the store.

    Args:
        store: the store.
        send_canary: puts one into a queue.
        waiting_ms: a service that waits for longer (milliseconds) is told of.
        policies: of the inventory's routers.
    """

    def __init__(
        self,
        store: Store,
        send_canary: Callable[[str], None],
        waiting_ms: int,
        policies: Mapping[str, RouterPolicy],
    ) -> None:
        self._store = store
        self._policies = policies
        self._backlogs = Backlogs(store, waiting_ms, policies)
        self._send_canary = send_canary

    def look(self) -> None:
        """One round, each second."""
        for alert in self._store.alerts.tell():
            level = log.error if alert.severity == "critical" else log.warning
            level("alert.told", kind=alert.kind, subject=alert.subject, reason=alert.text)
        queues = self._store.canaries.to_send()
        if queues is None:
            return
        self._check_canaries()
        self._end_left_behind()
        self._check_brake()
        self._backlogs.look()
        for queue in queues:
            self._send_canary(queue)

    def arrived(self, queue: str) -> None:
        """A canary came through."""
        self._store.canaries.arrived(queue)
        self._store.alerts.end("worker-silent", queue, "messages are taken again")

    def _check_canaries(self) -> None:
        for queue, waiting_ms in self._store.canaries.waiting_ms().items():
            if waiting_ms > SILENT_MS:
                message = f"nobody takes messages from the queue {queue} for {waiting_ms // 1000} s"
                self._store.alerts.begin("worker-silent", queue, message)

    def _end_left_behind(self) -> None:
        """End what nobody else would: of routers that are gone, not watched, or up again.

        Whoever closed the circuit of one that is up died before it said so. A clock or a
        Redis that went back is told of for an hour.
        """
        for alert in self._store.alerts.open():
            if alert.kind in ("clock-went-back", "redis-rolled-back"):
                if self._store.records.now_ms() - alert.since_ms > CLOCK_NOTIFIED_MS:
                    self._store.alerts.end(alert.kind, alert.subject, "it has gone on since")
                continue
            policy = self._policies.get(alert.router)
            if alert.router and policy is None:
                message = "the inventory has no such router any more"
                self._store.alerts.end(alert.kind, alert.subject, message)
            elif policy and policy.mode != "manage" and alert.kind in KINDS_OF_WATCH:
                self._store.alerts.end(alert.kind, alert.subject, "its devices are watched no more")
            elif alert.kind in AWAY:
                state = self._store.views.router(alert.subject).state
                # One that a person holds is as it was: nobody tries it.
                if not state.open and not state.away_since_ms and state.state != "paused":
                    self._store.alerts.end(alert.kind, alert.subject)

    def _check_brake(self) -> None:
        """Tell of what the brake holds as it is: whoever held it, or let it go, may have died."""
        # In this order: what a person decides on meanwhile is not begun anew.
        known = {each.subject: each for each in self._store.alerts.open() if each.kind == "brake"}
        held = self._store.brake.approvals().keys()
        for hold in held - {subject for subject, each in known.items() if each.notified}:
            self._store.alerts.begin("brake", hold, HELD_MESSAGE)
        for hold in known.keys() - held:
            self._store.alerts.end("brake", hold, "nothing is held any more")
