"""Works out what a pass would write to a router in observe mode, and writes nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import structlog

from worker.convergence.batch_item import BatchItem, placements_after
from worker.convergence.gather import Gatherer, with_further
from worker.convergence.prerequisites import MissingPrerequisites
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import WritePlan, describe
from worker.core.service.history import line_to_json
from worker.core.service.outcome import Outcome
from worker.core.service.record import cleaned, settle
from worker.core.service.record_parts import LeftValue
from worker.store.batches import Conclusion, WorkItem

log = structlog.get_logger()


def observe(
    gatherer: Gatherer,
    prerequisites: MissingPrerequisites,
    policy: RouterPolicy,
    work_items: Sequence[WorkItem],
    now_ms: int,
) -> list[Conclusion]:
    """WritePlan for the services of a batch, and conclude them: their events end as `observed`."""
    gathered = gatherer.close(gatherer.claim(gatherer.items(work_items)))
    checked = [
        item if item.refused else replace(item, refused=prerequisites.check(item).missing)
        for item in gathered.items.values()
    ]
    made = plan([item.wanted() for item in with_further(checked)], gathered.index, policy)
    return [_observed(item, made, now_ms) for item in checked]


def _observed(item: BatchItem, made: WritePlan, now_ms: int) -> Conclusion:
    service_id, record = item.service_id, item.record
    why = made.waiting.get(service_id)
    would = [describe(op) for op in made.operations if op.service_id == service_id]
    if why is not None:
        reason, detail = why.reason, why.detail
    elif would:
        reason, detail = "would-write", "; ".join(would)
    else:
        reason, detail = "already-current", ""
    after = record
    stands_nowhere: tuple[LeftValue, ...] = ()
    if why is None and not would:
        bindings = made.bindings.get(service_id, ())
        after = record._replace(placements=placements_after(item, made.listed, now_ms, bindings))
        after, stands_nowhere = cleaned(after, item.router)
    elif item.router in record.placements:  # which may have been right at an earlier check
        differs = record.placements[item.router]._replace(seen_ms=0)
        after = record._replace(placements={**record.placements, item.router: differs})
    outcomes = []
    if item.pending:
        after, settled = settle(after)
        outcomes = [
            Outcome(
                end.pending.event,
                service_id,
                "superseded" if end.by else "observed",
                now_ms,
                reason="" if end.by else reason,
                detail=f"by {end.by}" if end.by else detail,
                router=item.router,
                assigned={} if end.by else record.assigned_values,
            )
            for end in settled
        ]
    line = {"router": item.router, "reason": reason, "detail": detail}
    log.info("service.observed", service_id=service_id, router=item.router, reason=reason)
    return Conclusion(
        item.work_item,
        "confirmed",
        record=after if after != record else None,
        gone=item.router not in after.placements,
        outcomes=outcomes,
        lines=[line_to_json(now_ms, "observed", line)] if outcomes else [],
        counts=Counter(outcome.state for outcome in outcomes),
        quarantine=stands_nowhere,
    )
