"""`leasewire import`: services of a file. What would change is shown; `--apply` does it.

Nothing of a file is published unless every row is right.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from leasewire.actor import ActorOption, actor_of
from leasewire.context import Context, InventoryOption
from leasewire.preview import ApplyOption, end_preview
from leasewire.printing import JsonOption, clean, counted, print_json, print_table
from leasewire.progress import progress_bar
from leasewire.sources.import_apply import Done, apply_events, batches, file_preview
from leasewire.sources.service_file import (
    BAD_INPUT,
    AsOfOption,
    FormatOption,
    ServiceFile,
    SourceOption,
    end,
    stdin_name,
)
from leasewire.sources.standard_input import as_file
from producers.files.writing import template
from worker.admin.file_preview import Previewed
from worker.admin.json_fields import utc_time

FAILED: Final = 1
INTERRUPTED: Final = 130
_SHOWN: Final = 50
_KEPT: Final = 10_000


def import_command(  # noqa: PLR0913 - as many options
    path: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", show_default=False, help="- is standard input."),
    ] = None,
    *,
    format_: FormatOption = None,
    source: SourceOption = None,
    as_of: AsOfOption = None,
    apply: ApplyOption = False,
    show_template: Annotated[
        bool, typer.Option("--template", help="Print a CSV file to begin with.")
    ] = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Import services of a file: .csv (see --template), or .ndjson as `export` writes it.

    A row is what a service is to be, or with an `event` such as cancelled what happened to it. The
    file speaks of one moment: what came to be known after it stands, and such rows are counted as
    newer. With --apply rows go by the lane for imports, behind which no other event waits. It may
    be interrupted and run again.

    Examples: leasewire import --template > services.csv; leasewire import services.csv; leasewire
    import services.csv --apply; leasewire import - --format csv --as-of 2026-11-24T09:00:00Z
    """
    if show_template:
        typer.echo(template(), nl=False)
        return
    if path is None:
        end(BAD_INPUT, "Name a file; `leasewire import --template` prints one to begin with.")
    context = Context(inventory)
    with as_file(path, stdin_name(path, format_)) as given:
        file = ServiceFile.open(context, given, source, as_of)
        with file.publisher:
            if not apply:
                found = preview(context, file)
                show_preview(file, *found, as_json=as_json)
                end_preview(changes=would_change(found[0]))
            done = apply_events(context, file, file.events(), actor_of(actor), total=file.rows)
        show_done(file, done, as_json=as_json)


def preview(context: Context, file: ServiceFile) -> tuple[Counter[str], list[Previewed], list[str]]:
    """What the rows would change, service by service, the first ones in full; and warnings."""
    desk = file_preview(context)
    counts: Counter[str] = Counter()
    kept: list[Previewed] = []
    with progress_bar("comparing", file.rows) as advance:
        for batch in batches(file.events()):
            for each in desk.of([completed.event for completed in batch]):
                counts[each.effect] += len(each.keys)
                if each.effect not in _NOTHING and len(kept) < _KEPT:
                    kept.append(each)
            advance(len(batch))
    unknown = [
        f"router {name} is not in the inventory: {counted(number, 'service')} would wait for it"
        for name, number in sorted(desk.unknown_routers.items())
    ]
    return counts, kept, unknown + desk.warnings


def would_change(counts: Mapping[str, int]) -> bool:
    """Whether rows would change a service, or become dead letters."""
    return any(counts[name] for name in _CHANGING)


def show_preview(
    file: ServiceFile,
    counts: Counter[str],
    changes: Sequence[Previewed],
    warnings: Sequence[str],
    *,
    as_json: bool,
    **more: object,
) -> None:
    """Show what would change; `more` are further fields of the JSON document."""
    if as_json:
        said = [
            {
                "service": each.service_id,
                "effect": each.effect,
                "changes": {name: list(pair) for name, pair in each.changes.items()},
                "detail": each.detail,
            }
            for each in changes
        ]
        print_json(
            _document(file, counts)
            | {"applied": False, "changes": said, "warnings": list(warnings), **more}
        )
        return
    rows = [(each.service_id, each.effect, _message(each)) for each in changes[:_SHOWN]]
    print_table(("service", "effect", "what"), rows, "No row would change anything.")
    left = sum(counts.values()) - sum(counts[name] for name in _NOTHING) - len(rows)
    if left > 0:
        typer.echo(f"… and {left:,} more.")
    for message in warnings[:_SHOWN]:
        typer.secho(clean(f"! {message}"), fg="yellow")
    if len(warnings) > _SHOWN:
        typer.echo(f"… and {len(warnings) - _SHOWN:,} more warnings; --json has them.")
    typer.echo(f"\n{_summary(file, counts)}\nNothing was imported: add --apply to do so.")


def show_done(file: ServiceFile, done: Done, *, as_json: bool, **more: object) -> None:
    """Show what became of the rows; ends with another exit code when it is not over."""
    again = "Run the same command again to go on: what is imported stays as it is."
    if as_json:
        said = {"applied": True, "published": done.published, **more}
        print_json(_document(file, done.counts) | said)
    else:
        typer.echo(_summary(file, done.counts))
        if done.counts["refused"]:
            typer.echo("What was refused: leasewire dead-letters list")
    if done.interrupted:
        end(INTERRUPTED, f"Interrupted after {done.published} of {file.rows} rows. {again}")
    if done.stalled:
        message = "rows are safe in the journal, and no worker takes them: is one running?"
        end(FAILED, f"{done.published} of {file.rows} {message} {again}")
    if done.counts["refused"]:
        raise typer.Exit(FAILED)


def _document(file: ServiceFile, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "source": file.source,
        "as_of": utc_time(file.as_of_ms),
        "rows": file.rows,
        "counts": dict(counts),
    }


def _summary(file: ServiceFile, counts: Mapping[str, int]) -> str:
    said = ", ".join(
        f"{counts[name]:,} {name.replace('_', ' ')}" for name in _EFFECTS if counts.get(name)
    )
    rows = f"{counted(file.rows, 'row')} of {file.source}"
    return f"{rows} as of {utc_time(file.as_of_ms)}: {said or 'nothing'}"


_EFFECTS: Final = ("new", "changed", "unchanged", "newer", "refused", "already_imported")
_NOTHING: Final = ("unchanged", "already_imported")
_CHANGING: Final = ("new", "changed", "refused")


def _message(each: Previewed) -> str:
    if each.detail:
        return each.detail
    said = (f"{name}: {_short(old)} → {_short(new)}" for name, (old, new) in each.changes.items())
    return "; ".join(said)


def _short(value: object) -> str:
    if value in (None, [], {}):
        return "none"
    match value:
        case {"ipv4": found} | {"pool": found} | {"code": found}:
            return str(found)
        case _:
            return str(value)
