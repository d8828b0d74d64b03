"""Who acts: every action of a person names its actor, in history, audit and log."""

import getpass
from typing import Annotated

import typer

from worker.settings import PREFIX, environment

ActorOption = Annotated[
    str | None,
    typer.Option(
        "--actor",
        help=f"Who does this; else {PREFIX}ACTOR, else the user of this system.",
        show_default=False,
    ),
]


def actor_of(given: str | None) -> str:
    """The name given with `--actor`, else `LEASEWIRE_ACTOR`, else the operating system's user.

    The variable is for containers, in which everybody is the same user.
    """
    if named := given or environment().get(f"{PREFIX}ACTOR"):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return "unknown"
