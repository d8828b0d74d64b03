"""A router that is only observed: what a pass would write is said, and nothing is written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import structlog

from worker.convergence.conclude import BatchItem, events_at, placements_after
from worker.convergence.gather import Gathering
from worker.convergence.prerequisites import MissingPrerequisites
from worker.convergence.writing import describe
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import WritePlan
from worker.core.service.history import line_to_json
from worker.core.service.outcome import outcome_of
from worker.core.service.record import settle
from worker.store.batches import Conclusion, WorkItem

log = structlog.get_logger()


def observe(
    gathering: Gathering,
    prerequisites: MissingPrerequisites,
    policy: RouterPolicy,
    work_items: Sequence[WorkItem],
    now_ms: int,
) -> list[Conclusion]:
    """Plan for the services of a batch and clear their marks: their events end as `observed`."""
    items, rows, unknown = gathering.close(gathering.claim(gathering.items(work_items)))
    for item in items.values():
        item.refused = item.refused or prerequisites.of(item)
    wanted = [gathering.wanted(item) for item in items.values()]
    made = plan(wanted, rows, policy, unknown=unknown)
    return [_observed(item, made, now_ms) for item in items.values()]


def _observed(item: BatchItem, made: WritePlan, now_ms: int) -> Conclusion:
    service_id, record = item.work_item.service_id, item.work_item.stored.record
    why = made.waiting.get(service_id)
    would = [describe(each) for each in made.operations() if each.service_id == service_id]
    if why is not None:
        reason, detail = why.reason, why.detail
    elif would:
        reason, detail = "would-write", "; ".join(would)
    else:
        reason, detail = "already-current", ""
    after = record
    if why is None and not would:
        after = replace(record, placements=placements_after(item, made.listed[service_id], now_ms))
    elif item.router in record.placements:  # which may have been right at an earlier look
        differs = record.placements[item.router]._replace(seen_ms=0)
        after = replace(record, placements={**record.placements, item.router: differs})
    ending = events_at(record, item.router)
    outcomes = []
    if ending:
        after, settled = settle(after)
        outcomes = [
            outcome_of(
                end.pending,
                service_id,
                "superseded" if end.by else "observed",
                now_ms,
                reason="" if end.by else reason,
                detail=f"by {end.by}" if end.by else detail,
                router=item.router,
            )
            for end in settled
        ]
    line = {"router": item.router, "reason": reason, "detail": detail}
    log.info("service.observed", service_id=service_id, router=item.router, reason=reason)
    return Conclusion(
        item.work_item,
        "confirm",
        record=after if after != record else None,
        gone=item.router not in after.placements,
        outcomes=outcomes,
        lines=[line_to_json(now_ms, "observed", line)] if outcomes else [],
        counts=Counter(outcome.state for outcome in outcomes),
    )
