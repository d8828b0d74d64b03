"""Reads what decides on a router when changes act, keeps it, and alerts on what defeats them."""

from collections.abc import Collection
from dataclasses import replace

import structlog

from worker.convergence.concurrency import RouterLock
from worker.core.alerting.alerts import AlertKind
from worker.core.effect.findings import ENDS, findings
from worker.core.entry.wanted import kind_of
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.queues import Shadow, shadows_of
from worker.core.rows.rows import QUEUES
from worker.ports import RouterSession
from worker.store.store import Store

log = structlog.get_logger()


def report_effect(  # noqa: PLR0913 - what a report is made of
    store: Store,
    session: RouterSession,
    policy: RouterPolicy,
    lock: RouterLock,
    servers: Collection[str],
    *,
    ipv6: bool,
    shadows: tuple[Shadow, ...] | None = None,
) -> None:
    """Read the facts of a locked router, remember them, and open or resolve alerts.

    A router whose rows serve others decides nothing for their devices.

    Args:
        store: the store.
        session: to the router.
        policy: of it, as held in the session's menu.
        lock: of it.
        servers: DHCP servers that its services name.
        ipv6: one of them has a binding.
        shadows: queues of others that take packets of ours; None: not read yet.

    Raises:
        LockLost, RouterUnreachable, RouterBlocked: as the lock and the session do.
    """
    if kind_of(policy).serves_others:  # their own routers decide it
        return
    router, ours = lock.router, {policy.default_server, *servers}
    ipv6_list = policy.ipv6_list if ipv6 else ""
    facts = session.read_effect(policy.suspend_list, ours, lock.progress, ipv6_list=ipv6_list)
    if shadows is None and policy.rates == "queue":
        shadows = shadows_of(session.read_rows(QUEUES, None, lock.progress), policy.installation)
    facts = replace(facts, read_at_ms=store.records.now_ms(), shadows=shadows or ())
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
