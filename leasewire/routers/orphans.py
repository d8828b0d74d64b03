"""`leasewire orphans`: rows with our tag whose service is unknown."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, App, ApplyOption, Exit, TextTable, bad_input, clean, counted
from leasewire.context import ActorOption, AnyRouterArgument, Context, RouterArgument
from leasewire.routers.at_router import at_router
from leasewire.routers.plan import exit_code, read
from worker.admin.orphans import Removed, remove_orphans
from worker.admin.router_reads import errors_of
from worker.convergence.full_read import FullRead, read_fully
from worker.core.full_read.drift import describe
from worker.core.full_read.row_owners import Tagged

app = App("Rows on routers with our tag whose service is unknown.")


@app.command("list")
def list_command(context: Context, name: AnyRouterArgument = None) -> Answer:
    """List orphans: rows with our tag for services that this Redis does not know.

    Workers never touch them. More than one, and more than 10 % of our rows, block a router: its
    rows may be of another Redis. When the BSS publishes its service again, the row belongs to that;
    `leasewire orphans remove` removes the others. Exit 0: none; 4: some; 1: a router refuses us;
    3: a router cannot be reached.

    Example: leasewire orphans list tower-7
    """
    results = read(context, context.router_names(name))
    documents = [
        _document(router, orphan)
        for router, result in results.items()
        if isinstance(result, FullRead)
        for orphan in result.row_owners.orphans
    ]
    code = exit_code(results.values(), lambda result: result.row_owners.orphans)
    return Answer({"orphans": documents}, [_table(documents)], code, errors_of(results.values()))


@app.command("remove")
def remove_command(
    context: Context,
    name: RouterArgument,
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE…", help="Default: all orphans on the router."),
    ] = None,
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Remove orphans from a router; a router that they blocked is unblocked.

    Exit 0: done, or there are none; 4: only shown; 1: the router refused something.

    Example: leasewire orphans remove tower-7 SVC-1001 --apply
    """
    policy = context.router(name).policy
    with at_router(context, name) as (session, lock):
        found = read_fully(
            context.store, session, name, policy.held_in(session.entries), lock.progress
        )
        chosen = [
            orphan
            for orphan in found.row_owners.orphans
            if services is None or orphan.service_id in services
        ]
        missing = sorted(set(services or ()) - {orphan.service_id for orphan in chosen})
        if missing:
            bad_input(f"No orphans of these services on {name}: {', '.join(missing)}")
        done = Removed((), ())
        if apply and chosen:
            done = remove_orphans(context.store, session, lock, chosen, actor)
    word, rows = ("removed", done.gone) if apply else ("would_remove", chosen)
    documents = [_document(name, orphan) for orphan in rows]
    refused = [_document(name, orphan) | {"message": text} for orphan, text in done.refused]
    text = f"{name}: {counted(len(done.gone), 'row')} removed"
    if not chosen or not apply:
        text = "Run with --apply to remove them." if chosen else ""
    code = Exit.FAILED if done.refused else Exit.OK
    return Answer(
        {word: documents, "refused": refused},
        [_table(documents), *([text] if text else [])],
        Exit.CHANGES if chosen and not apply else code,
        [f"{orphan.service_id}: refused: {message}" for orphan, message in done.refused],
    )


def _table(documents: Iterable[dict[str, Any]]) -> TextTable:
    rows = [document | {"row": describe(document["fields"])} for document in documents]
    return TextTable(rows, "router, service, menu, row, comment", "No orphans.")


def _document(router: str, orphan: Tagged) -> dict[str, Any]:
    return {
        "router": router,
        "service": orphan.service_id,
        "menu": orphan.row.menu,
        "fields": {name: value for name, value in orphan.row.fields.items() if value},
        "comment": clean(orphan.row.comment),
    }
