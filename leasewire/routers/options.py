"""`leasewire options collect`: remove DHCP option rows of ours that nobody names any more."""

from contextlib import closing
from typing import Annotated

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, print_json
from leasewire.routers.at_router import at_router
from leasewire.routers.policy import router_of
from worker.convergence.option_collection import Collected, collect_options, find_unnamed
from worker.routeros.sessions import Sessions

app = typer.Typer(no_args_is_help=True, help="DHCP options that services share.")


@app.callback()
def _group() -> None:
    """Keep `collect` a command of its own."""


@app.command()
def collect(
    router: Annotated[str, typer.Argument(metavar="ROUTER", help="Name in the inventory.")],
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Remove our DHCP option rows that no lease, network or option set names.

    A row goes only when two looks in a row, both with --apply, found nobody who names it. Rows of
    other names, and of other installations, stay.
    Exit 0: done, or nothing to do; 1: the router refused something; 2: something would be done.

    Example: leasewire options collect tower-7 --apply
    """
    context = Context(inventory)
    router_of(context, router)
    installation = context.inventory.installation
    if not apply:
        with closing(Sessions(context.inventory, context.settings).open(router)) as session:
            found = find_unnamed(context.store, session, router, installation)
        going = [row.option for row in found.collect]
        _tell(Collected(going, (), sorted(found.unnamed - set(going))), "would go", as_json=as_json)
        end_preview(changes=bool(found.unnamed))
    with at_router(context, router) as (session, lock):
        done = collect_options(context.store, session, lock, installation, actor_of(actor))
    _tell(done, "removed", as_json=as_json)
    if done.refused:
        raise typer.Exit(1)


def _tell(done: Collected, word: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                word.replace(" ", "_"): list(done.removed),
                "refused": dict(done.refused),
                "unnamed": list(done.unnamed),
            }
        )
        return
    for name in done.removed:
        typer.echo(f"{clean(name)}: {word}")
    for name, message in done.refused:
        typer.secho(f"{clean(name)}: refused: {clean(message)}", fg="red")
    for name in done.unnamed:
        typer.echo(f"{clean(name)}: nobody names it; it goes at the next look, should it stay so")
    if not (done.removed or done.refused or done.unnamed):
        typer.echo("Each option row of ours is named by somebody.")
