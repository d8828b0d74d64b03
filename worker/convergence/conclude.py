"""Concludes a batch item: it is confirmed, postponed or dead-lettered."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from worker.convergence.batch_item import BatchItem, placements_after
from worker.convergence.concurrency import TimeLimits
from worker.convergence.noticed import noticed_at, watch_of
from worker.core.effect.rungs import RouterEffect
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.operations import Waiting
from worker.core.rows.rows import ListPlace, MenuPath
from worker.core.service.history import line_to_json
from worker.core.service.outcome import UNCHANGED, DeadLetter, Outcome, State
from worker.core.service.record import ServiceRecord, Settled, cleaned, settle
from worker.core.service.record_parts import PendingEvent
from worker.core.storage_format import short_type
from worker.store.batches import Conclusion

log = structlog.get_logger(__name__)

CLAIM_RECHECK_MS: Final = 300_000
TAKEN_TOO_EARLY_MS: Final = 1_000
"""Of a service that has its claims, which another one wants by the older record of the pass."""
CLAIM_HELD: Final = "claim-held"
"""The service that releases a claim wakes those that wait for it; the recheck is a safety net."""
SWITCHED_OFF: Final = "disabled-by-hand"
NO_VALUE: Final = ("pool-full", "no-pool", "pool-not-read", "prefix-of-pool", "address-assigned")
"""Why a service has no prefix of a pool: the rest of it is written."""
WARNINGS: Final = frozenset(
    {
        "address-still-used-by",
        SWITCHED_OFF,
        "queue-disabled",
        "queue-shadowed",
        "lease-queue",
        "binding-disabled",
        "ipv6-not-managed",
        "ipv6-client-unknown",
        "ipv6-client-ambiguous",
        "ipv6-client-changed",
        *NO_VALUE,
    }
)
"""Notes of a plan that go into the outcome although the rows are as wanted."""
_INTO_USE: Final = frozenset({"activated", "resumed"})
OF_THE_ROUTER: Final = frozenset({"waiting-for-router", "unknown-router"})
"""Reasons that all services of a router share: the router logs them once."""

TRIED_IN_VAIN: Final = frozenset(
    {"operation-refused", "router-says", "connection-lost", "does-not-stick"}
)
"""Why a service is not in sync although its write was tried."""

_NOTHING_KNOWN: Final = RouterEffect()
_NOWHERE: Final[Mapping[str, frozenset[ListPlace]]] = {}


def confirmed(  # noqa: PLR0913 - the parts of a conclusion
    item: BatchItem,
    now_ms: int,
    listed: Mapping[str, frozenset[ListPlace]] = _NOWHERE,
    wrote: Sequence[str] = (),
    touched: Collection[MenuPath] = (),
    *,
    bindings: tuple[OwnBinding, ...] = (),
    effect: RouterEffect = _NOTHING_KNOWN,
    remark: str = "",
) -> Conclusion:
    """Confirm a service whose rows are as wanted, with the outcomes of the events that this ends.

    Args:
        item: the service.
        now_ms: Redis's time.
        listed: what its own rows in address lists say, and those of its further devices
            (`WritePlan.listed`).
        wrote: the operations that the router confirmed, described.
        touched: their menus.
        bindings: its own bindings of DHCPv6 servers, as read.
        effect: what is known of when changes act on this router.
        remark: what a person should know of how the change acts.
    """
    record, warning = item.record, item.warning
    gone = item.entry.is_over
    placements = placements_after(item, listed, now_ms, bindings)
    after, stands_nowhere = cleaned(replace(record, placements=placements), item.router)
    # A service that has an entry here wants this router.
    wanted = record.wanted_router if gone else item.router
    settled: tuple[Settled, ...] = ()
    # A move is applied when the new router confirms; the old one is cleaned afterwards.
    is_cleaned = wanted is None and not placements and not record.unassigned
    if wanted == item.router or is_cleaned:
        after, settled = settle(after)
    assigned = record.assigned_values
    left = sorted(placements.keys() - {item.router}) if wanted else []
    remarks = [warning.detail] if warning else []
    remarks += [remark] if remark else []
    remarks += [f"still to clean on {', '.join(left)}"] if left else []
    # Events that changed nothing, and whose rows were there.
    idle = () if wrote else (end for end in settled if not end.pending.registers)
    unchanged = dict.fromkeys(idle, UNCHANGED)
    noticed = noticed_at(item, settled, effect, now_ms)
    outcomes = [
        Outcome(
            end.pending.event,
            item.service_id,
            end.outcome,
            now_ms,
            reason="" if end.by else warning.kind if warning else unchanged.get(end, ""),
            detail=f"by {end.by}" if end.by else "; ".join(remarks),
            router=item.router,
            effective_by=noticed.by if touched and not end.by else "",
            assigned={} if end.by else assigned,
        )
        for end in settled
    ]
    pairs = zip(settled, outcomes, strict=True)
    changing = [outcome for end, outcome in pairs if end not in unchanged]
    watch = watch_of(item, noticed, changing, now_ms)
    if item.before.get("notified"):
        log.info(
            "service.waiting_ended",
            service_id=item.service_id,
            router=item.router,
            reason=item.before["reason"],
            waited_s=(now_ms - item.before["since_ms"]) // 1000,
        )
    lines = []
    if wrote or len(unchanged) < len(outcomes):
        line = {
            "router": item.router,
            "wrote": wrote,
            "applied": [outcome.event.id for outcome in outcomes if outcome.state == "applied"],
        }
        lines = [line_to_json(now_ms, "removed" if gone else "in sync", line)]
        log.info(
            "service.converged",
            service_id=item.service_id,
            router=item.router,
            operations=len(wrote),
            events=[outcome.event.id for outcome in outcomes],
        )
    return Conclusion(
        item.work_item,
        "confirmed",
        record=after if after != record else None,
        gone=gone,
        outcomes=outcomes,
        lines=lines,
        counts=Counter(end.outcome for end in settled),
        watch=watch,
        quarantine=stands_nowhere,
        may_vacate=item.work_item.held != item.entry.claims,
    )


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


def switched_off(item: BatchItem) -> Waiting | None:
    """Why an event that puts a service into use is not applied yet although the fields are right.

    Other events are applied: the row has what they say, and their outcome warns that it is off.
    """
    warning = item.warning
    if warning is None or warning.kind != SWITCHED_OFF:
        return None
    pending = events_at(item.record, item.router)
    if not any(short_type(event.event.type) in _INTO_USE for event in pending):
        return None
    return Waiting(SWITCHED_OFF, f"{warning.detail}: its device gets nothing until it is enabled")


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
    events = events_at(item.record, item.router)
    log.error(
        "service.dead_lettered",
        service_id=item.service_id,
        router=item.router,
        reason=reason,
        detail=detail,
    )
    line = {"router": item.router, "reason": reason, "detail": detail}
    outcomes = _outcomes(item, "failed", reason, detail, now_ms)
    return replace(
        failed_without_events(item, reason, detail, now_ms, tuple(e.event.key for e in events)),
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
        for event in events_at(item.record, item.router)
    ]


def events_at(record: ServiceRecord, router: str) -> tuple[PendingEvent, ...]:
    """The pending events that depend on a router; none if it must only be cleaned."""
    return record.pending if record.wanted_router in (None, router) else ()
