"""`leasewire events`: what became of an event."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from contracts import event_key
from leasewire.context import Context, InventoryOption
from leasewire.printing import (
    JsonOption,
    local_time,
    print_fields,
    print_json,
    utc_time,
    without_nothing,
)
from worker.core.circuit import RouterState
from worker.core.outcome import FINAL, Outcome
from worker.store.store import Store

app = typer.Typer(no_args_is_help=True, help="What became of an event.")


@app.callback()
def _group() -> None:
    """Keeps `show` a command of its own while it is the only one."""


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
    found = find(context.store, event_id, sources)
    if not found:
        typer.echo(
            f"No event {event_id} of {', '.join(sources)} is known.\nAn outcome is kept 30 days, "
            "and an hour where the event changed nothing.",
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


def find(store: Store, event_id: str, sources: Sequence[str]) -> list[dict[str, Any]]:
    """The events of that id, one a source, as documents."""
    keys = {event_key(source, event_id): source for source in sources}
    # The journal first: an event leaves it in the step that makes its outcome.
    journaled = store.views.journaled(list(keys))
    outcomes = {outcome.key: outcome for outcome in store.views.outcomes(list(keys))}
    found = []
    for key, source in keys.items():
        if key in outcomes:
            found.append(document_of(outcomes[key], _parked(store, outcomes[key])))
        elif key in journaled:
            state = {"event": event_id, "source": source, "state": "journaled"}
            hint = "" if store.views.workers() else "no worker runs: start `leasewire worker`"
            found.append(without_nothing(state | {"lane": journaled[key], "detail": hint}))
    return found


def document_of(outcome: Outcome, parked: RouterState | None = None) -> dict[str, Any]:
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
        "effective_by": outcome.effective_by,
        "accepted_at": utc_time(outcome.accepted_at_ms),
        "at": utc_time(outcome.at_ms),
    }
    if parked is not None:
        document["router_state"] = {
            "state": parked.state,
            "since": utc_time(parked.since_ms),
            "next_try_at": utc_time(parked.next_at_ms),
            "words": parked.words,
        }
    return without_nothing(document)


def _parked(store: Store, outcome: Outcome) -> RouterState | None:
    """The state of the router that the event waits for, where that is why it waits."""
    if outcome.state in FINAL or not outcome.router:
        return None
    state = store.views.router(outcome.router).state
    return None if state.state == "up" else state


def _print(document: dict[str, Any]) -> None:
    parked = document.get("router_state")
    moments = ("effective_at", "accepted_at", "at")
    print_fields(
        (name.replace("_", " "), local_time(document[name]) if name in moments else document[name])
        for name in document
        if name != "router_state"
    )
    if parked:
        typer.echo(
            f"Router {document['router']} is {parked['state']} since "
            f"{local_time(parked['since'])}: {parked['words']}\n"
            f"Nothing is lost: it is tried again by itself, next at "
            f"{local_time(parked['next_try_at'])}."
        )
