"""How the look at a service ends: it is confirmed, it waits, or it is given up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import structlog

from worker.core.entry.effect import effective_by
from worker.core.entry.entry import Entry, wanted_router
from worker.core.rows.operations import Note, Waiting
from worker.core.rows.rows import ListPlace, MenuPath
from worker.core.service.history import line_to_json
from worker.core.service.outcome import UNCHANGED, DeadLetter, Outcome, outcome_of
from worker.core.service.record import PendingEvent, Placement, ServiceRecord, Settled, settle
from worker.core.storage_format import short_type
from worker.store.batches import Conclusion, WorkItem

log = structlog.get_logger(__name__)

SELDOM_MS: Final = 300_000
SELDOM: Final = frozenset({"claim-held"})
"""Whoever lets go of a claim wakes those who wait for it; looking again is only the net below."""
SWITCHED_OFF: Final = "disabled-by-hand"
WARNINGS: Final = frozenset({"address-still-used-by", SWITCHED_OFF})
"""Notes of a plan that go into the outcome, though all is as wanted."""
_INTO_USE: Final = frozenset({"activated", "resumed"})
OF_THE_ROUTER: Final = frozenset({"waiting-for-router", "unknown-router"})
"""Reasons that all services of a router share: one line a router tells of them."""

TRIED_IN_VAIN: Final = frozenset(
    {"operation-refused", "router-says", "connection-lost", "does-not-stick"}
)
"""Why a service is not in sync though its write was tried."""


class TimeLimits(NamedTuple):
    """How long things may wait.

    Attributes:
        recheck_ms: until a service that waits for what people do on a router is looked at again.
        alert_ms: a service that waited so long is told of, once.
    """

    recheck_ms: int = 60_000
    alert_ms: int = 3_600_000


@dataclass(slots=True)
class BatchItem:
    """One service of a batch while a pass looks at it.

    Attributes:
        work_item: as taken.
        router: where.
        entry: what is wanted there.
        written: the lease as last written there and read back.
        listed: what its rows in address lists may say.
        refused: who holds what it claims; None when all claims are granted.
        stale: reads in a row that were old when their write arrived.
        writes: rounds in which something was written for it.
        wrote: each operation that the router confirmed, in words.
        touched: the menus of these.
        before: {reason, detail, since_ms, …} if it was not in sync at its last look.
        warning: what a person should know though all is as wanted.
        gives_way: it was tried in vain before, and is here for those alone in whose way its row is.
    """

    work_item: WorkItem
    router: str
    entry: Entry
    written: Mapping[str, str] | None
    listed: frozenset[ListPlace] = frozenset()
    refused: Waiting | None = None
    stale: int = 0
    writes: int = 0
    wrote: list[str] = field(default_factory=list)
    touched: set[MenuPath] = field(default_factory=set)
    before: Mapping[str, Any] | None = None
    warning: Note | None = None
    gives_way: bool = False


def confirmed(
    item: BatchItem, now_ms: int, listed: frozenset[ListPlace] = frozenset()
) -> Conclusion:
    """The rows are as wanted: say so of every event that this ends.

    Args:
        item: at the service.
        now_ms: Redis's time.
        listed: what its own rows in address lists say.
    """
    record = item.work_item.stored.record
    gone = item.entry.is_over
    placements = placements_after(item, listed, now_ms)
    after = replace(record, placements=placements)
    # Who has an entry here wants this router.
    wanted = wanted_router(record) if gone else item.router
    settled: tuple[Settled, ...] = ()
    # A move is applied when the new router confirms; what is left on the old one is cleaned after.
    if wanted == item.router or (wanted is None and not placements):
        after, settled = settle(after)
    warning = item.warning
    left = sorted(placements.keys() - {item.router}) if wanted else []
    remarks = [warning.detail] if warning else []
    remarks += [f"still to clean on {', '.join(left)}"] if left else []
    # They changed nothing, and their rows were there.
    idle = () if item.wrote else (end for end in settled if not end.pending.registers)
    unchanged = dict.fromkeys(idle, UNCHANGED)
    outcomes = [
        outcome_of(
            end.pending,
            item.work_item.service_id,
            end.outcome,
            now_ms,
            reason="" if end.by else warning.kind if warning else unchanged.get(end, ""),
            detail=f"by {end.by}" if end.by else "; ".join(remarks),
            router=item.router,
            effective_by=""
            if end.by
            else effective_by(item.entry, end.pending.registers, item.touched),
        )
        for end in settled
    ]
    if item.before is not None and item.before.get("notified"):
        log.info(
            "service.waited_long",
            service_id=item.work_item.service_id,
            router=item.router,
            reason=item.before["reason"],
            waited_s=(now_ms - item.before["since_ms"]) // 1000,
        )
    brief = frozenset(end.pending.key for end in unchanged)
    counts: dict[str, int] = {}
    for end in settled:
        counts[end.outcome] = counts.get(end.outcome, 0) + 1
    lines = []
    if item.wrote or len(unchanged) < len(outcomes):
        line = {
            "router": item.router,
            "wrote": item.wrote,
            "applied": [outcome.event_id for outcome in outcomes if outcome.state == "applied"],
        }
        lines = [line_to_json(now_ms, "removed" if gone else "in sync", line)]
        log.info(
            "service.converged",
            service_id=item.work_item.service_id,
            router=item.router,
            operations=len(item.wrote),
            events=[outcome.event_id for outcome in outcomes],
        )
    return Conclusion(
        item.work_item,
        "confirm",
        record=after if after != record else None,
        gone=gone,
        outcomes=outcomes,
        lines=lines,
        counts=counts,
        awaiting_device=_awaiting_device(
            item, [each for each in outcomes if each.key not in brief]
        ),
        brief=brief,
    )


def _awaiting_device(item: BatchItem, outcomes: Sequence[Outcome]) -> Outcome | None:
    """The event of which it is worth saying that the device came to have its address."""
    if item.entry.fields is None or item.work_item.stored.record.status != "active":
        return None
    return next((each for each in reversed(outcomes) if each.state == "applied"), None)


def placements_after(
    item: BatchItem, listed: frozenset[ListPlace], now_ms: int
) -> dict[str, Placement]:
    """The placements of a service whose rows on a router are as wanted now."""
    placements = dict(item.work_item.stored.record.placements)
    if item.entry.is_over:
        placements.pop(item.router, None)
    elif item.router in placements:
        placements[item.router] = Placement(item.entry.fields, listed, now_ms)
    return placements


def waiting(
    item: BatchItem, why: Waiting, now_ms: int, time_limits: TimeLimits, tries: int = 0
) -> Conclusion:
    """Postpone a service; said anew only when the reason is another than before.

    Args:
        item: at it.
        why: nothing can be written for it now.
        now_ms: Redis's time.
        time_limits: how long it may wait.
        tries: how often the router said words that we do not know; each doubles the wait.
    """
    work_item, router, reason, detail = item.work_item, item.router, why.reason, why.detail
    before = item.before or {}
    same = (before.get("reason"), before.get("detail")) == (reason, detail)
    # A holder that is suspended meanwhile is another detail of the same wait.
    since_ms = before["since_ms"] if before.get("reason") == reason else now_ms
    notified = bool(before.get("notified")) and since_ms != now_ms
    waited_ms = now_ms - since_ms
    fields = {
        "service_id": work_item.service_id,
        "router": router,
        "reason": reason,
        "detail": detail,
    }
    if not notified and waited_ms >= time_limits.alert_ms:
        notified = True
        log.error(
            "service.waits_long",
            **fields,
            waited_s=waited_ms // 1000,
            advice=f"`leasewire why {work_item.service_id}` says who has to act",
        )
    wait_ms = SELDOM_MS if reason in SELDOM else time_limits.recheck_ms << max(tries - 1, 0)
    if not notified:
        wait_ms = min(wait_ms, time_limits.alert_ms - waited_ms)
    outcomes = [
        outcome_of(
            each,
            work_item.service_id,
            "waiting",
            now_ms,
            reason=reason,
            detail=detail,
            router=router,
        )
        for each in events_at(work_item.stored.record, router)
    ]
    lines = []
    if not same:
        line = {"router": router, "reason": reason, "detail": detail}
        lines = [line_to_json(now_ms, "waiting", line)]
        (log.debug if reason in OF_THE_ROUTER else log.warning)("service.waiting", **fields)
    now_waiting = {"reason": reason, "detail": detail, "since_ms": since_ms, "tries": tries}
    return Conclusion(
        work_item,
        "postpone",
        outcomes=outcomes,
        waiting=json.dumps(now_waiting | {"notified": notified}),
        wait_ms=max(wait_ms, 1),
        lines=lines,
        wrote=bool(item.wrote),
    )


def switched_off(item: BatchItem) -> Waiting | None:
    """Why an event that puts a service into use is not applied yet though the fields are right.

    Other events are: what they say stands in the row, and its outcome says that it is off.
    """
    warning = item.warning
    if warning is None or warning.kind != SWITCHED_OFF:
        return None
    ending = events_at(item.work_item.stored.record, item.router)
    if not any(short_type(each.type) in _INTO_USE for each in ending):
        return None
    return Waiting(SWITCHED_OFF, f"{warning.detail}: its device gets nothing until it is enabled")


def held_back(item: BatchItem, message: str, now_ms: int, wait_ms: int) -> Conclusion:
    """Put a service aside whose write was refused, until it is known how many were."""
    before = item.before or {"since_ms": now_ms}
    kept = {"reason": "router-says", "detail": message, "tries": 0} | dict(before)
    kept["refused"] = True  # which no other end says
    return Conclusion(
        item.work_item,
        "postpone",
        waiting=json.dumps(kept),
        wait_ms=wait_ms,
        wrote=bool(item.wrote),
    )


def failed(
    item: BatchItem, reason: str, detail: str, now_ms: int, *, rest_check: bool = False
) -> Conclusion:
    """Dead-letter a service with the router's own words; its next event tries anew.

    Its events stay outstanding: should a later try succeed, they are applied after all.
    """
    work_item, router = item.work_item, item.router
    record = work_item.stored.record
    dead_letter = DeadLetter(
        id=f"{work_item.service_id}@{router}",
        kind="service",
        reason=reason,
        detail=detail,
        service_id=work_item.service_id,
        router=router,
        event_keys=tuple(each.key for each in events_at(record, router)),
        at_ms=now_ms,
    )
    outcomes = [
        outcome_of(
            each,
            work_item.service_id,
            "failed",
            now_ms,
            reason=reason,
            detail=detail,
            router=router,
        )
        for each in events_at(record, router)
    ]
    line = {"router": router, "reason": reason, "detail": detail}
    log.error(
        "service.dead_lettered",
        service_id=work_item.service_id,
        router=router,
        reason=reason,
        detail=detail,
    )
    return Conclusion(
        work_item,
        "give-up",
        outcomes=outcomes,
        waiting=json.dumps({"reason": reason, "detail": detail, "since_ms": now_ms}),
        dead_letters=[dead_letter],
        lines=[line_to_json(now_ms, "failed", line)],
        counts={"failed": len(outcomes)},
        rest_check=rest_check,
        wrote=bool(item.wrote),
    )


def events_at(record: ServiceRecord, router: str) -> tuple[PendingEvent, ...]:
    """The outstanding events that hang on a router: none on one that is only to be cleaned."""
    return record.pending if wanted_router(record) in (None, router) else ()
