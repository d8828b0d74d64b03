"""`leasewire adopt`: take over the rows of a router that was in use before."""

import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from contracts.names import QUEUE_BULK
from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, print_json, print_table
from leasewire.routers.adopt_services import events_of_file, events_of_rows, folded
from leasewire.routers.at_router import at_router
from leasewire.routers.policy import NameArgument, router_of
from leasewire.sources.standard_input import as_file
from producers.complete import CompleteEvent
from worker.admin.adoption import Adopted, Adoption
from worker.core.full_read.adoption import SORTS, SortedRow
from worker.routeros.sessions import Sessions

Choice = Literal["adopt", "skip"]
_FOLDED_AFTER_S: Final = 120.0
_CHECK_EVERY_S: Final = 0.2
_SHOWN: Final = 50


def adopt_command(  # noqa: PLR0913 - each is an option
    name: NameArgument,
    *,
    services: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The BSS's export: events as `publish` takes them, or a CSV table; - is standard "
            "input; else the services that are known.",
        ),
    ] = None,
    import_services: Annotated[
        bool,
        typer.Option("--import-services", help="Make a service of each row that is nobody's."),
    ] = False,
    disabled: Annotated[
        Choice | None,
        typer.Option(help="What becomes of rows that are switched off: adopted, or left alone."),
    ] = None,
    apply: ApplyOption = False,
    as_json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="List every row.")] = False,
    actor: ActorOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Take over the static leases of a router that was in use before Leasewire.

    Sorts each static lease: ours (it has our tag), would adopt (a service has its MAC or its
    address), conflict (a person must decide), foreign (no service's). With --apply the events of
    the file, or of the rows, are published, and our tag is put into the comments of rows that would
    be adopted: nothing else on the router is changed. Begin with `mode = "observe"` for the router
    in the inventory: then nothing else is written either, until `leasewire routers manage`.
    Exit 0: nothing to adopt, or done; 1: the router refused something; 2: something would be done,
    or a choice is missing; 3: the router or Redis cannot be reached.

    Examples: leasewire adopt tower-7 --services export.csv; leasewire adopt tower-7
    --import-services --apply
    """
    context, who = Context(inventory), actor_of(actor)
    config = router_of(context, name)
    with closing(Sessions(context.inventory, context.settings).open(name)) as session:
        policy = config.policy.held_in(session.entries)
        adoption = Adoption(context.store, name, policy)
        with context.publisher() as publisher:
            events = []
            if services:
                with as_file(services, "stdin") as given:
                    events = events_of_file(given, publisher, who)
            found = adoption.sort(session, folded(context.store, events))
            if import_services:
                rows = [each for each in found if disabled == "adopt" or not each.row.disabled]
                events += events_of_rows(rows, name, publisher, who)
                found = adoption.sort(session, folded(context.store, events))
    to_choose = [each for each in found if each.sort == "adopt" and each.row.disabled]
    if not apply:
        _show(name, found, None, everything=everything, as_json=as_json)
        if to_choose and disabled is None:
            typer.echo("Rows that are switched off need a choice: --disabled adopt, or skip.")
        end_preview(changes=any(each.sort == "adopt" for each in found))
    if to_choose and disabled is None:
        for each in to_choose:
            typer.echo(f"{each.service_id}: {clean(each.row.name)} is switched off", err=True)
        typer.echo("Say --disabled adopt, or --disabled skip, which leaves them alone.", err=True)
        raise typer.Exit(2)
    _publish(context, name, events)
    with at_router(context, name) as (session, lock):
        found = adoption.sort(session)
        chosen = [
            each
            for each in found
            if each.sort == "adopt" and (disabled == "adopt" or not each.row.disabled)
        ]
        done = adoption.apply(session, lock, chosen, who)
        found = adoption.sort(session)
    _show(name, found, done, everything=everything, as_json=as_json)
    if done.refused:
        raise typer.Exit(1)


def _publish(context: Context, router: str, events: list[CompleteEvent]) -> None:
    """Publish the events of this router's services, and wait until they are taken in."""
    here = {r.service_id for r in folded(context.store, events) if r.router == router}
    ours = [each for each in events if _service(each) in here]
    if not ours:
        return
    with context.publisher() as publisher:
        publisher.write(ours, lane=QUEUE_BULK)
    keys = [each.key for each in ours]
    ends = time.monotonic() + _FOLDED_AFTER_S
    with typer.progressbar(length=len(keys), label="Taking in", file=_stderr()) as bar:
        shown = 0
        while (left := len(context.store.views.journaled(keys))) and time.monotonic() < ends:
            bar.update(len(keys) - left - shown)
            shown = len(keys) - left
            time.sleep(_CHECK_EVERY_S)  # workers take them in
        bar.update(len(keys) - left - shown)
    if left:
        typer.echo(
            f"{left} of {len(keys)} events wait for a worker still: no row was tagged. Start one "
            "(`leasewire up`, `leasewire worker`), and call this again.",
            err=True,
        )
        raise typer.Exit(1)


def _stderr() -> Any:  # noqa: ANN401 - as Typer has it
    return typer.get_text_stream("stderr")


def _service(completed: CompleteEvent) -> str:
    return str(completed.event["subject"]).removeprefix("service/")


def _show(
    router: str,
    found: list[SortedRow],
    done: Adopted | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    counts = Counter(each.sort for each in found)
    differing = sum(bool(each.differs) for each in found)
    if as_json:
        document: dict[str, Any] = {
            "router": router,
            "counts": {sort: counts[sort] for sort in SORTS} | {"differing": differing},
            "rows": [_document(each) for each in found],
        }
        if done is not None:
            document |= {"tagged": list(done.tagged), "refused": dict(done.refused)}
        print_json(document)
        return
    if done is not None:
        typer.echo(f"{router}: {len(done.tagged)} rows are ours now")
        for service, message in done.refused:
            typer.secho(f"{service}: refused: {clean(message)}", fg="red", err=True)
    sorts = ", ".join(f"{counts[sort]} {name}" for sort, name in SORTS.items())
    more = f" ({differing} differ from what the BSS says)" if differing else ""
    typer.secho(f"{router}: {sorts}{more}", bold=True)
    notifications = [
        each for each in found if everything or each.sort == "conflict" or each.differs
    ]
    shown = notifications if everything else notifications[:_SHOWN]
    columns = ("", "service", "address", "MAC", "server", "differs", "why")
    if shown:
        print_table(columns, map(_line, shown), "")
    if len(shown) < len(notifications):
        typer.echo(f"… and {len(notifications) - len(shown)} more; --all lists every row.")


def _line(each: SortedRow) -> tuple[str, ...]:
    differs = "; ".join(f"{d.field}: {d.found or 'none'} -> {d.wanted}" for d in each.differs)
    row = each.row
    return (
        *(SORTS[each.sort], each.service_id, row.address, row.mac, row.server),
        *(differs, each.reason),
    )


def _document(each: SortedRow) -> dict[str, Any]:
    row = each.row
    return {
        "sort": each.sort,
        "service": each.service_id or None,
        "reason": each.reason or None,
        "address": row.address,
        "mac": row.mac,
        "server": row.server,
        "comment": clean(row.comment),
        "disabled": row.disabled,
        "differs": [d._asdict() for d in each.differs],
    }
