"""`leasewire runbook` and `deploy-files`: files for operators from the installed package."""

from collections.abc import Iterator
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final

import typer

from leasewire.answer import Answer, TextTable, clean
from worker.admin.runbooks import runbooks
from worker.core.texts import did_you_mean
from worker.errors import ConfigurationError

_FILES: Final = files("leasewire") / "files"
_FOLDERS: Final = ("redis", "systemd", "prometheus", "grafana", "runbooks")


def runbook_command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="As in `alerts list`. Default: list all."),
    ] = None,
) -> Answer:
    """Print the runbook of a kind of alert: what to check and what to do. Without a name, list all.

    Example: leasewire runbook router-down
    """
    pages = runbooks()
    if name is None:
        rows = [{"name": page, "about": _first_sentence(text)} for page, text in pages.items()]
        return Answer({"runbooks": rows}, [TextTable(rows, "name, about")])
    wanted = name.removesuffix(".md")
    if wanted not in pages:
        hint = did_you_mean(wanted, pages) or "see `leasewire runbook`."
        raise ConfigurationError([f"There is no runbook {wanted}; {hint}"])
    return Answer({"name": wanted, "text": pages[wanted]}, [pages[wanted].rstrip("\n")])


def deploy_files_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Target; created if missing.")],
) -> None:
    """Write systemd units, Redis configuration and users, alert rules, a dashboard and runbooks.

    Existing files are never overwritten: the command fails and names them.

    Example: leasewire deploy-files leasewire-deploy
    """
    wanted = {
        directory / folder / name: file
        for folder in _FOLDERS
        for name, file in _in(_FILES / folder)
    }
    if there := [path for path in wanted if path.exists()]:
        raise ConfigurationError([f"{path}: exists already" for path in there])
    try:
        for path, file in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with as_file(file) as source:
                path.write_bytes(source.read_bytes())
    except OSError as error:
        problem = f"{error.filename}: cannot be written: {error.strerror}"
        raise ConfigurationError([problem]) from error
    typer.echo(clean(f"Wrote {len(wanted)} files to {directory}: {', '.join(_FOLDERS)}."))


def _in(folder: Traversable) -> Iterator[tuple[Path, Traversable]]:
    """Each file in a folder and in those below it, by its name from there."""
    for found in sorted(folder.iterdir(), key=lambda found: found.name):
        below = _in(found) if found.is_dir() else [(Path(), found)]
        yield from ((found.name / name, file) for name, file in below)


def _first_sentence(text: str) -> str:
    """The first sentence under the title of a page."""
    paragraph = text.split("\n\n")[1].replace("\n", " ")
    return paragraph.split(". ")[0].rstrip(".:")
