"""Periodic jobs of the sweep: canaries, alerts, and the inventory that a worker has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from worker.core.alerting.alerts import AWAY
from worker.core.entry.brake import HELD_MESSAGE
from worker.core.full_read.unknown_devices import KINDS_OF_WATCH
from worker.core.policy.address_pool import AddressPools
from worker.core.policy.policy import RouterPolicy
from worker.store.store import Store
from worker.watching.backlogs import Backlogs
from worker.watching.pool_watch import check_pools

log = structlog.get_logger()

SILENT_MS: Final = 30_000
"""A canary that waits longer opens an alert; tasks take much less time."""
CLOCK_ALERT_MS: Final = 3_600_000
"""How long the alert stays open that Redis, or its clock, went back."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Runs in every worker; a job that one worker is to do is claimed in the store.

    A service that waits longer than `waiting_ms` opens an alert.
    """

    store: Store
    send_canary: Callable[[str], None]
    waiting_ms: int
    policies: Mapping[str, RouterPolicy]
    pools: AddressPools = field(default_factory=AddressPools)

    def check(self) -> None:
        """Do one round; called each second."""
        for alert in self.store.alerts.notify_due():
            level = log.error if alert.severity == "critical" else log.warning
            level("alert.logged", kind=alert.kind, subject=alert.subject, reason=alert.text)
        queues = self.store.canaries.to_send()
        if queues is None:
            return
        self._check_canaries()
        self._resolve_stale()
        self._check_brake()
        Backlogs(self.store, self.waiting_ms, self.policies).check()
        check_pools(self.store, self.pools)
        for queue in queues:
            self.send_canary(queue)

    def arrived(self, queue: str) -> None:
        """Note that a canary arrived."""
        self.store.canaries.arrived(queue)
        self.store.alerts.resolve("worker-silent", queue, "messages are taken again")

    def _check_canaries(self) -> None:
        for queue, waiting_ms in self.store.canaries.waiting_ms().items():
            if waiting_ms > SILENT_MS:
                message = f"no worker took a message from queue {queue} for {waiting_ms // 1000} s"
                self.store.alerts.open("worker-silent", queue, message)

    def _resolve_stale(self) -> None:
        """Resolve alerts that nobody else would: of routers that are gone, not watched, or up.

        A worker may have died after it closed a circuit and before it resolved the alert.
        """
        for alert in self.store.alerts.all_open():
            if alert.kind in ("clock-went-back", "redis-rolled-back"):
                if self.store.records.now_ms() - alert.since_ms > CLOCK_ALERT_MS:
                    self.store.alerts.resolve(alert.kind, alert.subject, "an hour ago")
                continue
            policy = self.policies.get(alert.router)
            if alert.router and policy is None:
                message = "the router is no longer in the inventory"
                self.store.alerts.resolve(alert.kind, alert.subject, message)
            elif policy and policy.mode != "manage" and alert.kind in KINDS_OF_WATCH:
                self.store.alerts.resolve(
                    alert.kind, alert.subject, "its devices are no longer watched"
                )
            elif alert.kind in AWAY:
                state = self.store.views.state(alert.subject)
                # A paused router is as it was: nobody connects to it.
                if not state.open and not state.away_since_ms and state.state != "paused":
                    self.store.alerts.resolve(alert.kind, alert.subject)

    def _check_brake(self) -> None:
        """Open and resolve alerts of the brake: whoever held or approved work may have died."""
        # In this order: an approval that a person decides meanwhile does not open again.
        alerts = {
            alert.subject: alert for alert in self.store.alerts.all_open() if alert.kind == "brake"
        }
        held = self.store.brake.approvals().keys()
        notified = {subject for subject, alert in alerts.items() if alert.notified}
        for subject in held - notified:
            self.store.alerts.open("brake", subject, HELD_MESSAGE)
        for subject in alerts.keys() - held:
            self.store.alerts.resolve("brake", subject, "nothing is held any more")


def inventory_announcement(store: Store, worker: str, routers: Iterable[str]) -> Callable[[], None]:
    """Return what to call each second in a worker that has just read its inventory.

    Services that waited for its routers as unknown are checked once.
    """
    read_ms, to_wake = store.records.now_ms(), list(routers)

    def announce() -> None:
        while to_wake:
            wake_unknown(store, to_wake[-1:])
            to_wake.pop()
        store.views.save_inventory(worker, read_ms)

    return announce


def wake_unknown(store: Store, routers: Iterable[str]) -> int:
    """Add a work item for each service that waits as `unknown-router`; returns their number."""
    woken = 0
    for router in routers:
        waiting = store.views.router_waiting(router).items()
        services = [service for service, why in waiting if why["reason"] == "unknown-router"]
        if services:
            store.routers.add_work(router, services)
            log.info("router.known_now", router=router, services=len(services))
        woken += len(services)
    return woken
