"""How the installation is now, for the console's first page: health, and what to look at first."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from worker.admin.approvals import approvals
from worker.admin.health import health_document
from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.alerts import Alert
from worker.core.alerting.health_figures import RouterSummary
from worker.inventory import Inventory
from worker.store.health_figures import HealthReader
from worker.store.samples import Minute
from worker.store.store import Store

MOST_ALERTS: Final = 20
MOST_ROUTERS: Final = 10
MOST_HELD: Final = 5
_WELL: Final = ("up", "new")


def read_now(store: Store, inventory: Inventory, waiting_alert_s: float) -> dict[str, Any]:
    """Read how the installation is now: the health document, and the first of each long list.

    With a thousand routers this takes some tenths of a second.
    """
    now_ms = store.records.now_ms()
    figures = HealthReader(store).read(inventory.routers, now_ms)
    health = health_document(store, figures, waiting_alert_s)
    held = approvals(store, inventory.policies)
    return {
        "at": utc_time(now_ms),
        **health,
        "alerts": {
            "open": len(figures.alerts),
            "muted": max(0, store.alerts.number() - len(figures.alerts)),
            "first": alert_documents(figures.alerts)[:MOST_ALERTS],
        },
        "held": {
            "services": sum(len(approval.work_items) for approval in held),
            "approvals": len(held),
            "first": [
                {
                    "id": approval.id,
                    "scope": approval.scope,
                    "services": len(approval.work_items),
                    "since": utc_time(approval.since_ms),
                }
                for approval in sorted(held, key=lambda approval: approval.since_ms)[:MOST_HELD]
            ],
        },
        "not_up": _not_up(figures.routers),
        "late": _late(figures.routers),
        "minutes": per_minute(store.samples.minutes()),
    }


def per_minute(minutes: Sequence[Minute]) -> list[dict[str, Any]]:
    """The samples of the last hours, with what was accepted and applied a minute since the last.

    Where the counters went back, as after a restore, there is nothing to say of that minute.
    """
    found = []
    for before, after in pairwise(minutes):
        passed = (after.at_ms - before.at_ms) / 60_000
        accepted, applied = after.accepted - before.accepted, after.applied - before.applied
        if passed > 0 and accepted >= 0 and applied >= 0:
            found.append(
                {
                    "at": utc_time(after.at_ms),
                    "backlog": after.backlog + after.journal,
                    "accepted_per_minute": round(accepted / passed, 1),
                    "applied_per_minute": round(applied / passed, 1),
                }
            )
    return found


def alert_documents(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    """The alerts, the worst first; of the same severity the newest first."""
    worst = sorted(alerts, key=lambda alert: (alert.severity, -alert.since_ms))
    return [
        without_empty(
            {
                "kind": alert.kind,
                "subject": alert.subject,
                "severity": alert.severity,
                "text": alert.text,
                "since": utc_time(alert.since_ms),
                "router": alert.router,
            }
        )
        for alert in worst
    ]


def _not_up(routers: Sequence[RouterSummary]) -> list[dict[str, Any]]:
    """The routers that are not up; those with the most waiting services first."""
    down = [router for router in routers if router.state not in _WELL]
    down.sort(key=lambda router: (-router.queued, router.since_ms, router.name))
    return [_router(router) for router in down[:MOST_ROUTERS]]


def _late(routers: Sequence[RouterSummary]) -> list[dict[str, Any]]:
    """The routers whose work is due the longest."""
    late = [router for router in routers if router.oldest_ms]
    late.sort(key=lambda router: (router.oldest_ms, router.name))
    return [_router(router) for router in late[:MOST_ROUTERS]]


def _router(router: RouterSummary) -> dict[str, Any]:
    return without_empty(
        {
            "router": router.name,
            "state": router.state,
            "since": utc_time(router.since_ms),
            "backlog": router.queued,
            "oldest_due": utc_time(router.oldest_ms),
        }
    )
