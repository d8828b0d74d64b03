"""`leasewire config` and `reload`: check the files of this host, and have them read again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from leasewire.answer import Answer, App, Exit, counted
from leasewire.context import DATA, Context
from leasewire.host.up import LOCK
from leasewire.sources.delivering import targets_of
from leasewire.sources.hooks import hooks_of
from worker.errors import ConfigurationError, RouterBlocked
from worker.watching.apprise_sender import check_installed

app = App("Check routers.toml, and hooks.toml and outcomes.toml beside it.")


@app.command()
def check(context: Context) -> Answer:
    """Check the files as a whole, and that each secret that they name can be read.

    Nothing is asked of Redis or of a router. Exit 2: something is wrong; each problem is a line.

    Example: leasewire config check
    """
    found = _checked(context)
    path = context.settings.inventory
    return Answer({"inventory": str(path), **found}, [f"{path} is correct: {_in_words(found)}."])


def reload_command(
    context: Context,
    *,
    data: Annotated[Path, typer.Option(help="Data directory of the `leasewire up`.")] = DATA,
) -> Answer:
    """Let the `leasewire up` of this host read the inventory again, if the files are correct.

    Its log says what changes. A worker, gateway, `outcomes deliver`, `alerts deliver` or `metrics`
    that was started by itself reads it again at SIGHUP, which `systemctl reload` sends.

    Example: leasewire config check && leasewire reload
    """
    found = _checked(context)
    pid = _running_in(data)
    if pid is None:
        message = f"No `leasewire up` runs in {data}: name its directory with --data."
        return Answer({"process": None}, [], Exit.FAILED, [message])
    os.kill(pid, signal.SIGHUP)
    text = (
        f"Process {pid} reads the inventory again: {_in_words(found)}. Its log says what changes."
    )
    return Answer({"process": pid, **found}, [text])


def _checked(context: Context) -> dict[str, int]:
    """How much of what there is.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    inventory = context.inventory  # what is wrong with it says enough
    problems: list[str] = []
    found: dict[str, Any] = {
        "routers": inventory.routers,
        "sources": inventory.sources,
        "pools": inventory.pools.pools,
        "alert_targets": inventory.alerts,
    }
    for name, read in (("hooks", hooks_of), ("outcome_targets", targets_of)):
        try:
            found[name] = read(context)
        except ConfigurationError as error:
            problems += error.problems
    problems += _missing_secrets(context)
    if problems:
        raise ConfigurationError(problems)
    return {name: len(things) for name, things in found.items()}


def _missing_secrets(context: Context) -> Iterator[str]:
    path, inventory = context.settings.inventory, context.inventory
    for router in inventory.routers.values():
        try:
            router.password()
        except RouterBlocked as error:
            yield f"{path}: routers.{router.name}: {error.message}. {error.advice}"
    try:
        check_installed(inventory.alerts)
    except ConfigurationError as error:
        yield from error.problems
    for target in inventory.alerts.values():
        try:
            target.url()
        except ConfigurationError as error:
            yield from error.problems


def _in_words(found: dict[str, int]) -> str:
    parts = [
        counted(number, name.replace("_", " ").removesuffix("s"))
        for name, number in found.items()
        if number
    ]
    return ", ".join(parts)


def _running_in(directory: Path) -> int | None:
    """Process id of the `leasewire up` that uses a data directory; None: none does."""
    try:
        text = (directory / LOCK).read_text()
        os.kill(int(text), 0)
    except (OSError, ValueError):
        return None
    return int(text)
