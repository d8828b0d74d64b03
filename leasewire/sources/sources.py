"""`leasewire sources`: who publishes events, and who owns which services."""

from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, App, ApplyOption, Exit, Part, TextTable, bad_input
from leasewire.context import ActorOption, Context
from worker.admin.json_fields import without_empty
from worker.admin.source_documents import source_documents
from worker.admin.sources import SourceChanges, ownership_changes
from worker.inventory import Inventory
from worker.store.store import Store

app = App("Who publishes events, and who owns services.")

_SHOWN: Final = 20


@app.command("list")
def list_(context: Context) -> Answer:
    """List the sources: how each orders its events, what it owns, what became of its events.

    An event is superseded if newer events had set everything before it came. If most recent events
    are superseded something is wrong, such as a restored BSS that counts from lower revisions: see
    `sources rebase`.

    Example: leasewire sources list
    """
    documents = source_documents(context.store, context.inventory.sources)
    rows = [
        document
        | {
            "order": document.get("order", "not in the inventory"),
            "percent": f"{document['superseded_percent']} %" if document["events"] else "",
        }
        for document in documents
    ]
    columns = (
        "source, order, scopes, services, events, superseded=percent, last event=last_event_at, "
        "mostly superseded since=alarm_since"
    )
    return Answer(
        {"sources": documents}, [TextTable(rows, columns, "The inventory has no sources.")]
    )


@app.command()
def rebase(
    context: Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As its events name it.")],
    *,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Rebase a source that counts from lower revisions, as after a restore.

    Its next event about each service is newer than all before. Nothing is written to a router.
    Rebase before the restored BSS publishes: earlier events of it are superseded and must be sent
    again. Let workers fold the journal first.

    Example: leasewire sources rebase urn:isp:bss:acme --apply
    """
    _check_known(context.inventory, source)
    store = context.store
    records = [change.record for change in ownership_changes(store, source)]
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
    done = SourceChanges(store, actor).rebase(source) if apply else None
    document = {"source": source, "changes": changes, "journal": _waiting(store), "done": done}
    empty = "Nothing to change: every service is rebased already."
    columns = "service, revision, epoch, new epoch=new_epoch"
    return _answer(document, columns, empty, f"rebased {{}} services of {source}", store)


@app.command()
def transfer(  # noqa: PLR0913 - the options of one command
    context: Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The present owner.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="The new owner, in the inventory.")],
    *,
    service: Annotated[
        list[str] | None, typer.Option(help="Only this service; repeatable.")
    ] = None,
    apply: ApplyOption = False,
    actor: ActorOption = "",
) -> Answer:
    """Transfer services to another source, such as a new BSS.

    Its first event about each service is newer than all events of the old source, whatever its
    revision; from then on events of the old source are rejected. Nothing is written to a router.
    Scheduled events of the old source still take effect unless they are withdrawn.

    Example: leasewire sources transfer urn:isp:bss:old urn:isp:bss:new --service SVC-1001 --apply
    """
    _check_known(context.inventory, to)
    if "publish" not in context.inventory.sources[to].scopes or source == to:
        bad_input(f"{to} cannot take over: it must be another source that may publish.")
    store = context.store
    records = [change.record for change in ownership_changes(store, source, service or None)]
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
        bad_input(f"Not owned by {source}: {', '.join(missing)}.")
    done = None
    if apply:
        done = SourceChanges(store, actor).transfer(source, to, service or None)
    document = {"source": source, "to": to, "changes": changes, "done": done}
    empty = f"{source} owns no services."
    transferred = f"transferred {{}} services from {source} to {to}"
    return _answer(document, "service, status, scheduled", empty, transferred, store)


def _check_known(inventory: Inventory, source: str) -> None:
    if source not in inventory.sources:
        bad_input(f"There is no source {source} in the inventory.")


def _waiting(store: Store) -> int:
    return sum(store.journal.depth(lane) for lane in ("events", "bulk"))


def _answer(document: dict[str, Any], columns: str, empty: str, did: str, store: Store) -> Answer:
    changes, done = document["changes"], document["done"]
    text: list[Part] = [
        TextTable(changes, columns, empty, most=_SHOWN, rest="--json lists them"),
    ]
    if done is not None:
        text.append(f"\nDone: {did.format(done)}.")
        return Answer(document, text)
    if changes:
        text.append(f"\nDry run. With --apply: {did.format(len(changes))}.")
        if waiting := _waiting(store):
            text.append(f"{waiting} events wait in the journal: let workers fold them first.")
    return Answer(document, text, Exit.CHANGES if changes else Exit.OK)
