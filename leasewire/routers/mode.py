"""`leasewire routers manage|rebuild`: a person lets workers write a whole plan to a router."""

from collections.abc import Sequence
from typing import Any, Final

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import WOULD_CHANGE, ApplyOption
from leasewire.printing import JsonOption, print_json
from leasewire.routers.plan import document_of, exit_code, look_at, print_rows
from leasewire.routers.policy import NameArgument, router_of
from worker.convergence.full_read import FullRead
from worker.core.policy.applied_policy import AppliedPolicy
from worker.inventory import RouterConfig
from worker.store.router_admin import BULK

_AT_ONCE: Final = 200
"""Services of one script call: a larger one would hold up everybody's Redis."""
_APPROVED: Final = ("rebuild", "rows-of-another")
"""Causes of a blocked router that an approval ends."""


def manage_command(
    name: NameArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Let workers write to a router that was only observed so far.

    Take `mode = "observe"` out of the inventory and restart the workers: until this command they
    write nothing there. Shows the whole plan, all that would be written; with --apply it is.
    Exit 0: done, or managed already; 2: it is shown what would be written; 1 or 3: as
    `leasewire plan`.

    Example: leasewire routers manage tower-7
    """
    context = Context(inventory)
    config = router_of(context, name)
    applied = context.store.fleet.policies().get(name)
    if config.policy.mode == "manage" and (applied is None or not applied.observes):
        if as_json:
            print_json({"router": name, "mode": "manage"})
        else:
            typer.echo(f"{name}: is managed")
        return
    seen = look_at(context, [name])[name]
    document: dict[str, Any] = document_of(config, seen)
    if not as_json:
        print_rows(name, seen)
    failed = exit_code([seen]) if not isinstance(seen, FullRead) else 0
    notified = 'take `mode = "observe"` out of the inventory, and restart the workers, first'
    ready = config.policy.mode == "manage"
    if apply and ready and not failed:
        queued = context.store.fleet.apply_policy(name, config.policy, actor_of(actor))
        document["queued"] = queued
        notified = f"{name}: managed; {queued} services are looked at"
    elif ready:
        notified = "--apply lets workers write this"
    if as_json:
        print_json(document)
    else:
        typer.echo(notified)
    if failed or not (apply and ready):
        raise typer.Exit(failed or WOULD_CHANGE)


def rebuild_command(
    name: NameArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Let workers write again what is gone from a router.

    When many rows of ours are gone, as after a reset, a router is blocked with the word rebuild:
    another router may answer in its place. Shows the whole plan; with --apply workers write it. The
    approval holds for six hours, or until the rows are there. A few rows that are gone need none.
    Exit 0: it is being written, or nothing is to be; 2: it is shown what would be; 1: approved, and
    it is said why nothing is written now; 1 or 3: as `leasewire plan`.

    Example: leasewire routers rebuild tower-7 --apply
    """
    context = Context(inventory)
    config = router_of(context, name)
    seen = look_at(context, [name])[name]
    code = exit_code([seen])
    to_write = code == WOULD_CHANGE
    document: dict[str, Any] = document_of(config, seen) | {"approved": apply and to_write}
    services, not_written = [], ""
    if apply and to_write and isinstance(seen, FullRead):
        services = sorted({each.service_id for each in seen.plan.operations()})
        not_written = _why_not(context, config)
        _approve(context, name, services, actor_of(actor))
        code = 1 if not_written else 0
        document |= {"queued": len(services)} | (
            {"not_written": not_written} if not_written else {}
        )
    if as_json:
        print_json(document)
    else:
        print_rows(name, seen)
        if services and not not_written:
            typer.echo(f"{name}: approved; {len(services)} services are written now")
        elif services:
            typer.echo(f"{name}: approved, and nothing is written yet: {not_written}", err=True)
        elif to_write:
            typer.echo("--apply lets workers write this")
    raise typer.Exit(code)


def _approve(context: Context, name: str, services: Sequence[str], actor: str) -> None:
    """Let many rows be written again, and have their services looked at, whoever missed them."""
    store = context.store
    for at in range(0, len(services), _AT_ONCE):
        store.routers.work_item(name, services[at : at + _AT_ONCE], BULK, closely=True)
    store.full_reads.approve(name, actor, store.records.now_ms())


def _why_not(context: Context, config: RouterConfig) -> str:
    """Why workers will not write to a router, though a person wants it; empty: they will."""
    store, name = context.store, config.name
    state, applied = store.views.router(name).state, store.fleet.policies().get(name)
    if config.policy.mode == "observe" or (applied is not None and applied.observes):
        return f"it is only observed: `leasewire routers manage {name}`"
    if state.state == "held":
        return f"it is held ({state.message}): `leasewire routers release {name}`"
    if applied is not None and applied.digest != AppliedPolicy.of(config.policy).digest:
        return f"its policy is not the applied one: `leasewire routers apply {name}`"
    if state.state == "blocked" and state.cause not in _APPROVED:
        return f"it is blocked ({state.cause}): `leasewire routers check {name}`"
    if not any(each.startswith("routers@") for each in store.views.workers()):
        return "no worker that writes to routers is running: start `leasewire worker`"
    return ""
