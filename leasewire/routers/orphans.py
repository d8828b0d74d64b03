"""`leasewire orphans`: rows with our tag of services of which nothing is known."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, print_json, print_table
from leasewire.routers.at_router import at_router
from leasewire.routers.drift import RouterArgument
from leasewire.routers.plan import exit_code, look_at
from leasewire.routers.policy import NameArgument, router_of
from worker.admin.orphans import Removed, remove_orphans
from worker.convergence.full_read import FullRead, read_fully
from worker.core.full_read.drift import describe
from worker.core.full_read.row_owners import Tagged

app = typer.Typer(
    no_args_is_help=True, help="Rows with our tag of services of which nothing is known."
)
_COLUMNS = ("router", "service", "menu", "row", "comment")


@app.command("list")
def list_command(
    name: RouterArgument = None,
    *,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """List orphans: rows that say they are of a service which this Redis does not know.

    A pass never touches one. More than one, and more than 10 % of our rows, block a router: this
    may not be the Redis that wrote them. What the BSS says again is no orphan any more; others go
    by `leasewire orphans remove`.
    Exit 0: there are none; 2: some; 1: a router refuses us; 3: it cannot be reached.

    Example: leasewire orphans list tower-7
    """
    context = Context(inventory)
    names = list(context.inventory.routers) if name is None else [router_of(context, name).name]
    seen = look_at(context, names)
    found = {
        router: each.row_owners.orphans if isinstance(each, FullRead) else ()
        for router, each in seen.items()
    }
    if as_json:
        print_json({"orphans": [_document(r, o) for r, some in found.items() for o in some]})
    else:
        _print((router, orphan) for router, some in found.items() for orphan in some)
    for each in seen.values():
        if not isinstance(each, FullRead):
            typer.secho(clean(each), err=True, fg="red")
    failed = exit_code([each for each in seen.values() if not isinstance(each, FullRead)])
    raise typer.Exit(failed or 2 * any(found.values()))


@app.command("remove")
def remove_command(  # noqa: PLR0913 - each is an option
    name: NameArgument,
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE…", help="Else all orphans there.")
    ] = None,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Remove orphans from a router; one that they blocked goes on.

    Exit 0: done, or there are none; 1: the router refused something; 2: it is shown what would go.

    Example: leasewire orphans remove tower-7 SVC-1001 --apply
    """
    context = Context(inventory)
    policy = router_of(context, name).policy
    with at_router(context, name) as (session, lock):
        read = read_fully(
            context.store, session, name, policy.held_in(session.entries), lock.progress
        )
        chosen = [
            each
            for each in read.row_owners.orphans
            if services is None or each.service_id in services
        ]
        missing = sorted(set(services or ()) - {each.service_id for each in chosen})
        if missing:
            typer.echo(f"No orphans on {name}: {', '.join(missing)}", err=True)
            raise typer.Exit(2)
        done = Removed((), ())
        if apply and chosen:
            done = remove_orphans(context.store, session, lock, chosen, actor_of(actor))
    _show_removed(name, chosen, done, applied=apply, as_json=as_json)
    if not apply:
        end_preview(changes=bool(chosen))
    if done.refused:
        raise typer.Exit(1)


def _show_removed(
    name: str, chosen: Sequence[Tagged], done: Removed, *, applied: bool, as_json: bool
) -> None:
    if as_json:
        word, rows = ("removed", done.gone) if applied else ("would_go", chosen)
        refused = [_document(name, each) | {"message": message} for each, message in done.refused]
        print_json({word: [_document(name, each) for each in rows], "refused": refused})
        return
    _print((name, each) for each in (done.gone if applied else chosen))
    for each, message in done.refused:
        typer.secho(f"{each.service_id}: refused: {clean(message)}", fg="red", err=True)
    if chosen:
        typer.echo(f"{name}: {len(done.gone)} rows removed" if applied else "--apply removes them")


def _print(found: Iterable[tuple[str, Tagged]]) -> None:
    rows = (
        (router, each.service_id, each.row.menu, describe(each.row.fields), each.row.comment)
        for router, each in found
    )
    print_table(_COLUMNS, rows, "No orphans.")


def _document(router: str, orphan: Tagged) -> dict[str, Any]:
    return {
        "router": router,
        "service": orphan.service_id,
        "menu": orphan.row.menu,
        "fields": {k: v for k, v in orphan.row.fields.items() if v},
        "comment": clean(orphan.row.comment),
    }
