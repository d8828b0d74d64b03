"""`leasewire events`: what became of an event."""

import json
import time
from contextlib import suppress
from typing import Annotated, Any, Final

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import JsonOption, clean, local_time, print_fields, print_json
from worker.admin.documents import event_document, find_events
from worker.admin.json_fields import utc_time, without_empty
from worker.store.feed import CursorTooOldError
from worker.store.store import Store

app = typer.Typer(no_args_is_help=True, help="What became of events.")

_CHECK_EVERY_S: Final = 0.25
_PAGE: Final = 500


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The id that its publisher gave.")],
    *,
    source: Annotated[
        str | None,
        typer.Option(help="Who published it; else every source of the inventory is looked at."),
    ] = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show where an event stands.

    journaled (safe, not folded yet), scheduled (for its time), accepted (folded; a router is to be
    written), waiting (with the reason), applied (written and read back), superseded, rejected,
    failed, expired.

    Example: leasewire events show 0b6f4f0e-5d5e-5f37-9a39-0c1f6a2d1a02
    """
    context = Context(inventory)
    sources = [source] if source else list(context.inventory.sources)
    found = find_events(context.store, event_id, sources) or _refused(
        context.store, event_id, source
    )
    if not found:
        typer.echo(
            f"No event {event_id} of {', '.join(sources)} is known.\nThe outcomes of the last 20 "
            "events of a service are kept 31 days, those of others an hour.",
            err=True,
        )
        raise typer.Exit(1)
    if as_json:
        print_json({"events": found})
        return
    for number, document in enumerate(found):
        if number:
            typer.echo()
        _print(document)


@app.command()
def follow(
    *,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Of these sources' events; else of all of the inventory; repeatable."),
    ] = None,
    kept: Annotated[
        bool, typer.Option("--kept", help="Begin with the oldest that is kept, else with now.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Follow what becomes of events, line by line, until Ctrl-C: each change of an outcome.

    With --json each line is a JSON document of its own. The same comes to a BSS over HTTP and by
    webhook.

    Example: leasewire events follow --source urn:isp:bss:example
    """
    context = Context(inventory)
    feed = context.store.feed
    known = context.inventory.sources.keys()
    sources = source or list(known)
    unknown_sources = not known >= set(sources)
    cursor = None if kept else feed.last()
    with suppress(KeyboardInterrupt):
        while True:
            try:
                page = feed.read(sources, cursor, _PAGE, unknown_sources=unknown_sources)
            except CursorTooOldError:
                typer.echo("Some were let go before they were read; on with the oldest.", err=True)
                page = feed.read(sources, None, _PAGE, unknown_sources=unknown_sources)
            for item in page.items:
                document = event_document(item.outcome)
                typer.echo(json.dumps(document) if as_json else clean(_line(document)))
            cursor = page.cursor
            if not page.more:
                time.sleep(_CHECK_EVERY_S)  # the pace of looking


def _line(document: dict[str, Any]) -> str:
    names = ("service", "event", "state", "router", "reason", "detail")
    message = [str(document[name]) for name in names if name in document]
    return "  ".join([local_time(document["at"]), *message])


def _refused(store: Store, event_id: str, source: str | None) -> list[dict[str, Any]]:
    """Dead letters of that event: all that is kept where the inventory does not have its source."""
    found = []
    for dead_letter in store.dead_letters.all():
        try:
            body = json.loads(dead_letter.body) if dead_letter.kind == "event" else None
        except (ValueError, RecursionError):
            continue
        if not isinstance(body, dict) or body.get("id") != event_id:
            continue
        if source in (None, body.get("source")):
            state = {"event": event_id, "source": body.get("source"), "state": "rejected"}
            state |= {"reason": dead_letter.reason, "detail": dead_letter.detail}
            at = {"at": utc_time(dead_letter.at_ms), "dead_letter": dead_letter.id}
            found.append(without_empty(state | at))
    return found


def _print(document: dict[str, Any]) -> None:
    circuit_open = document.get("router_state")
    moments = ("effective_at", "accepted_at", "at")
    print_fields(
        (name.replace("_", " "), local_time(document[name]) if name in moments else document[name])
        for name in document
        if name not in ("router_state", "effective")
    )
    if circuit_open:
        typer.echo(
            f"Router {document['router']} is {circuit_open['state']} since "
            f"{local_time(circuit_open['since'])}: {clean(circuit_open['message'])}\n"
            f"Nothing is lost: it is tried again by itself, next at "
            f"{local_time(circuit_open['next_try_at'])}."
        )
    if dead_letter := document.get("dead_letter"):
        typer.echo(clean(f"The event as it came: leasewire dead-letters show {dead_letter}"))
