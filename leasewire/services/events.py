"""`leasewire events`: what became of events."""

import json
import time
from contextlib import suppress
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, App, Fields, JsonOption, Part, cell, clean, fail
from leasewire.context import Context
from worker.admin.documents import event_document, find_events
from worker.admin.json_fields import utc_time, without_empty
from worker.store.feed import CursorTooOldError
from worker.store.store import Store

app = App("What became of events.")

_CHECK_EVERY_S: Final = 0.25
_PAGE: Final = 500


@app.command()
def show(
    context: Context,
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The id that its publisher gave.")],
    *,
    source: Annotated[
        str | None,
        typer.Option(help="Its publisher. Default: every source of the inventory."),
    ] = None,
) -> Answer:
    """Show the state of an event.

    journaled (safe, not folded yet), scheduled (takes effect later), accepted (folded; a router is
    to be written), waiting (with the reason), applied (written and read back; then whether
    it acts at the customer), superseded, rejected, failed, expired.

    Example: leasewire events show 0b6f4f0e-5d5e-5f37-9a39-0c1f6a2d1a02
    """
    sources = [source] if source else list(context.inventory.sources)
    found = find_events(context.store, event_id, sources)
    found = found or _rejected(context.store, event_id, source)
    if not found:
        fail(
            f"There is no event {event_id} of {', '.join(sources)}.",
            "Outcomes of the last 20 events of a service are kept 31 days, others an hour.",
        )
    text: list[Part] = []
    for document in found:
        text += [*([""] if text else []), *_text(document)]
    return Answer({"events": found}, text)


@app.command()
def follow(
    context: Context,
    *,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only this source; repeatable. Default: all of the inventory."),
    ] = None,
    kept: Annotated[
        bool, typer.Option("--kept", help="Begin with the oldest that is kept, not with now.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Follow outcomes as they change, one line each, until Ctrl-C.

    With --json each line is a JSON document. A BSS gets the same over HTTP and by webhook.

    Example: leasewire events follow --source urn:isp:bss:example
    """
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
                typer.echo("Some outcomes were dropped before they were read.", err=True)
                page = feed.read(sources, None, _PAGE, unknown_sources=unknown_sources)
            for item in page.items:
                document = event_document(item.outcome)
                typer.echo(json.dumps(document) if as_json else clean(_line(document)))
            cursor = page.cursor
            if not page.more:
                time.sleep(_CHECK_EVERY_S)


def _line(document: dict[str, Any]) -> str:
    names = ("at", "service", "event", "state", "router", "reason", "detail")
    return "  ".join(cell(document[name]) for name in names if name in document)


def _rejected(store: Store, event_id: str, source: str | None) -> list[dict[str, Any]]:
    """Dead letters of the event: all that is kept of one whose source is not in the inventory."""
    found = []
    for dead_letter in store.dead_letters.all():
        try:
            body = json.loads(dead_letter.body) if dead_letter.kind == "event" else None
        except (ValueError, RecursionError):
            continue
        if not isinstance(body, dict) or body.get("id") != event_id:
            continue
        if source in (None, body.get("source")):
            document = {
                "event": event_id,
                "source": body.get("source"),
                "state": "rejected",
                "reason": dead_letter.reason,
                "detail": dead_letter.detail,
                "at": utc_time(dead_letter.at_ms),
                "dead_letter": dead_letter.id,
            }
            found.append(without_empty(document))
    return found


def _text(document: dict[str, Any]) -> list[Part]:
    hidden = ("router_state", "effective", "effect")
    text: list[Part] = [Fields({n: value for n, value in document.items() if n not in hidden})]
    if effect := document.get("effect"):
        state, until = effect["state"].replace("-", " "), effect.get("until")
        ends = f", until {cell(until)} at the latest" if until else ""
        text.append(f"At the customer: {state}{ends}: {clean(effect['detail'])}.")
    if state := document.get("router_state"):
        text += [
            f"Router {document['router']} is {state['state']} since {cell(state['since'])}:",
            f"  {clean(state['message'])}",
            f"The event is safe. Next automatic retry: {cell(state['next_try_at'])}.",
        ]
    if dead_letter := document.get("dead_letter"):
        text.append(f"The event as received: leasewire dead-letters show {dead_letter}")
    return text
