"""What an operator may do to a service, and what it would write: by the same fold and planner.

Nothing is read from a router: it is taken for what was last written to it and read back.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from worker.admin.file_preview import FilePreview, Previewed
from worker.admin.json_fields import clean, without_empty
from worker.admin.last_written import LastWritten
from worker.admin.plan_documents import plan_lines, plan_parts
from worker.admin.restore import holders
from worker.admin.router_actions import obstacle
from worker.core.entry.wanted import placed
from worker.core.plan.member import wanted_at, with_further
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Waiting
from worker.core.rows.row_index import RowIndex
from worker.core.service.record import ServiceRecord
from worker.core.service.record_parts import Status
from worker.inventory import CLI_SOURCE, Inventory
from worker.store.store import Store

Action = Literal["suspend", "resume", "restore", "retry"]
MODES: Final = ("block", "walled_garden", "throttle")
"""How a service can be suspended."""

_POSSIBLE: Final[Mapping[Status, Sequence[Action]]] = {
    "active": ("suspend",),
    "suspended": ("resume",),
    "cancelled": ("restore",),
    "incomplete": (),
}
_DIGITS: Final = 12


def possible_actions(record: ServiceRecord, to_retry: Sequence[str]) -> list[Action]:
    """What makes sense now; `to_retry` are the routers on which the service waits or failed."""
    return [*_POSSIBLE[record.status], *(("retry",) if to_retry else ())]


def suspension_event(
    service_id: str, actor: str, why: str, *, suspend: bool, mode: str = ""
) -> dict[str, object]:
    """The event of an operator that suspends a service, or resumes it; without id and time.

    `why` is in the person's words; `mode` is of `MODES`, or empty: as the router's policy says.
    """
    data: dict[str, object] = {
        "service_id": service_id,
        "reason": without_empty({"code": "operator", "note": why}),
    }
    if suspend and mode:
        data["suspension"] = {"mode": mode}
    return {
        "type": f"leasewire.service.{'suspended' if suspend else 'resumed'}.v1",
        "source": CLI_SOURCE,
        "actor": actor,
        "data": data,
    }


def event_preview(
    store: Store, inventory: Inventory, event: Mapping[str, object]
) -> dict[str, Any]:
    """What a complete event would change: the service's values, and rows on its routers."""
    rows = FilePreview(store, inventory.sources, inventory.policies, inventory.pools)
    (found,) = rows.of([event])
    before = store.records.read([found.service_id])[found.service_id].record
    after = found.after or before
    routers = _routers(store, inventory, before, after)
    return _preview(before, after, routers, found, rows.warnings)


def retry_preview(
    store: Store, inventory: Inventory, record: ServiceRecord, routers: Sequence[str]
) -> dict[str, Any]:
    """What a new check of a service would write on these routers: it waits or failed there."""
    found = _routers(store, inventory, record, record)
    chosen = (router for router in found if router["name"] in routers)
    return _preview(record, record, chosen, Previewed(record.service_id, "unchanged", {}))


def _preview(
    before: ServiceRecord,
    after: ServiceRecord,
    routers: Iterable[dict[str, Any]],
    found: Previewed,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The document, with a digest: what is done must still be what was shown."""
    document: dict[str, Any] = {
        "service": found.service_id,
        "status": before.status,
        "becomes": after.status,
        "effect": found.effect,
        "detail": clean(found.detail),
        "changes": [
            {"register": name, "before": was, "after": becomes}
            for name, (was, becomes) in found.changes.items()
        ],
        "warnings": [clean(warning) for warning in warnings],
        "routers": list(routers),
    }
    written = [(router["name"], router["lines"]) for router in document["routers"]]
    parts = [document[name] for name in ("service", "becomes", "effect", "detail", "changes")]
    text = json.dumps([*parts, written], sort_keys=True)
    return document | {"digest": hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}


def _routers(
    store: Store, inventory: Inventory, before: ServiceRecord, after: ServiceRecord
) -> Iterator[dict[str, Any]]:
    after = placed(after, inventory.policies)
    for name in after.placements:
        config = inventory.routers.get(name)
        if config is None:
            missing = "the inventory has no such router: it is written when it has"
            yield {"name": name, "obstacle": missing, "lines": []}
            continue
        lines = _plan(store, name, before, after, config.policy)
        yield {"name": name, "obstacle": clean(obstacle(store, config)), "lines": lines}


def _plan(
    store: Store, router: str, before: ServiceRecord, after: ServiceRecord, policy: RouterPolicy
) -> list[dict[str, Any]]:
    """The writes of one service on one router, in lines."""
    last = LastWritten(store, router, policy, [before])
    policy = last.policy
    wanted = wanted_at(router, after, policy)
    taken = holders(store, after, router, policy) if wanted.entry.fields else []
    if taken:
        detail = "; ".join(f"{claim.text} is held by service {claim.holder}" for claim in taken)
        wanted = replace(wanted, granted=False, refused_because=Waiting("claim-held", detail))
    members = with_further(wanted, after.placements[router])
    parts = plan_parts(plan(members, RowIndex(last.rows, policy.installation), policy))
    for operation in parts["operations"]:
        if "row" in operation:  # its id is known only when the router is read
            operation["row"] = "its row"
    document = {"router": router, "orphans": 0, **parts}
    return [line._asdict() for line in plan_lines(document)]
