"""JSON documents of events, dead letters and approvals: the same for commands and gateway."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.identity import event_key
from worker.admin.approvals import UNDONE, Approval, HeldService
from worker.admin.json_fields import utc_time, without_empty
from worker.core.effect import rungs
from worker.core.entry.short_lease import shortened
from worker.core.policy.circuit import RouterState
from worker.core.rows.rows import OPTION_82, device_field, device_of
from worker.core.service.outcome import FINAL, DeadLetter, Outcome
from worker.core.service.record import ServiceRecord
from worker.store.feed import FeedItem
from worker.store.store import Store

OUTCOME_TYPE: Final = "leasewire.outcome.{state}.v1"


def event_document(outcome: Outcome, router_state: RouterState | None = None) -> dict[str, Any]:
    """An event and its outcome; `router_state` is why its router cannot be written now."""
    document: dict[str, Any] = {
        "event": outcome.event.id,
        "source": outcome.event.source,
        "type": outcome.event.type,
        "service": outcome.service_id,
        "state": outcome.state,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "router": outcome.router,
        "effective_at": utc_time(outcome.effective_at_ms),
        "assigned": dict(outcome.assigned),
        "effective_by": rungs.describe(outcome.effective_by),
        "effective": _effective(outcome),
        "effect": _effect(outcome),
        "accepted_at": utc_time(outcome.event.accepted_at_ms),
        "at": utc_time(outcome.at_ms),
    }
    if router_state is not None:
        document["router_state"] = {
            "state": router_state.state,
            "since": utc_time(router_state.since_ms),
            "next_try_at": utc_time(router_state.next_at_ms),
            "message": router_state.message,
        }
    return without_empty(document)


def _effective(outcome: Outcome) -> dict[str, Any] | None:
    """`effective_by` as data, with its time in RFC 3339."""
    data = rungs.data_of(outcome.effective_by, outcome.at_ms)
    if data is None:
        return None
    latest = utc_time(data.pop("by_ms", 0))
    return data | ({"by": latest} if latest else {})


def _effect(outcome: Outcome) -> dict[str, Any] | None:
    """Whether an applied event acts, as it was read last; None: it was not read."""
    report = outcome.effect
    if report is None:
        return None
    by = rungs.EffectiveBy.from_text(outcome.effective_by)
    return without_empty(
        {
            "state": report.state,
            "kind": report.kind,
            "rung": by.rung if by else None,
            "at": utc_time(report.at_ms),
            "after_s": report.after_ms / 1000,
            "reason": report.reason,
            "detail": report.detail,
            "until": utc_time(report.until_ms),
        }
    )


def find_events(store: Store, event_id: str, sources: Sequence[str]) -> list[dict[str, Any]]:
    """The events with this id, at most one for each source."""
    keys = {event_key(source, event_id): source for source in sources}
    # The journal first: an event leaves it in the step that makes its outcome.
    journaled = store.views.journaled(list(keys))
    outcomes = {outcome.key: outcome for outcome in store.views.outcomes(list(keys))}
    found = []
    for key, source in keys.items():
        if key in outcomes:
            outcome = outcomes[key]
            document = event_document(outcome, _open_circuit(store, outcome))
            found.append(without_empty(document | {"lease": _lease(store, outcome)}))
        elif key in journaled:
            advice = "no worker is running: start `leasewire worker`"
            hint = "" if store.heartbeats.workers() else advice
            document = {"event": event_id, "source": source, "state": "journaled"}
            found.append(without_empty(document | {"lane": journaled[key], "detail": hint}))
    return found


def _lease(store: Store, outcome: Outcome) -> str:
    """How the lease is shortened ahead of a scheduled event."""
    if outcome.state != "scheduled":
        return ""
    return shortened(store.records.read([outcome.service_id])[outcome.service_id].record)


def _open_circuit(store: Store, outcome: Outcome) -> RouterState | None:
    """The state of the router that a pending event waits for, unless the router is up."""
    if outcome.state in FINAL or not outcome.router:
        return None
    state = store.views.state(outcome.router)
    return None if state.state == "up" else state


def final_events(store: Store, event_keys: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    """Those of the events whose outcome is final, by event key.

    While an event is in the journal, a final outcome under its key is of an earlier event with the
    same id, so only outcomes that are read after the journal count.
    """
    views = store.views
    final = [outcome.key for outcome in views.outcomes(event_keys) if outcome.state in FINAL]
    journaled = views.journaled(final)
    outcomes = views.outcomes([key for key in final if key not in journaled])
    return {outcome.key: event_document(outcome) for outcome in outcomes if outcome.state in FINAL}


def outcome_cloudevent(item: FeedItem, installation: str) -> dict[str, Any]:
    """An item of the outcome feed as a CloudEvent, as the API and the webhooks give it.

    Its id is unique in the installation.
    """
    document = event_document(item.outcome)
    return {
        "specversion": "1.0",
        "id": f"outcome-{item.id}",
        "source": f"urn:leasewire:{installation}",
        "type": OUTCOME_TYPE.format(state=document["state"]),
        **({"subject": f"service/{document['service']}"} if "service" in document else {}),
        "time": document["at"],
        "datacontenttype": "application/json",
        "data": document,
    }


def dead_letter_document(dead_letter: DeadLetter) -> dict[str, Any]:
    """A dead letter; `body` is the event's JSON, or its text if it is not JSON."""
    try:
        body = (
            json.loads(dead_letter.body, parse_constant=_refuse, parse_float=_finite)
            if dead_letter.body
            else None
        )
    except (ValueError, RecursionError):
        body = dead_letter.body
    return without_empty(
        {
            "id": dead_letter.id,
            "kind": dead_letter.kind,
            "reason": dead_letter.reason,
            "detail": dead_letter.detail,
            "service": dead_letter.service_id,
            "router": dead_letter.router,
            "source": dead_letter.source,
            "attempts": dead_letter.attempts,
            "at": utc_time(dead_letter.at_ms),
            "body": body,
        }
    )


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _finite(text: str) -> float:
    """A number that JSON can write again."""
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def approval_heading(approval: Approval) -> dict[str, Any]:
    """What one limit of the brake holds, without its services."""
    return {
        "id": approval.id,
        "digest": approval.digest,
        "scope": approval.kind,
        "name": approval.name,
        "since": utc_time(approval.since_ms),
        "count": len(approval.work_items),
    }


