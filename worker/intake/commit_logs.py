"""Logs and alerts on what a commit did beside its services: the brake, and superseded events."""

import structlog

from worker.core.entry.brake import HELD_MESSAGE
from worker.store.commits import Committed
from worker.store.store import Store

log = structlog.get_logger()


def log_committed(store: Store, result: Committed) -> None:
    """Log which sources send mostly superseded events, and what the brake holds."""
    for alarm in result.alarms:
        if alarm.up:
            log.error(
                "source.mostly_superseded",
                **alarm.fields(),
                advice="if the source counts from lower revisions, as after a restore, run "
                "`leasewire sources rebase`; else its queue delivers in the wrong order",
            )
        else:
            log.info("source.recovered", **alarm.fields())
    for scope, services in result.braked.items():
        advice = "see `leasewire brake list`"
        log.error("brake.held", scope=scope, services=services, advice=advice)
        store.alerts.open("brake", scope, HELD_MESSAGE)
    if result.approved:
        left = store.brake.approvals()
        for alert in store.alerts.all_open():
            if alert.kind == "brake" and alert.subject not in left:
                store.alerts.resolve("brake", alert.subject, "nothing is held any more")
