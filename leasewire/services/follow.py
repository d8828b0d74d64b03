"""`leasewire services events`: what happened to a service, as it happens."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple

import typer

from leasewire.context import Context
from leasewire.printing import (
    JsonOption,
    clean,
    local_time,
    print_json,
    print_table,
    utc_time,
    without_nothing,
)
from leasewire.services.why import describe
from worker.core.service.outcome import FINAL
from worker.errors import StoreUnavailable
from worker.store.store import Store

_CHECK_EVERY_S: Final = 1.0


class Line(NamedTuple):
    """Something that happened.

    Attributes:
        at_ms: when, in milliseconds since 1970.
        what: such as `accepted`, `in sync`, `event applied`.
        more: the rest, by name.
    """

    at_ms: int
    what: str
    more: dict[str, Any]

    @property
    def key(self) -> str:
        """Names the line: what a service waits for is said anew each minute, and shown once."""
        again = self.what in ("event waiting", "event accepted")
        return json.dumps([0 if again else self.at_ms, self.what, self.more])

    def document(self) -> dict[str, Any]:
        """For programs."""
        return without_nothing({"at": utc_time(self.at_ms), "what": self.what, **self.more})


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
    lines = lines_of(store, service_id)
    if as_json:
        print_json({"service": service_id, "lines": [line.document() for line in lines]})
    else:
        rows = (
            (local_time(utc_time(each.at_ms)), each.what, describe(each.more)) for each in lines
        )
        print_table(("at", "what happened", ""), rows, f"Nothing is known of {service_id}.")
    if not lines:
        raise typer.Exit(1)


def lines_of(store: Store, service_id: str) -> list[Line]:
    """The history of a service and the latest word on each of its events, the oldest first."""
    view = store.views.service(service_id, ())
    if view is None:
        return []
    lines = [Line(each.pop("at_ms"), each.pop("what"), each) for each in map(dict, view.history)]
    for outcome in view.events:
        more = {
            "event": outcome.event_id,
            "type": outcome.type,
            "router": outcome.router,
            "reason": outcome.reason,
            "detail": outcome.detail,
        }
        if outcome.state in FINAL or outcome.reason:  # that it was accepted, the history says
            lines.append(Line(outcome.at_ms, f"event {outcome.state}", without_nothing(more)))
    return sorted(lines, key=lambda line: line.at_ms)


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


def _new_lines(store: Store, service_id: str) -> Iterator[Line | None]:
    """Lines as they come, for ever; None: Redis cannot be reached just now."""
    shown: set[str] = set()
    while True:
        try:
            lines = lines_of(store, service_id)
        except StoreUnavailable:
            yield None
        else:
            yield from (line for line in lines if line.key not in shown)
            # What is no longer kept cannot come again: as many keys as there are lines.
            shown = {line.key for line in lines}
        time.sleep(_CHECK_EVERY_S)  # the pace of looking, not a wait for anything
