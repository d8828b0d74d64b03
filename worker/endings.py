"""How the look at a service ends: it is confirmed, it waits, or it is given up."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from worker.core.entry import Entry, wanted_router
from worker.core.operations import Waiting
from worker.core.outcome import DeadLetter, outcome_of
from worker.core.record import Placement, Settled, settle
from worker.store.routers import Conclusion, Mark

log = structlog.get_logger()

RECHECK_MS: Final[Mapping[str, int]] = {
    # Whoever lets go of a claim wakes those who wait for it; this is only the net below that.
    "claim-held": 300_000,
    "unknown-router": 300_000,
}
RECHECK_OTHER_MS: Final = 60_000
"""Rows that people make and remove by hand wake nobody: look again each minute."""


@dataclass(slots=True)
class Look:
    """One service of a batch while a pass looks at it.

    Attributes:
        mark: as taken.
        router: where.
        entry: what is wanted there.
        written: what was last written there and read back.
        refused: who holds what it claims; None when all claims are granted.
        stale: reads in a row that were old when their write arrived.
        writes: rounds in which something was written for it.
        wrote: each operation that the router confirmed, in words.
    """

    mark: Mark
    router: str
    entry: Entry
    written: Mapping[str, str] | None
    refused: Waiting | None = None
    stale: int = 0
    writes: int = 0
    wrote: list[str] = field(default_factory=list)


def confirmed(look: Look, now_ms: int) -> Conclusion:
    """The rows are as wanted: say so of every event that this ends."""
    record = look.mark.stored.record
    gone = look.entry.fields is None
    placements = dict(record.placements)
    if gone:
        placements.pop(look.router, None)
    elif look.router in placements:
        placements[look.router] = Placement(look.entry.fields)
    after = replace(record, placements=placements)
    wanted = wanted_router(record)
    settled: tuple[Settled, ...] = ()
    # A move is applied when the new router confirms; what is left on the old one is cleaned after.
    if wanted == look.router or (wanted is None and not placements):
        after, settled = settle(after)
    outcomes = [
        outcome_of(
            end.outstanding,
            look.mark.service_id,
            end.outcome,
            now_ms,
            detail=f"by {end.by}" if end.by else "",
            router=look.router,
        )
        for end in settled
    ]
    lines = []
    if look.wrote or outcomes:
        line = {
            "at_ms": now_ms,
            "what": "removed" if gone else "in sync",
            "router": look.router,
            "wrote": look.wrote,
            "applied": [outcome.event_id for outcome in outcomes if outcome.state == "applied"],
        }
        lines = [json.dumps(line)]
        log.info(
            "service.converged",
            service_id=look.mark.service_id,
            router=look.router,
            operations=len(look.wrote),
            events=[outcome.event_id for outcome in outcomes],
        )
    return Conclusion(
        look.mark,
        "confirm",
        record=after if after != record else None,
        gone=gone,
        outcomes=outcomes,
        lines=lines,
        counts=Counter(end.outcome for end in settled),
    )


def waiting(
    look: Look, why: Waiting, now_ms: int, before: Mapping[str, Any] | None, tries: int = 0
) -> Conclusion:
    """Postpone a service; said anew only when the reason is another than `before`."""
    mark, router, reason, detail = look.mark, look.router, why.reason, why.detail
    same = before is not None and (before["reason"], before["detail"]) == (reason, detail)
    since_ms = before["since_ms"] if same and before is not None else now_ms
    now_waiting = {"reason": reason, "detail": detail, "since_ms": since_ms, "tries": tries}
    record = mark.stored.record
    outcomes = [
        outcome_of(
            each, mark.service_id, "waiting", now_ms, reason=reason, detail=detail, router=router
        )
        for each in record.outstanding
    ]
    lines = []
    if not same:
        line = {"at_ms": now_ms, "what": "waiting", "router": router}
        lines = [json.dumps(line | {"reason": reason, "detail": detail})]
        log.warning(
            "service.waiting",
            service_id=mark.service_id,
            router=router,
            reason=reason,
            detail=detail,
        )
    return Conclusion(
        mark,
        "postpone",
        outcomes=outcomes,
        waiting=json.dumps(now_waiting),
        wait_ms=RECHECK_MS.get(reason, RECHECK_OTHER_MS),
        lines=lines,
    )


def given_up(look: Look, reason: str, detail: str, now_ms: int) -> Conclusion:
    """Dead-letter a service with the router's own words; its next event tries anew."""
    mark, router = look.mark, look.router
    record = mark.stored.record
    letter = DeadLetter(
        id=f"{mark.service_id}@{router}",
        kind="service",
        reason=reason,
        detail=detail,
        service_id=mark.service_id,
        router=router,
        event_keys=tuple(each.key for each in record.outstanding),
        at_ms=now_ms,
    )
    outcomes = [
        outcome_of(
            each, mark.service_id, "failed", now_ms, reason=reason, detail=detail, router=router
        )
        for each in record.outstanding
    ]
    line = {"at_ms": now_ms, "what": "failed", "router": router}
    log.error(
        "service.dead_lettered",
        service_id=mark.service_id,
        router=router,
        reason=reason,
        detail=detail,
    )
    return Conclusion(
        mark,
        "give-up",
        record=replace(record, outstanding=()),
        outcomes=outcomes,
        waiting=json.dumps({"reason": reason, "detail": detail, "since_ms": now_ms}),
        letters=[letter],
        lines=[json.dumps(line | {"reason": reason, "detail": detail})],
        counts={"failed": len(outcomes)},
    )
