"""`leasewire resync`: all services of a source at once, and what it no longer has.

A snapshot of each service goes first, then a manifest that lists them: see
`worker/intake/manifest.py` for what follows from it.
"""

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from contracts import names
from contracts.manifest import MOST_SERVICES
from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, print_table
from leasewire.sources.import_apply import apply_events
from leasewire.sources.import_services import preview, show_done, show_preview, would_change
from leasewire.sources.service_file import (
    AsOfOption,
    FormatOption,
    ServiceFile,
    SourceOption,
    end,
    stdin_name,
)
from leasewire.sources.standard_input import as_file
from producers.errors import PublishFailed
from worker.admin.json_fields import utc_time
from worker.core.service.outcome import Outcome
from worker.intake.manifest import missing_of

FAILED: Final = 1
OUT_OF_REACH: Final = 3
_SHOWN: Final = 10
_TIME_LIMIT_S: Final = 60.0
_CHECK_EVERY_S: Final = 0.1


class Missing(StrEnum):
    """What becomes of services that the file does not have."""

    REPORT = "report"
    SUSPEND = "suspend"
    CANCEL = "cancel"


def resync_command(  # noqa: PLR0913 - as many options
    path: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
    *,
    format_: FormatOption = None,
    missing: Annotated[
        Missing, typer.Option(help="What becomes of services that the file does not have.")
    ] = Missing.REPORT,
    router: Annotated[
        list[str] | None,
        typer.Option(help="The file is all of this router only; repeatable.", show_default=False),
    ] = None,
    source: SourceOption = None,
    as_of: AsOfOption = None,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Name every missing service, not only {_SHOWN}.")
    ] = False,
    apply: ApplyOption = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Bring all services of a source to what a file says, and find those that it does not have.

    The file is one of `leasewire import`, with every service that the source has. Services that it
    does not have are reported, suspended or cancelled; what came to be known after the file was
    made, or in the five minutes before, is left alone. The brake holds what is more than usual: see
    `leasewire brake list`.

    Examples: leasewire resync all.csv; leasewire resync all.csv --missing suspend --apply
    """
    context = Context(inventory)
    with as_file(path, stdin_name(path, format_)) as given:
        file = ServiceFile.open(context, given, source, as_of)
        routers = sorted(router) if router else None
        for name in routers or ():
            if name not in context.inventory.routers:
                end(2, f"--router {name}: is not in the inventory.")
        gone = missing_of(context.store, file.source, file.services, routers, file.as_of_ms)
        with file.publisher:
            if not apply:
                found = preview(context, file)
                show_preview(file, *found, as_json=as_json, missing=gone)
                if not as_json:
                    typer.echo()
                    _print_missing(gone, missing, show_all=show_all, done=False)
                ended = bool(gone) and missing is not Missing.REPORT
                end_preview(changes=ended or would_change(found[0]))
            who = actor_of(actor)
            done = apply_events(context, file, file.events(), who, total=file.rows)
            if done.interrupted or done.stalled:
                show_done(file, done, as_json=as_json)
            parts = list(_parts(file, missing, routers, who))
            outcome = _send(context, file, parts)
            show_done(file, done, as_json=as_json, missing=gone, manifest=outcome.detail)
        if not as_json:
            _print_missing(gone, missing, show_all=show_all, done=True)
            typer.echo(clean(f"The manifest: {outcome.detail}"))
            if gone and missing is not Missing.REPORT:
                typer.echo(
                    "Changes beyond the usual number are held for approval: leasewire brake list"
                )


def _parts(
    file: ServiceFile, missing: Missing, routers: Sequence[str] | None, actor: str
) -> Iterator[dict[str, Any]]:
    services = iter(sorted(file.services))
    parts = -(-len(file.services) // MOST_SERVICES)
    # The same file asked the same is the same manifest; asked otherwise it is another one.
    asked = "-".join((missing.value, *(routers or ())))[:24]
    name = f"{file.digest[:16]}:{file.as_of_ms}:{asked}"
    for number in range(1, parts + 1):
        listed = [{"service_id": each} for each in islice(services, MOST_SERVICES)]
        event = file.event({}, "none") | {
            "type": "leasewire.inventory.manifest.v1",
            "actor": actor,
            "data": {
                "manifest_id": name,
                "part": number,
                "parts": parts,
                "taken_at": utc_time(file.as_of_ms),
                "scope": {"routers": list(routers)} if routers else {},
                "missing": missing.value,
                "services": listed,
            },
        }
        yield event


def _send(context: Context, file: ServiceFile, parts: Sequence[dict[str, Any]]) -> Outcome:
    """Publish a manifest, and wait for what became of it."""
    try:
        receipts = file.publisher.publish(parts, lane=names.QUEUE_BULK)
    except PublishFailed as error:
        end(OUT_OF_REACH, str(error), "Run the same command again to go on.")
    keys = [each.event_key for each in receipts]
    deadline = time.monotonic() + _TIME_LIMIT_S
    while True:
        for outcome in context.store.views.outcomes(keys):
            if outcome.state == "applied":
                return outcome
            if outcome.state != "accepted":
                end(FAILED, f"The manifest was {outcome.state}: {outcome.reason} {outcome.detail}")
        if time.monotonic() > deadline:
            message = "The manifest is safe in the journal, and no worker takes it: is one running?"
            end(FAILED, message, "Run the same command again to see what became of it.")
        time.sleep(_CHECK_EVERY_S)


def _print_missing(gone: Sequence[str], missing: Missing, *, show_all: bool, done: bool) -> None:
    if not gone:
        typer.echo("No service is missing from the file.")
        return
    count, it = (
        ("1 service", "it is") if len(gone) == 1 else (f"{len(gone):,} services", "they are")
    )
    if missing is Missing.REPORT:
        typer.echo(f"{count} not in the file; --missing says what is to become of such services.")
    else:
        ended = {Missing.SUSPEND: "suspended", Missing.CANCEL: "cancelled"}[missing]
        be = ("was" if len(gone) == 1 else "were") if done else "would be"
        typer.secho(f"{count} {be} {ended}: {it} not in the file.", bold=True)
    shown = gone if show_all else gone[:_SHOWN]
    print_table(("missing",), ([service] for service in shown), "")
    if len(shown) < len(gone):
        typer.echo(f"… and {len(gone) - len(shown):,} more; --all names them.")
    if missing is not Missing.REPORT and not done:
        typer.echo("Changes beyond the brake's limits are held until a person approves them.")
