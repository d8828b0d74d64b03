"""What `leasewire publish` checks against the inventory before it publishes anything."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import typer

from leasewire.answer import bad_input, clean, counted
from leasewire.context import Context
from producers.transport import CompleteEvent
from worker.errors import ConfigurationError


def check_inventory(context: Context, events: Sequence[CompleteEvent], *, named: bool) -> None:
    """Report what the inventory forbids or lacks; without an inventory the workers will.

    Raises:
        typer.Exit: 2: every event of a source would be rejected.
    """
    try:
        inventory = context.inventory
    except ConfigurationError:
        if named:
            raise
        return  # this may be another host than the workers'
    path = context.settings.inventory
    sources = {str(event.event["source"]) for event in events} - inventory.sources.keys()
    if sources:
        names = ", ".join(sorted(sources))
        bad_input(f"{names} is not in [sources] of {path}: nothing was published.")
    counting = {name for name, source in inventory.sources.items() if source.order == "revisions"}
    operators = {name for name, source in inventory.sources.items() if "override" in source.scopes}
    without = [event for event in events if _misses_revision(event, counting - operators)]
    if without:
        _warn(
            f"{counted(len(without), 'event')} without data.revision, such as {without[0].id}: "
            "they are rejected, as their source counts revisions"
        )
    routers = {name for event in events if (name := _router(event.event))}
    for name in sorted(routers - inventory.routers.keys()):
        _warn(f"router {name} is not in {path}: its services wait until it is")


def _warn(message: str) -> None:
    typer.secho(clean(f"! {message}"), fg="yellow", err=True)


def _misses_revision(completed: CompleteEvent, counting: AbstractSet[str]) -> bool:
    event: Mapping[str, Any] = completed.event
    needed = "service_id" in event["data"] and "withdraws" not in event["data"]
    versioned = "revision" in event["data"] or "asof" in event
    return event["source"] in counting and needed and not versioned


def _router(event: Mapping[str, Any]) -> str | None:
    data = event["data"]
    access = data.get("access") or (data.get("service") or {}).get("access") or {}
    return access.get("router")
