"""`leasewire routers apply|replace|hold|release|actions`: what people say of routers."""

from contextlib import closing
from typing import Annotated, Any

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import WOULD_CHANGE, ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, local_time, print_json, print_table
from leasewire.routers.plan import document_of, exit_code, look_at, print_rows
from worker.admin.json_fields import utc_time, without_empty
from worker.core.policy.applied_policy import AppliedPolicy, Change
from worker.inventory import RouterConfig
from worker.routeros.sessions import Sessions

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name in the inventory.")]


def router_of(context: Context, name: str) -> RouterConfig:
    """A router of the inventory; ends the command with exit code 2 where it names none."""
    config = context.inventory.routers.get(name)
    if config is None:
        typer.echo(f"There is no router {name} in {context.settings.inventory}.", err=True)
        raise typer.Exit(2)
    return config


def apply_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME…", help="Names in the inventory; else all that differ."),
    ] = None,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Let the inventory's policy of routers act.

    Workers write nothing to a router whose policy in the inventory is not the applied one. Shows
    which fields differ and, by service, what would be written; with --apply it is so from now on,
    and all services of the router are looked at. The first policy of a router needs no apply.
    Exit 0: nothing to do, or done; 2: something differs; 1 or 3: as `leasewire plan`.

    Example: leasewire routers apply tower-7
    """
    context = Context(inventory)
    stored = context.store.fleet.policies()
    changes = _changes(context, stored, names)
    if apply:
        _apply(context, changes, actor_of(actor), as_json=as_json)
        return
    seen = look_at(context, list(changes))
    if as_json:
        routers = context.inventory.routers
        print_json(
            {"routers": [_document(n, changes[n]) | document_of(routers[n], seen[n]) for n in seen]}
        )
    elif not changes:
        typer.echo("The applied policies are those of the inventory.")
    for name in () if as_json else changes:
        _print_changes(name, changes[name], first=name not in stored)
        print_rows(name, seen[name])
    if changes:
        raise typer.Exit(exit_code(list(seen.values())) or WOULD_CHANGE)


def _changes(
    context: Context, stored: dict[str, AppliedPolicy], names: list[str] | None
) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = {}
    for config in [router_of(context, name) for name in names or context.inventory.routers]:
        before, now = stored.get(config.name), AppliedPolicy.of(config.policy)
        if before is None:
            if names:
                changes[config.name] = []
        elif before.observes and config.policy.mode != "observe":
            typer.echo(
                f"{config.name}: is observed, and to be managed from now on: "
                f"`leasewire routers manage {config.name}`",
                err=True,
            )
            raise typer.Exit(2)
        elif before.digest != now.digest:
            changes[config.name] = before.changes_to(now)
    return changes


def _apply(
    context: Context, changes: dict[str, list[Change]], actor: str, *, as_json: bool
) -> None:
    documents = []
    for name, changed in changes.items():
        policy = context.inventory.routers[name].policy
        queued = context.store.fleet.apply_policy(name, policy, actor)
        documents.append(_document(name, changed) | {"queued": queued})
        if not as_json:
            typer.echo(f"{name}: applied; {queued} services are looked at")
    if as_json:
        print_json({"routers": documents})
    elif not documents:
        typer.echo("The applied policies are those of the inventory.")


def _document(name: str, changes: list[Change]) -> dict[str, Any]:
    return {"router": name, "changes": [change._asdict() for change in changes]}


def _print_changes(name: str, changes: list[Change], *, first: bool) -> None:
    if first:
        typer.echo(f"{name}: no policy was applied yet; the first worker there applies this one")
    for change in changes:
        typer.echo(f"{name}: {change.field}: {clean(change.was)} -> {clean(change.now)}")


def replace_command(
    name: NameArgument,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Say that a router's hardware was replaced, or reset: all its services are built anew.

    Reads the serial number (or system id) of the router that answers now; with --apply it is bound
    to the name in place of the former one.

    Example: leasewire routers replace tower-7 --apply
    """
    context = Context(inventory)
    router_of(context, name)
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        serial, identity = session.serial, session.identity
    if not serial:
        typer.echo(f"Router {name} tells neither a serial number nor a system id.", err=True)
        raise typer.Exit(1)
    bound = context.store.fleet.serials().get(name, "none")
    same = " (the same: it was reset)" if bound == serial else ""
    typer.echo(
        f"{name}: serial {clean(bound)} -> {clean(serial)}{same}, identity {clean(identity)}"
    )
    if not apply:
        services = context.store.views.router(name).services
        typer.echo(f"--apply binds it, and {services} services are looked at")
        end_preview(changes=True)
    # Who says that it was replaced wants its rows written again.
    context.store.full_reads.approve(name, actor_of(actor), context.store.records.now_ms())
    queued = context.store.fleet.replace(name, serial, actor_of(actor))
    if isinstance(queued, tuple):
        typer.echo(f"This is router {', '.join(queued)}: its serial is bound there.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{name}: bound; {queued} services are looked at")


def pause_command(
    name: NameArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; `routers list` shows it.")],
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Let no worker write to a router until it is released; what is to be done there waits.

    Example: leasewire routers hold tower-7 --reason "firmware upgrade"
    """
    context = Context(inventory)
    router_of(context, name)
    left_ms = context.store.fleet.pause(name, reason, actor_of(actor))
    ends = f"; a pass under way ends within {left_ms / 1000:.0f} s" if left_ms else ""
    typer.echo(f"{name}: held{ends}")


def resume_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `routers list` shows it.")],
    *,
    actor: ActorOption = None,
) -> None:
    """Let workers write to a router again.

    Example: leasewire routers release tower-7
    """
    if not Context().store.fleet.resume(name, actor_of(actor)):
        typer.echo(f"Nobody holds router {name}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{name}: released")


def actions_command(*, as_json: JsonOption = False) -> None:
    """List what people did to routers, the newest first: the last 500 actions.

    Example: leasewire routers actions
    """
    actions = [
        without_empty(each._asdict() | {"at": utc_time(each.at_ms), "at_ms": None})
        for each in Context().store.fleet.actions()
    ]
    if as_json:
        print_json({"actions": actions})
        return
    print_table(
        ("at", "actor", "action", "router", "detail"),
        (
            (
                local_time(each["at"]),
                each["actor"],
                each["what"],
                each["router"],
                each.get("detail"),
            )
            for each in actions
        ),
        "Nobody did anything to a router yet.",
    )