def approval_document(approval: Approval) -> dict[str, Any]:
    """The services that the brake holds for one source or router."""
    return approval_heading(approval) | {
        "kinds": approval.kinds,
        "services": [held_service_document(held) for held in approval.services],
    }


def held_service_document(held: HeldService) -> dict[str, Any]:
    """A service that the brake holds: what its router has, and what the service would become."""
    has_ids = device_field(held.written) == OPTION_82
    return without_empty(
        {
            "service": held.work_item.service_id,
            "router": held.work_item.router,
            "kind": held.kind or UNDONE,
            "event": held.event,
            "source": held.work_item.source,
            "mac": None if has_ids else held.written.get("mac-address"),
            "option_82": device_of(held.written) if has_ids else None,
            "address": held.written.get("address"),
            "prefix": held.prefix,
            "becomes": held.becomes,
        }
    )


def scheduled_documents(record: ServiceRecord, now_ms: int) -> list[dict[str, Any]]:
    """The scheduled events of a service by time, and those that were to take effect later.

    Each has its time in `at_ms` too, for sorting.
    """
    return sorted(scheduled_by_key(record, now_ms).values(), key=lambda event: event["at_ms"])


def scheduled_by_key(record: ServiceRecord, now_ms: int) -> dict[str, dict[str, Any]]:
    """The same by the key of the event."""
    found: dict[str, dict[str, Any]] = {
        scheduled.event.key: {
            "at_ms": scheduled.at_ms,
            "effective_at": utc_time(scheduled.at_ms),
            "event": scheduled.event.id,
            "type": scheduled.event.type,
            "source": scheduled.event.source,
            "state": "scheduled",
            "cuts_off": scheduled.does == "cut_off" or None,
            "accepted_at": utc_time(scheduled.event.accepted_at_ms),
            "lease": shortened(record) or None,
        }
        for scheduled in record.schedule.pending
    }
    found |= {
        ended.key: {
            "at_ms": ended.at_ms,
            "effective_at": utc_time(ended.at_ms),
            "event": ended.event_id,
            "type": ended.type,
            "state": ended.how,
            "by": ended.by,
            "at": utc_time(ended.ended_at_ms),
        }
        for ended in record.schedule.ended
        if ended.how != "released" and ended.at_ms > now_ms
    }
    return found
