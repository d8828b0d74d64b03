"""What `leasewire publish` can tell of events by the inventory, before anything is published."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import typer

from leasewire.context import Context
from leasewire.printing import clean, counted
from producers.complete import CompleteEvent
from worker.errors import ConfigurationError

BAD_INPUT: Final = 2


def look_at(context: Context, completed: Sequence[CompleteEvent], *, named: bool) -> None:
    """Say at once what the inventory knows better; where there is none the workers say it.

    Raises:
        typer.Exit: 2 for a source of which every event would be rejected.
    """
    try:
        found = context.inventory
    except ConfigurationError:
        if named:
            raise
        return  # this may be another machine than the workers': then they alone can tell
    path = context.settings.inventory
    sources = {str(each.event["source"]) for each in completed} - found.sources.keys()
    if sources:
        message = (
            f"{', '.join(sorted(sources))} is not in [sources] of {path}: nothing was published."
        )
        typer.echo(clean(message), err=True)
        raise typer.Exit(BAD_INPUT)
    counting = {name for name, each in found.sources.items() if each.order == "revisions"}
    operators = {name for name, each in found.sources.items() if "override" in each.scopes}
    without = [each for each in completed if _misses_revision(each, counting - operators)]
    if without:
        message = (
            f"! {counted(len(without), 'event')} without data.revision, as {without[0].id}: of"
        )
        message = f"{message} a source that counts revisions such events are rejected"
        typer.secho(clean(message), fg="yellow", err=True)
    routers = {name for each in completed if (name := _router(each.event))} - found.routers.keys()
    for name in sorted(routers):
        message = f"! router {name} is not in {path}: its services wait until it is there"
        typer.secho(clean(message), fg="yellow", err=True)


def _misses_revision(completed: CompleteEvent, counting: AbstractSet[str]) -> bool:
    event: Mapping[str, Any] = completed.event
    needed = "service_id" in event["data"] and "withdraws" not in event["data"]
    versioned = "revision" in event["data"] or "asof" in event
    return event["source"] in counting and needed and not versioned


def _router(event: Mapping[str, Any]) -> str | None:
    data = event["data"]
    access = data.get("access") or (data.get("service") or {}).get("access") or {}
    return access.get("router")
