"""What commands share that show first what they would do, and do it with --apply."""

from typing import Annotated, Final, NoReturn

import typer

WOULD_CHANGE: Final = 2

ApplyOption = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Do it. Without it what would change is shown, and the exit code is 2 where something "
        "would, else 0.",
    ),
]


def end_preview(*, changes: bool) -> NoReturn:
    """End a command that only showed what it would do."""
    raise typer.Exit(WOULD_CHANGE if changes else 0)
