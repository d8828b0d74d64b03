"""`leasewire events`: what became of an event."""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Final

import typer

from contracts import event_key
from leasewire.context import Context, InventoryOption
from leasewire.printing import (
    JsonOption,
    clean,
    local_time,
    print_fields,
    print_json,
    utc_time,
    without_nothing,
)
from worker.core.entry import effect
from worker.core.policy.circuit import RouterState
from worker.core.service.outcome import FINAL, Outcome
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
    found = find(context.store, event_id, sources) or _refused(context.store, event_id, source)
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
                document = document_of(item.outcome)
                typer.echo(json.dumps(document) if as_json else clean(_line(document)))
            cursor = page.cursor
            if not page.more:
                time.sleep(_CHECK_EVERY_S)  # the pace of looking


def _line(document: dict[str, Any]) -> str:
    names = ("service", "event", "state", "router", "reason", "detail")
    message = [str(document[name]) for name in names if name in document]
    return "  ".join([local_time(document["at"]), *message])


def find(store: Store, event_id: str, sources: Sequence[str]) -> list[dict[str, Any]]:
    """The events of that id, one a source, as documents."""
    keys = {event_key(source, event_id): source for source in sources}
    # The journal first: an event leaves it in the step that makes its outcome.
    journaled = store.views.journaled(list(keys))
    outcomes = {outcome.key: outcome for outcome in store.views.outcomes(list(keys))}
    found = []
    for key, source in keys.items():
        if key in outcomes:
            found.append(document_of(outcomes[key], _circuit_open(store, outcomes[key])))
        elif key in journaled:
            state = {"event": event_id, "source": source, "state": "journaled"}
            hint = "" if store.views.workers() else "no worker runs: start `leasewire worker`"
            found.append(without_nothing(state | {"lane": journaled[key], "detail": hint}))
    return found


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
            found.append(without_nothing(state | at))
    return found


def document_of(outcome: Outcome, circuit_open: RouterState | None = None) -> dict[str, Any]:
    """An outcome for programs."""
    document: dict[str, Any] = {
        "event": outcome.event_id,
        "source": outcome.source,
        "type": outcome.type,
        "service": outcome.service_id,
        "state": outcome.state,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "router": outcome.router,
        "effective_at": utc_time(outcome.effective_at_ms),
        "effective_by": effect.describe(outcome.effective_by),
        "effective": _effective(outcome),
        "accepted_at": utc_time(outcome.accepted_at_ms),
        "at": utc_time(outcome.at_ms),
    }
    if circuit_open is not None:
        document["router_state"] = {
            "state": circuit_open.state,
            "since": utc_time(circuit_open.since_ms),
            "next_try_at": utc_time(circuit_open.next_at_ms),
            "message": circuit_open.message,
        }
    return without_nothing(document)


def _effective(outcome: Outcome) -> dict[str, Any] | None:
    """What `effective_by` says, as data; `at` in RFC 3339."""
    data = effect.data_of(outcome.effective_by, outcome.at_ms)
    if data is None:
        return None
    latest = utc_time(data.pop("at_ms", 0))
    return data | ({"at": latest} if latest else {})


def _circuit_open(store: Store, outcome: Outcome) -> RouterState | None:
    """The state of the router that the event waits for, where that is why it waits."""
    if outcome.state in FINAL or not outcome.router:
        return None
    state = store.views.router(outcome.router).state
    return None if state.state == "up" else state


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
