"""`leasewire init`: a first `routers.toml`, for the simulated router."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from leasewire.answer import Exit, fail
from simulator.cli import DEMO_PASSWORD

_SECRET: Final = Path("secrets") / "simulator"


def init_command(
    path: Annotated[Path, typer.Argument(help="The file; - prints it instead.")] = Path(
        "routers.toml"
    ),
) -> None:
    """Write a first inventory, for the router of `leasewire simulator`; never overwrites a file.

    Also writes the password file secrets/simulator beside it. Comments in the inventory say how to
    add your own routers.

    Example: leasewire init
    """
    if str(path) == "-":
        typer.echo(_text(), nl=False)
        return
    try:
        secret = write_first(path)
    except FileExistsError:
        fail(f"{path} exists already: nothing was changed.", code=Exit.BAD_INPUT)
    except OSError as error:
        fail(f"{error.filename}: cannot be written: {error.strerror}")
    typer.echo(
        f"Wrote {path} and {secret}. Next, in two terminals (or `leasewire up --lab` for both):\n"
        "  leasewire simulator --demo-password --seed-guide --state router.state \\\n"
        "    --api-port 8728 --api-ssl-port 8729\n"
        "  leasewire up"
    )


def write_first(path: Path) -> Path:
    """Write the first inventory and the password file beside it; returns the latter.

    Raises:
        FileExistsError: the inventory exists already.
        OSError: it cannot be written.
    """
    secret = path.parent / _SECRET
    with path.open("x", encoding="utf-8") as file:
        file.write(_text())
    secret.parent.mkdir(mode=0o700, exist_ok=True)
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(f"{DEMO_PASSWORD}\n", encoding="utf-8")
    return secret


def _text() -> str:
    return (files("leasewire.host") / "first_inventory.toml").read_text(encoding="utf-8")
