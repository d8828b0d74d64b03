"""`leasewire routers retire|rename`: a name of a router goes."""

import time
from typing import Annotated

import typer

from leasewire.answer import Answer, ApplyOption, Exit, bad_input, fail
from leasewire.context import ActorOption, Context
from worker.admin.router_names import RouterNames, named, standing


def retire_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="In the inventory or not.")],
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Forget a router that is gone for good.

    Refused while services want it: move or cancel them first. Rows that may still be on it are
    never cleaned up. Remove it from the inventory and restart the workers first.

    Example: leasewire routers retire tower-7
    """
    context = Context()
    found = standing(context.store, name)
    if found.wanting:
        fail(
            f"{len(found.wanting)} services want router {name}:",
            *(f"  {service}" for service in found.wanting),
            "Move them (`leasewire publish moved`) or cancel them; if the router only has another "
            "name now: `leasewire routers rename`.",
        )
    text = f"{name}: rows of {len(found.placed)} services may still be on it; they are given up"
    document = {"router": name, "placed": found.placed, "applied": apply}
    if not apply:
        return Answer(document, [text, "Run with --apply to forget the router."], Exit.CHANGES)
    RouterNames(context.store, actor, time.sleep).retire(name)
    return Answer(document, [text, f"{name}: forgotten"])


def rename_command(  # noqa: PLR0913 - each is an option
    context: Context,
    old: Annotated[str | None, typer.Argument(metavar="OLD", help="Its former name.")] = None,
    new: Annotated[
        str | None, typer.Argument(metavar="NEW", help="Its name in the inventory now.")
    ] = None,
    *,
    forget: Annotated[
        str | None,
        typer.Option(metavar="OLD", help="Forget this former name; without OLD and NEW."),
    ] = None,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Tell Leasewire that a router has another name in the inventory now.

    Its services, serial number, policy and backlog move to the new name; nothing is written to the
    router. Events may keep using the former name. First change the inventory and restart the
    workers. After an interruption run it again.

    If another router is to get the former name, or no event uses it any more: --forget OLD.

    Examples: leasewire routers rename tower-7 tower-7a --apply;
    leasewire routers rename --forget tower-7 --apply
    """
    if forget is not None and old is None:
        return _forget(context, forget, actor, apply=apply)
    if forget is not None or old is None or new is None:
        bad_input("Give OLD and NEW, or --forget OLD alone.")
    context.router(new)
    if old in context.inventory.routers:
        bad_input(f"{context.settings.inventory}: router {old} is still there; rename it first.")
    services = named(context.store, old)
    text = f"{old} -> {new}: {len(services)} services"
    document = {"router": old, "new": new, "services": len(services), "applied": apply}
    if not apply:
        return Answer(document, [text, "Run with --apply to rename it."], Exit.CHANGES)
    names = RouterNames(context.store, actor, time.sleep)
    names.rename(old, new, context.inventory.policies)
    return Answer(document, [text, f"{new}: renamed; its services are queued"])


def _forget(context: Context, old: str, actor: str, *, apply: bool) -> Answer:
    current = context.store.fleet.aliases().get(old)
    if current is None:
        fail(f"{old} is no former name of a router.")
    if old in context.inventory.routers:
        effect = f"events that name {old} are for the router of that name from now on"
    else:
        effect = f"events that name {old} are for no router from now on, and wait"
    text = f"{old}: former name of {current}; {effect}"
    document = {"router": current, "former_name": old, "applied": apply}
    if not apply:
        return Answer(document, [text, "Run with --apply to forget it."], Exit.CHANGES)
    context.store.fleet.forget_alias(old, actor)
    return Answer(document, [text, f"{old}: forgotten"])
