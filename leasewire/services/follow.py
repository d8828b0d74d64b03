"""`leasewire services events`: what happened to a service, as it happens."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Final

import typer

from leasewire.answer import Answer, Exit, JsonOption, clean, local_time, write
from leasewire.context import Context, ServiceArgument
from leasewire.services.why import details, history_table
from worker.admin.json_fields import utc_time
from worker.admin.service_documents import HistoryEntry, history_of
from worker.errors import StoreUnavailable
from worker.store.store import Store

_CHECK_EVERY_S: Final = 1.0


def events_command(
    service_id: ServiceArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines, until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a service and its events, the oldest first.

    With --follow and --json each line is a JSON document.

    Example: leasewire services events SVC-1001 --follow
    """
    store = Context().store
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(store, service_id, as_json=as_json)
        return
    entries = history_of(store, service_id)
    answer = Answer(
        {"service": service_id, "history": [entry.document() for entry in entries]},
        [history_table([_row(entry) for entry in entries], f"Nothing is known of {service_id}.")],
        Exit.OK if entries else Exit.FAILED,
    )
    write(answer, "json" if as_json else "table")


def _row(entry: HistoryEntry) -> dict[str, Any]:
    return {"at": utc_time(entry.at_ms), "what": entry.what, "details": details(entry.more)}


def _follow(store: Store, service_id: str, *, as_json: bool) -> None:
    reported = False
    for entry in _new_entries(store, service_id):
        if entry is None:
            if not reported:
                typer.echo("Redis cannot be reached; waiting.", err=True)
            reported = True
            continue
        reported = False
        if as_json:
            typer.echo(json.dumps(entry.document()))
        else:
            at = local_time(utc_time(entry.at_ms))
            typer.echo(clean(f"{at}  {entry.what}  {details(entry.more)}").rstrip())
        sys.stdout.flush()


def _new_entries(store: Store, service_id: str) -> Iterator[HistoryEntry | None]:
    """Entries as they come, without end; None: Redis cannot be reached."""
    shown: set[str] = set()
    while True:
        try:
            entries = history_of(store, service_id)
        except StoreUnavailable:
            yield None
        else:
            yield from (entry for entry in entries if entry.key not in shown)
            # Entries that were dropped cannot come again, so their keys can be forgotten.
            shown = {entry.key for entry in entries}
        time.sleep(_CHECK_EVERY_S)
