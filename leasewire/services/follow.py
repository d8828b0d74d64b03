"""`leasewire services events`: what happened to a service, as it happens."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from leasewire.context import Context
from leasewire.printing import JsonOption, clean, local_time, print_json, print_table
from leasewire.services.why import describe
from worker.admin.json_fields import utc_time
from worker.admin.service_documents import HistoryEntry, history_of
from worker.errors import StoreUnavailable
from worker.store.store import Store

_CHECK_EVERY_S: Final = 1.0


def events_command(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on, line by line, until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a service, and what became of its events, the oldest first.

    With --follow and --json each line is a JSON document of its own.

    Example: leasewire services events SVC-1001 --follow
    """
    store = Context().store
    if follow:
        try:
            _follow(store, service_id, as_json=as_json)
        except KeyboardInterrupt:
            return
    lines = history_of(store, service_id)
    if as_json:
        print_json({"service": service_id, "history": [line.document() for line in lines]})
    else:
        rows = (
            (local_time(utc_time(each.at_ms)), each.what, describe(each.more)) for each in lines
        )
        print_table(("at", "what happened", ""), rows, f"Nothing is known of {service_id}.")
    if not lines:
        raise typer.Exit(1)


def _follow(store: Store, service_id: str, *, as_json: bool) -> None:
    notified = False
    for line in _new_lines(store, service_id):
        if line is None:
            if not notified:
                typer.echo("Redis cannot be reached; waiting for it.", err=True)
            notified = True
            continue
        notified = False
        if as_json:
            typer.echo(json.dumps(line.document()))
        else:
            at = local_time(utc_time(line.at_ms))
            typer.echo(clean(f"{at}  {line.what}  {describe(line.more)}").rstrip())
        sys.stdout.flush()


def _new_lines(store: Store, service_id: str) -> Iterator[HistoryEntry | None]:
    """Lines as they come, for ever; None: Redis cannot be reached just now."""
    shown: set[str] = set()
    while True:
        try:
            lines = history_of(store, service_id)
        except StoreUnavailable:
            yield None
        else:
            yield from (line for line in lines if line.key not in shown)
            # What is no longer kept cannot come again: as many keys as there are lines.
            shown = {line.key for line in lines}
        time.sleep(_CHECK_EVERY_S)  # the pace of looking, not a wait for anything
