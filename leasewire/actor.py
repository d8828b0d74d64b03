"""The actor of a person's action, for history, action list and log."""

import getpass
from typing import Annotated

import typer

from worker.settings import PREFIX, environment

ActorOption = Annotated[
    str | None,
    typer.Option(
        "--actor",
        help=f"Who does this. Default: {PREFIX}ACTOR, else the user of this system.",
        show_default=False,
    ),
]


def actor_of(given: str | None) -> str:
    """The name given with `--actor`, else `LEASEWIRE_ACTOR`, else the user of this system.

    The variable is for containers, where everybody is the same user.
    """
    if named := given or environment().get(f"{PREFIX}ACTOR"):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return "unknown"
