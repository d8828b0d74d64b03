"""`leasewire routers retire|rename`: a name of a router goes."""

import time
from typing import Annotated

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.routers.policy import router_of
from worker.admin.router_names import RouterNames, named, standing


def retire_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, in the inventory or not.")],
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
) -> None:
    """Forget a router that is gone for good.

    Refused while services want it: move or cancel them first. What may still be on it is never
    cleaned up then. Take it out of the inventory and restart the workers before.

    Example: leasewire routers retire tower-7
    """
    context = Context()
    found = standing(context.store, name)
    if found.wanting:
        typer.echo(f"{len(found.wanting)} services want router {name}:", err=True)
        for service in found.wanting:
            typer.echo(f"  {service}", err=True)
        typer.echo(
            "Let the BSS move them (`leasewire publish moved`) or cancel them; if the router has "
            "another name now: `leasewire routers rename`.",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"{name}: rows of {len(found.placed)} services may be left on it: they are given up")
    if not apply:
        typer.echo("--apply forgets it")
        end_preview(changes=True)
    RouterNames(context.store, actor_of(actor), time.sleep).retire(name)
    typer.echo(f"{name}: forgotten")


def rename_command(  # noqa: PLR0913 - each is an option
    old: Annotated[str | None, typer.Argument(metavar="OLD", help="Its former name.")] = None,
    new: Annotated[
        str | None, typer.Argument(metavar="NEW", help="Its name in the inventory now.")
    ] = None,
    *,
    forget: Annotated[
        str | None,
        typer.Option(metavar="OLD", help="Alone: a former name is no router's any more."),
    ] = None,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Say that a router has another name in the inventory now.

    Its services, serial, policy and backlog go with it; nothing is written to it. Events may go on
    to say the former name. First change the inventory and restart the workers. If it is
    interrupted, call it again: it goes on.

    Where another router is to have the former name, or nobody says it any more: --forget OLD.

    Examples: leasewire routers rename tower-7 tower-7a --apply;
    leasewire routers rename --forget tower-7 --apply
    """
    context = Context(inventory)
    if forget is not None and old is None:
        _forget(context, forget, actor_of(actor), apply=apply)
        return
    if forget is not None or old is None or new is None:
        typer.echo("Say OLD and NEW, or --forget OLD alone.", err=True)
        raise typer.Exit(2)
    router_of(context, new)
    if old in context.inventory.routers:
        typer.echo(
            f"Router {old} stands in {context.settings.inventory} still: rename it there first.",
            err=True,
        )
        raise typer.Exit(2)
    services = named(context.store, old)
    typer.echo(f"{old} -> {new}: {len(services)} services")
    if not apply:
        typer.echo("--apply renames it")
        end_preview(changes=True)
    policies = {name: config.policy for name, config in context.inventory.routers.items()}
    RouterNames(context.store, actor_of(actor), time.sleep).rename(old, new, policies)
    typer.echo(f"{new}: renamed; its services are looked at")


def _forget(context: Context, old: str, actor: str, *, apply: bool) -> None:
    now = context.store.fleet.aliases().get(old)
    if now is None:
        typer.echo(f"{old} is no former name of a router.", err=True)
        raise typer.Exit(1)
    named = (
        "the router of that name" if old in context.inventory.routers else "no router: they wait"
    )
    typer.echo(f"{old}: was {now}; events that say it are for {named} from now on")
    if not apply:
        typer.echo("--apply forgets it")
        end_preview(changes=True)
    context.store.fleet.forget_alias(old, actor)
    typer.echo(f"{old}: forgotten")
