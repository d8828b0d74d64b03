"""`leasewire routers manage|rebuild`: a person lets workers write a whole plan to a router."""

from typing import Any

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.plan import document_of, exit_code, look_at, print_seen
from leasewire.printing import JsonOption, print_json
from leasewire.router_policy import ApplyOption, NameArgument, router_of
from worker.convergence.full_read import FullRead


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
        typer.echo(f"{name}: is managed")
        return
    seen = look_at(context, [name])[name]
    document: dict[str, Any] = document_of(config, seen)
    if not as_json:
        print_seen(name, seen)
    failed = exit_code([seen]) if not isinstance(seen, FullRead) else 0
    told = 'take `mode = "observe"` out of the inventory, and restart the workers, first'
    ready = config.policy.mode == "manage"
    if apply and ready and not failed:
        marked = context.store.fleet.apply_policy(name, config.policy, actor_of(actor))
        document["marked"] = marked
        told = f"{name}: managed; {marked} services are looked at"
    elif ready:
        told = "--apply lets workers write this"
    if as_json:
        print_json(document)
    else:
        typer.echo(told)
    if failed or not (apply and ready):
        raise typer.Exit(failed or 2)


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
    another router may answer in its place. Shows the whole plan; with --apply it is written. The
    approval holds for six hours, or until the rows are there. A few rows that are gone need none.
    Exit 0: approved, or nothing is to be written; 2: it is shown what would be; 1 or 3: as
    `leasewire plan`.

    Example: leasewire routers rebuild tower-7 --apply
    """
    context = Context(inventory)
    config = router_of(context, name)
    seen = look_at(context, [name])[name]
    code = exit_code([seen])
    to_write = code == 2  # noqa: PLR2004 - an exit code
    document: dict[str, Any] = document_of(config, seen) | {"approved": apply and to_write}
    if apply and to_write:
        now_ms = context.store.records.now_ms()
        context.store.full_reads.approve(name, actor_of(actor), now_ms)
        code = 0
    if as_json:
        print_json(document)
    else:
        print_seen(name, seen)
        if to_write:
            typer.echo(f"{name}: approved" if apply else "--apply lets workers write this")
    raise typer.Exit(code)
