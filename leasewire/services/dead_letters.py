"""`leasewire dead-letters`: what could go no further by itself."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from leasewire.context import Context
from leasewire.printing import JsonOption, clean, local_time, print_fields, print_json, print_table
from leasewire.services import dead_letter_actions
from worker.admin.documents import dead_letter_document
from worker.admin.json_fields import utc_time
from worker.core.service.outcome import DeadLetter

app = typer.Typer(no_args_is_help=True, help="Events and services that could go no further.")


app.command()(dead_letter_actions.retry)
app.command()(dead_letter_actions.edit)
app.command()(dead_letter_actions.discard)


@app.command("list")
def list_(
    *,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    each: Annotated[bool, typer.Option("--each", help="One a line, not grouped.")] = False,
    most: Annotated[int, typer.Option(help="How many single ones; the newest.", min=1)] = 100,
    as_json: JsonOption = False,
) -> None:
    """List dead letters by cause: how many, since when, and the id of one of them.

    Example: leasewire dead-letters list; leasewire dead-letters list --each --reason invalid-event
    """
    store = Context().store
    found = [
        dead_letter
        for dead_letter in store.dead_letters.all()
        if reason is None or dead_letter.reason == reason
    ]
    gone = [
        {"source": source, "reason": why, "count": count}
        for group, count in sorted(store.dead_letters.gone().items())
        for source, _, why in [group.rpartition("|")]
        if reason is None or why == reason
    ]
    dead_letters = [dead_letter_document(dead_letter) for dead_letter in reversed(found[-most:])]
    groups = _groups(found)
    if as_json:
        print_json({"groups": groups, "dead_letters": dead_letters, "gone": gone})
        return
    if each:
        columns = ("id", "kind", "service", "router", "reason", "detail", "at")
        print_table(
            columns,
            (
                (*(one.get(name) for name in columns[:-1]), local_time(one.get("at")))
                for one in dead_letters
            ),
            "No dead letters.",
        )
    else:
        print_table(
            ("count", "reason", "message", "oldest", "newest", "one of them"),
            (
                (
                    *(group.get(name) for name in ("count", "reason", "detail")),
                    *(local_time(group[name]) for name in ("oldest", "newest")),
                    group["example"],
                )
                for group in groups
            ),
            "No dead letters.",
        )
    for one in gone:
        message = f"{one['count']} more ({one['reason']}) of {one['source'] or 'unknown sources'}"
        typer.echo(clean(f"{message} went: of a source and reason the newest are kept."))


def _groups(dead_letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    """One document a cause (reason and words), the most frequent first."""
    by_cause: dict[tuple[str, str], list[DeadLetter]] = {}
    for dead_letter in dead_letters:
        by_cause.setdefault((dead_letter.reason, dead_letter.detail), []).append(dead_letter)
    return [
        {
            "reason": reason,
            "detail": detail,
            "count": len(group),
            "oldest": utc_time(min(dead_letter.at_ms for dead_letter in group)),
            "newest": utc_time(max(dead_letter.at_ms for dead_letter in group)),
            "example": group[-1].id,
        }
        for (reason, detail), group in sorted(by_cause.items(), key=lambda pair: -len(pair[1]))
    ]


@app.command()
def show(
    dead_letter_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `dead-letters list` says.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: all that is wrong, and the event as it came.

    A service's letter goes when the service is in sync again: its next event tries anew.

    Example: leasewire dead-letters show SVC-1001@tower-7
    """
    dead_letter = Context().store.views.dead_letter(dead_letter_id)
    if dead_letter is None:
        typer.echo(f"There is no dead letter {dead_letter_id}; see `dead-letters list`.", err=True)
        raise typer.Exit(1)
    document = dead_letter_document(dead_letter)
    if as_json:
        print_json(document)
        return
    body = document.pop("body", None)
    document["at"] = local_time(document.get("at"))
    print_fields(document.items())
    if body is not None:
        typer.echo("\nThe event as it came:")
        typer.echo(json.dumps(body, indent=2))
