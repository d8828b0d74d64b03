"""`leasewire dead-letters`: what could go no further by itself."""

import json
from typing import Annotated, Any

import typer

from leasewire.context import Context
from leasewire.printing import (
    JsonOption,
    local_time,
    print_fields,
    print_json,
    print_table,
    utc_time,
    without_nothing,
)
from worker.core.outcome import DeadLetter

app = typer.Typer(no_args_is_help=True, help="Events and services that could go no further.")


@app.command("list")
def list_(
    *,
    most: Annotated[int, typer.Option(help="How many; the newest come first.", min=1)] = 100,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, the newest first.

    Example: leasewire dead-letters list
    """
    letters = [document_of(each) for each in Context().store.views.dead_letters(most)]
    if as_json:
        print_json({"dead_letters": letters})
        return
    print_table(
        ("id", "kind", "service", "router", "reason", "detail", "at"),
        (
            (
                *(each.get(name) for name in ("id", "kind", "service", "router", "reason")),
                each.get("detail"),
                local_time(each.get("at")),
            )
            for each in letters
        ),
        "No dead letters.",
    )


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `dead-letters list` says.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: all that is wrong, and the event as it came.

    A service's letter goes when the service is in sync again: its next event tries anew.

    Example: leasewire dead-letters show SVC-1001@tower-7
    """
    letter = Context().store.views.dead_letter(letter_id)
    if letter is None:
        typer.echo(f"There is no dead letter {letter_id}; see `dead-letters list`.", err=True)
        raise typer.Exit(1)
    document = document_of(letter)
    if as_json:
        print_json(document)
        return
    body = document.pop("body", None)
    document["at"] = local_time(document.get("at"))
    print_fields(document.items())
    if body is not None:
        typer.echo("\nThe event as it came:")
        typer.echo(json.dumps(body, indent=2))


def document_of(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for programs; `body` is the event's JSON, or its text where it is none."""
    try:
        body = json.loads(letter.body) if letter.body else None
    except (ValueError, RecursionError):
        body = letter.body
    return without_nothing(
        {
            "id": letter.id,
            "kind": letter.kind,
            "reason": letter.reason,
            "detail": letter.detail,
            "service": letter.service_id,
            "router": letter.router,
            "attempts": letter.attempts,
            "at": utc_time(letter.at_ms),
            "body": body,
        }
    )
