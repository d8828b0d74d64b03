"""`leasewire import`: services from a file; nothing is published unless every row is valid."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from leasewire.answer import Answer, ApplyOption, Exit, Line, Part, TextTable, bad_input, counted
from leasewire.context import ActorOption, Context, InventoryOption
from leasewire.given_files import as_file
from leasewire.progress import progress_bar
from leasewire.sources.import_apply import ImportResult, apply_file, batches, file_preview
from leasewire.sources.service_file import (
    AsOfOption,
    FormatOption,
    ServiceFile,
    SourceOption,
    stdin_name,
)
from producers.files.writing import template
from worker.admin.file_preview import Previewed
from worker.admin.json_fields import utc_time

_SHOWN: Final = 50
_KEPT: Final = 10_000
_EFFECTS: Final = ("new", "changed", "unchanged", "newer", "refused", "already_imported")
_NO_CHANGE: Final = ("unchanged", "already_imported")
_CHANGING: Final = ("new", "changed", "refused")


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
    actor: ActorOption = "",
    inventory: InventoryOption = None,
) -> Answer:
    """Import services from a file: .csv (see --template), or .ndjson as `export` writes it.

    A row is the state of a service, or what happened to it if it has an `event` such as cancelled.
    The file describes one moment: later events keep their effect, and such rows count as newer.
    With --apply rows use the lane for imports, so live events do not wait for them. It may be
    interrupted and run again.

    Examples: leasewire import --template > services.csv; leasewire import services.csv; leasewire
    import services.csv --apply; leasewire import - --format csv --as-of 2026-11-24T09:00:00Z
    """
    if show_template:
        return Answer({"template": template()}, [template().rstrip("\n")])
    if path is None:
        bad_input("Name a file; `leasewire import --template` prints one to begin with.")
    context = Context(inventory)
    with as_file(path, stdin_name(path, format_)) as given:
        file = ServiceFile.open(context, given, source, as_of)
        with file.publisher:
            if not apply:
                return preview_answer(file, preview(context, file))
            done = apply_file(context, file, actor, "source.imported")
        return done_answer(file, done)


class Preview(NamedTuple):
    """What the rows of a file would change: how many by effect, and the first ones in full."""

    counts: Counter[str]
    changes: Sequence[Previewed]
    warnings: Sequence[str]

    @property
    def changing(self) -> bool:
        """Whether rows would change a service, or become dead letters."""
        return any(self.counts[effect] for effect in _CHANGING)


def preview(context: Context, file: ServiceFile) -> Preview:
    """Work out what the rows of a file would change, service by service."""
    effects = file_preview(context)
    counts: Counter[str] = Counter()
    kept: list[Previewed] = []
    with progress_bar("comparing", file.rows) as advance:
        for batch in batches(file.events()):
            for previewed in effects.of([completed.event for completed in batch]):
                counts[previewed.effect] += len(previewed.keys)
                if previewed.effect not in _NO_CHANGE and len(kept) < _KEPT:
                    kept.append(previewed)
            advance(len(batch))
    unknown = [
        f"router {name} is not in the inventory: {counted(number, 'service')} would wait for it"
        for name, number in sorted(effects.unknown_routers.items())
    ]
    return Preview(counts, kept, [*unknown, *effects.warnings])


def preview_answer(file: ServiceFile, found: Preview) -> Answer:
    """Show what would change."""
    counts, changes, warnings = found
    rows = [
        {"service": change.service_id, "effect": change.effect, "change": _message(change)}
        for change in changes[:_SHOWN]
    ]
    text: list[Part] = [TextTable(rows, "service, effect, change", "No row would change anything.")]
    left = sum(counts.values()) - sum(counts[effect] for effect in _NO_CHANGE) - len(rows)
    if left > 0:
        text.append(f"… and {left:,} more.")
    text += [Line(f"! {warning}", "yellow") for warning in warnings[:_SHOWN]]
    if len(warnings) > _SHOWN:
        text.append(f"… and {len(warnings) - _SHOWN:,} more warnings; --json has them.")
    text.append(f"\n{_summary(file, counts)}")
    text.append("Nothing was imported. Run with --apply to import.")
    document = _document(file, counts) | {
        "applied": False,
        "changes": [
            {
                "service": change.service_id,
                "effect": change.effect,
                "changes": {name: list(pair) for name, pair in change.changes.items()},
                "detail": change.detail,
            }
            for change in changes
        ],
        "warnings": list(warnings),
    }
    return Answer(document, text, Exit.CHANGES if found.changing else Exit.OK)


def done_answer(file: ServiceFile, done: ImportResult) -> Answer:
    """Show what became of the rows."""
    again = "Run the same command again to continue: imported rows stay as they are."
    text, errors, code = [_summary(file, done.counts)], [], Exit.OK
    if done.counts["refused"]:
        text.append("Refused rows: leasewire dead-letters list")
        code = Exit.FAILED
    if done.interrupted:
        errors.append(f"Interrupted after {done.published} of {file.rows} rows. {again}")
        code = Exit.INTERRUPTED
    elif done.stalled:
        message = "rows are safe in the journal, but no worker folds them: is one running?"
        errors.append(f"{done.published} of {file.rows} {message} {again}")
        code = Exit.FAILED
    document = _document(file, done.counts) | {"applied": True, "published": done.published}
    return Answer(document, text, code, errors)


def _document(file: ServiceFile, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "source": file.source,
        "as_of": utc_time(file.as_of_ms),
        "rows": file.rows,
        "counts": dict(counts),
    }


def _summary(file: ServiceFile, counts: Mapping[str, int]) -> str:
    effects = ", ".join(
        f"{counts[name]:,} {name.replace('_', ' ')}" for name in _EFFECTS if counts.get(name)
    )
    rows = f"{counted(file.rows, 'row')} of {file.source}"
    return f"{rows} as of {utc_time(file.as_of_ms)}: {effects or 'nothing'}"


def _message(change: Previewed) -> str:
    if change.detail:
        return change.detail
    return "; ".join(
        f"{name}: {_short(old)} → {_short(new)}" for name, (old, new) in change.changes.items()
    )


def _short(value: object) -> str:
    if value in (None, [], {}):
        return "none"
    match value:
        case {"ipv4": found} | {"pool": found} | {"code": found}:
            return str(found)
        case _:
            return str(value)
