"""Concludes a batch item that is not confirmed (`confirm.py`): it is postponed or dead-lettered."""

import json
from typing import Final

import structlog

from worker.convergence.batch_item import BatchItem
from worker.convergence.concurrency import TimeLimits
from worker.core.rows.operations import Waiting
from worker.core.service.history import line_to_json
from worker.core.service.outcome import DeadLetter, Outcome, State
from worker.store.batches import Conclusion

log = structlog.get_logger(__name__)

CLAIM_RECHECK_MS: Final = 300_000
TAKEN_TOO_EARLY_MS: Final = 1_000
"""Of a service that has its claims, which another one wants by the older record of the pass."""
CLAIM_HELD: Final = "claim-held"
"""The service that releases a claim wakes those that wait for it; the recheck is a safety net."""
OF_THE_ROUTER: Final = frozenset({"waiting-for-router", "unknown-router"})
"""Reasons that all services of a router share: the router logs them once."""

TRIED_IN_VAIN: Final = frozenset(
    {"operation-refused", "router-says", "connection-lost", "does-not-stick"}
)
"""Why a service is not in sync although its write was tried."""


def waiting(  # noqa: PLR0913 - the parts of a conclusion
    item: BatchItem,
    why: Waiting,
    now_ms: int,
    time_limits: TimeLimits,
    tries: int = 0,
    *,
    wrote: bool = False,
) -> Conclusion:
    """Postpone a service; it is logged again only when the reason changes.

    Args:
        item: the service.
        why: nothing can be written for it now.
        now_ms: Redis's time.
        time_limits: how long it may wait.
        tries: how often the router refused it with an unknown message; each doubles the wait.
        wrote: something was written for it.
    """
    before, reason, detail = item.before, why.reason, why.detail
    same = (before.get("reason"), before.get("detail")) == (reason, detail)
    # When the holder of a claim is suspended meanwhile, only the detail of the wait changes.
    since_ms = before["since_ms"] if before.get("reason") == reason else now_ms
    notified = bool(before.get("notified")) and since_ms != now_ms
    waited_ms = now_ms - since_ms
    where_and_why = {"router": item.router, "reason": reason, "detail": detail}
    if not notified and waited_ms >= time_limits.alert_ms:
        notified = True
        log.error(
            "service.waiting_long",
            service_id=item.service_id,
            **where_and_why,
            waited_s=waited_ms // 1000,
            advice=f"`leasewire why {item.service_id}` says who has to act",
        )
    wait_ms = time_limits.recheck_ms << max(tries - 1, 0)
    if reason == CLAIM_HELD:
        wait_ms = CLAIM_RECHECK_MS if item.refused else TAKEN_TOO_EARLY_MS
    if not notified:
        wait_ms = min(wait_ms, time_limits.alert_ms - waited_ms)
    lines = []
    if not same:
        lines = [line_to_json(now_ms, "waiting", where_and_why)]
        write_log = log.debug if reason in OF_THE_ROUTER else log.warning
        write_log("service.waiting", service_id=item.service_id, **where_and_why)
    now_waiting = {"reason": reason, "detail": detail, "since_ms": since_ms, "tries": tries}
    return Conclusion(
        item.work_item,
        "postponed",
        outcomes=_outcomes(item, "waiting", reason, detail, now_ms),
        waiting=json.dumps(now_waiting | {"notified": notified}),
        wait_ms=max(wait_ms, 1),
        lines=lines,
        wrote=wrote,
    )


def held_back(
    item: BatchItem, message: str, now_ms: int, wait_ms: int, *, wrote: bool
) -> Conclusion:
    """Put a service aside whose write was refused, until it is known how many were refused."""
    kept = {"reason": "router-says", "detail": message, "tries": 0, "since_ms": now_ms}
    if item.refused or item.before.get("reason") != CLAIM_HELD:  # else it has its claims by now
        kept |= item.before
    kept["refused"] = True  # only this conclusion sets it
    return Conclusion(
        item.work_item, "postponed", waiting=json.dumps(kept), wait_ms=wait_ms, wrote=wrote
    )


def failed(  # noqa: PLR0913 - the parts of a conclusion
    item: BatchItem,
    reason: str,
    detail: str,
    now_ms: int,
    *,
    defer_check: bool = False,
    wrote: bool = False,
) -> Conclusion:
    """Dead-letter a service with the router's own message; its next event tries it again.

    Its events stay pending: if a later try succeeds, they are applied after all.
    """
    log.error(
        "service.dead_lettered",
        service_id=item.service_id,
        router=item.router,
        reason=reason,
        detail=detail,
    )
    line = {"router": item.router, "reason": reason, "detail": detail}
    outcomes = _outcomes(item, "failed", reason, detail, now_ms)
    event_keys = tuple(pending.event.key for pending in item.pending)
    return failed_without_events(item, reason, detail, now_ms, event_keys)._replace(
        outcomes=outcomes,
        lines=[line_to_json(now_ms, "failed", line)],
        counts={"failed": len(outcomes)},
        defer_check=defer_check,
        wrote=wrote,
    )


def failed_without_events(
    item: BatchItem, reason: str, detail: str, now_ms: int, event_keys: tuple[str, ...] = ()
) -> Conclusion:
    """Dead-letter a service without a word about its events."""
    dead_letter = DeadLetter(
        id=f"{item.service_id}@{item.router}",
        kind="service",
        reason=reason,
        detail=detail,
        service_id=item.service_id,
        router=item.router,
        event_keys=event_keys,
        at_ms=now_ms,
    )
    why = json.dumps({"reason": reason, "detail": detail, "since_ms": now_ms})
    return Conclusion(item.work_item, "failed", waiting=why, dead_letters=[dead_letter])


def _outcomes(
    item: BatchItem, state: State, reason: str, detail: str, now_ms: int
) -> list[Outcome]:
    """The outcome of each pending event that depends on the router."""
    return [
        Outcome(
            event.event,
            item.service_id,
            state,
            now_ms,
            reason=reason,
            detail=detail,
            router=item.router,
            assigned=item.record.assigned_values,
        )
        for event in item.pending
    ]
