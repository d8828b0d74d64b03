"""`leasewire sources`: who publishes, what came of it, and who owns which services."""

from collections import Counter
from typing import Annotated, Any, Final

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, local_time, print_json, print_table
from worker.admin.json_fields import utc_time, without_empty
from worker.admin.sources import SourceChanges, ownership_changes
from worker.inventory import Inventory, SourceConfig
from worker.store.sources import SourceView
from worker.store.store import Store

app = typer.Typer(no_args_is_help=True, help="Who publishes events, and who owns services.")

BAD_INPUT: Final = 2
_SHOWN: Final = 20


@app.command("list")
def list_(*, as_json: JsonOption = False, inventory: InventoryOption = None) -> None:
    """List the sources: how each orders its events, what it owns, what came of it.

    Superseded are events of which newer ones held everything when they came. Where that is most
    of the recent ones something is wrong, such as a BSS that was restored and counts from lower
    revisions: see `sources rebase`.

    Example: leasewire sources list
    """
    context = Context(inventory)
    store, known = context.store, context.inventory.sources
    services = Counter(each.record.owner for each in store.views.services())
    unknown_sources = {name for name in services if name} - known.keys()
    documents = [
        _document(name, known.get(name), store.sources.view(name), services[name])
        for name in [*known, *sorted(unknown_sources)]
    ]
    if as_json:
        print_json({"sources": documents})
        return
    print_table(
        ("source", "order", "scopes", "services", "events", "superseded", "last event", ""),
        (
            (
                each["source"],
                each.get("order", "not in the inventory"),
                ", ".join(each.get("scopes", ())),
                each["services"],
                each["events"],
                f"{each['superseded_percent']} %" if each["events"] else "",
                local_time(each.get("last_event_at")),
                f"mostly superseded since {local_time(each['alarm_since'])}"
                if "alarm_since" in each
                else "",
            )
            for each in documents
        ),
        "The inventory names no source.",
    )


def _document(
    name: str, config: SourceConfig | None, view: SourceView, services: int
) -> dict[str, Any]:
    document = {
        "source": name,
        "order": config and config.order,
        "scopes": sorted(config.scopes) if config else None,
        "unmanaged": sorted(config.unmanaged) if config else None,
        "last_event_at": utc_time(view.last_ms),
        "alarm_since": utc_time(view.alarm_ms),
    }
    numbers = {
        "services": services,
        "events": view.events,
        "superseded": view.superseded,
        "superseded_percent": round(100 * view.superseded / view.events) if view.events else 0,
    }
    return without_empty(document) | numbers


@app.command()
def rebase(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As its events name it.")],
    *,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Begin a new epoch of a source that counts from lower revisions, as after a restore.

    Whatever it says next of its services is newer than all before. Nothing is written to a router
    by that. Do it before the restored BSS publishes: what it said before is superseded, and has to
    be sent again; and let what waits in the journal be taken in first.

    Example: leasewire sources rebase urn:isp:bss:acme --apply
    """
    context = Context(inventory)
    _must_know(context.inventory, source)
    store = context.store
    records = [each.record for each in ownership_changes(store, source)]
    changes = [
        {
            "service": record.service_id,
            "revision": record.highest.revision,
            "epoch": record.epoch,
            "new_epoch": record.highest.epoch + 1,
        }
        for record in records
        if record.epoch != record.highest.epoch + 1
    ]
    done = SourceChanges(store, actor_of(actor)).rebase(source) if apply else None
    if as_json:
        print_json({"source": source, "changes": changes, "journal": _waiting(store), "done": done})
    else:
        columns = ("service", "revision", "epoch", "new_epoch")
        _show(columns, changes, "Nothing to change: no service heard of it since the last time.")
        _tell(f"{source} counts anew for", len(changes), done, store)
    if not apply:
        end_preview(changes=bool(changes))


@app.command()
def transfer(  # noqa: PLR0913 - the options of one command
    source: Annotated[str, typer.Argument(metavar="FROM", help="The owner until now.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="The new one, of the inventory.")],
    *,
    service: Annotated[
        list[str] | None, typer.Option(help="Only this service; repeatable.")
    ] = None,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Let another source own services: a new BSS takes over.

    Its first word of each is newer than all that the old one said, wherever it counts from; from
    then on the old one is refused. Nothing is written to a router by that. What the old one
    scheduled still takes effect: withdraw what is not to.

    Example: leasewire sources transfer urn:isp:bss:old urn:isp:bss:new --service SVC-1001 --apply
    """
    context = Context(inventory)
    _must_know(context.inventory, to)
    if "publish" not in context.inventory.sources[to].scopes or source == to:
        typer.echo(
            f"{to} cannot take them over: it must be another source that may publish.", err=True
        )
        raise typer.Exit(BAD_INPUT)
    store = context.store
    records = [each.record for each in ownership_changes(store, source, service or None)]
    changes = [
        without_empty(
            {
                "service": record.service_id,
                "status": record.status,
                "scheduled": len(record.schedule.pending),
            }
        )
        for record in records
    ]
    missing = sorted(set(service or ()) - {record.service_id for record in records})
    if missing:
        typer.echo(f"Not owned by {source}: {', '.join(missing)}.", err=True)
        raise typer.Exit(BAD_INPUT)
    done = None
    if apply:
        done = SourceChanges(store, actor_of(actor)).transfer(source, to, service or None)
    if as_json:
        print_json({"source": source, "to": to, "changes": changes, "done": done})
    else:
        _show(("service", "status", "scheduled"), changes, f"{source} owns no service.")
        _tell(f"{to} owns instead of {source}", len(changes), done, store)
    if not apply:
        end_preview(changes=bool(changes))


def _must_know(inventory: Inventory, source: str) -> None:
    if source not in inventory.sources:
        typer.echo(f"There is no source {source} in the inventory.", err=True)
        raise typer.Exit(BAD_INPUT)


def _waiting(store: Store) -> int:
    return sum(store.journal.depth(lane) for lane in ("events", "bulk"))


def _show(columns: tuple[str, ...], changes: list[dict[str, Any]], empty: str) -> None:
    rows = [[each.get(name) for name in columns] for each in changes[:_SHOWN]]
    print_table([name.replace("_", " ") for name in columns], rows, empty)
    if len(changes) > _SHOWN:
        typer.echo(f"… and {len(changes) - _SHOWN} more; --json lists them.")


def _tell(what: str, planned: int, done: int | None, store: Store) -> None:
    if done is not None:
        typer.echo(f"\nDone: {what} {done} services.")
        return
    if not planned:
        return
    typer.echo(f"\nA dry run: {what} {planned} services with --apply.")
    waiting = _waiting(store)
    if waiting:
        typer.echo(f"{waiting} events wait in the journal: let them be taken in first.")
