"""Who acts: every action of a person names its actor, in history, audit and log."""

import getpass
from typing import Annotated

import typer

ActorOption = Annotated[
    str | None,
    typer.Option("--actor", help="Who does this; else the user of this system.", show_default=""),
]


def actor_of(given: str | None) -> str:
    """The name given with `--actor`, else that of the operating system's user."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return "unknown"
