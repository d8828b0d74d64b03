"""Reads what decides on a router when changes act, keeps it, and alerts on what defeats them."""

from collections.abc import Collection
from dataclasses import replace

import structlog

from worker.convergence.router_lock import RouterLock
from worker.core.alerting.alerts import AlertKind
from worker.core.effect.findings import ENDS, findings
from worker.core.policy.policy import RouterPolicy
from worker.ports import RouterSession
from worker.store.store import Store

log = structlog.get_logger()


def report_effect(
    store: Store,
    session: RouterSession,
    policy: RouterPolicy,
    lock: RouterLock,
    servers: Collection[str],
) -> None:
    """Read the facts of a locked router, remember them, and open or resolve alerts.

    Args:
        store: the store.
        session: to the router.
        policy: of it, as held in the session's menu.
        lock: of it.
        servers: DHCP servers that its services name.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the lock and the session do.
    """
    router, ours = lock.router, {policy.default_server, *servers}
    facts = session.read_effect(policy.suspend_list, ours, lock.progress)
    facts = replace(facts, read_at_ms=store.records.now_ms())
    store.memory.note_effect(router, facts)
    found: dict[tuple[AlertKind, str], str] = {
        (finding.kind, router): f"router {router}: {finding.detail}"
        for finding in findings(facts, policy)
    }
    store.alerts.settle(found, dict(ENDS.items()), router)
    log.info(
        "router.effect_read",
        router=router,
        findings=[kind for kind, _ in found],
        unread=sorted(facts.unread),
    )
