"""`leasewire routers manage|rebuild`: let workers write a whole plan to a router."""

from collections.abc import Sequence
from typing import Final

from leasewire.actor import ActorOption, actor_of
from leasewire.answer import Answer, ApplyOption, Exit
from leasewire.context import Context, InventoryOption, RouterArgument
from leasewire.routers.plan import (
    errors_of,
    exit_code,
    failure_of,
    plan_document,
    plan_text,
    read_routers,
)
from worker.convergence.full_read import FullRead
from worker.core.policy.policy import AppliedPolicy
from worker.inventory import RouterConfig
from worker.store.router_admin import BULK

_AT_ONCE: Final = 200
"""Services of one script call: a larger one would block Redis for everybody."""
_APPROVED: Final = ("rebuild", "rows-of-another")
"""Causes of a blocked router that an approval ends."""


def manage_command(
    name: RouterArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> Answer:
    """Let workers write to a router that was only observed so far.

    Remove `mode = "observe"` from the inventory and restart the workers first: they still write
    nothing until this command. Shows the whole plan; with --apply workers write it. Exit 0: done,
    or managed already; 4: only shown; 1 or 3: as `leasewire plan`.

    Example: leasewire routers manage tower-7
    """
    context = Context(inventory)
    config = context.router(name)
    applied = context.store.fleet.policies().get(name)
    ready = config.policy.mode == "manage"
    if ready and (applied is None or not applied.observes):
        return Answer({"router": name, "mode": "manage"}, [f"{name}: already managed"])
    result = read_routers(context, [name])[name]
    document = plan_document(name, result)
    code = failure_of([result]) or Exit.CHANGES
    message = 'First remove `mode = "observe"` from the inventory and restart the workers.'
    if apply and ready and code is Exit.CHANGES:
        queued = context.store.fleet.apply_policy(name, config.policy, actor_of(actor))
        document["queued"] = queued
        message, code = f"{name}: managed; {queued} services queued", Exit.OK
    elif apply and not ready:
        code = failure_of([result]) or Exit.BAD_INPUT
    elif ready:
        message = "Run with --apply to let workers write this."
    return Answer(document, [*plan_text(name, result), message], code, errors_of([result]))


def rebuild_command(
    name: RouterArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> Answer:
    """Let workers write the rows that are missing from a router.

    When many of our rows are missing, as after a reset, the router is blocked with the cause
    rebuild: it may be another router. Shows the whole plan; with --apply workers write it. The
    approval lasts six hours, or until the rows are there. A few missing rows need no approval.
    Exit 0: workers write it, or nothing is missing; 4: only shown; 1: approved, but workers cannot
    write now, with the reason; 1 or 3: as `leasewire plan`.

    Example: leasewire routers rebuild tower-7 --apply
    """
    context = Context(inventory)
    config = context.router(name)
    result = read_routers(context, [name])[name]
    code = exit_code([result])
    to_write = code is Exit.CHANGES
    document = plan_document(name, result) | {"approved": apply and to_write}
    text, errors = list(plan_text(name, result)), errors_of([result])
    if apply and to_write and isinstance(result, FullRead):
        services = sorted({operation.service_id for operation in result.plan.operations})
        document["queued"] = len(services)
        obstacle = _obstacle(context, config)
        _approve(context, name, services, actor_of(actor))
        if obstacle:
            code = Exit.FAILED
            document["not_written"] = obstacle
            errors.append(f"{name}: approved, but nothing is written yet: {obstacle}")
        else:
            code = Exit.OK
            text.append(f"{name}: approved; {len(services)} services queued")
    elif to_write:
        text.append("Run with --apply to let workers write this.")
    return Answer(document, text, code, errors)


def _approve(context: Context, name: str, services: Sequence[str], actor: str) -> None:
    """Approve the writing of many rows, and queue their services."""
    store = context.store
    for at in range(0, len(services), _AT_ONCE):
        store.routers.add_work(name, services[at : at + _AT_ONCE], BULK, closely=True)
    store.full_reads.approve(name, actor, store.records.now_ms())


def _obstacle(context: Context, config: RouterConfig) -> str:
    """Why workers cannot write to a router in spite of an approval; empty: they can."""
    store, name = context.store, config.name
    state, applied = store.views.router(name).state, store.fleet.policies().get(name)
    if config.policy.mode == "observe" or (applied is not None and applied.observes):
        return f"the router is only observed: `leasewire routers manage {name}`"
    if state.state == "paused":
        return f"the router is paused ({state.message}): `leasewire routers resume {name}`"
    if applied is not None and applied.digest != AppliedPolicy.of(config.policy).digest:
        return f"its policy was not applied yet: `leasewire routers apply {name}`"
    if state.state == "blocked" and state.cause not in _APPROVED:
        return f"the router is blocked ({state.cause}): `leasewire routers check {name}`"
    if not any(worker.startswith("routers@") for worker in store.views.workers()):
        return "no worker that writes to routers is running: start `leasewire worker`"
    return ""
